//! What a server logs of connections: all of it, until there is so much that it would be all that is logged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use app_core::prelude::{Logger, debug, info, warn};
use parking_lot::Mutex;

use crate::{Certificate, End, Refusal};

/// Records of refusals in each period; the others are counted.
const RECORDS: u32 = 20;
const PERIOD: Duration = Duration::from_secs(1);

/// Handshakes that peers ended are told together, once in this time, if there were so many.
pub(super) const SUMMARY_EVERY: Duration = Duration::from_secs(60);
const WORTH_A_WARNING: u64 = 10;

/// Logs refusals and ends of connections.
pub(crate) struct Journal {
    log: Logger,
    window: Mutex<Window>,
    /// Handshakes that peers ended since the last summary.
    given_up: AtomicU64,
}

struct Window {
    began: Instant,
    records: u32,
    left_out: u64,
}

impl Journal {
    pub(crate) fn new(log: Logger) -> Self {
        let window = Window { began: Instant::now(), records: 0, left_out: 0 };
        Self { log, window: Mutex::new(window), given_up: AtomicU64::new(0) }
    }

    pub(crate) fn log(&self) -> &Logger {
        &self.log
    }

    /// A connection was refused.
    pub(crate) fn refused(
        &self,
        from: SocketAddr,
        certificate: Option<&Certificate>,
        why: Refusal,
        detail: &str,
    ) {
        if why == Refusal::Disconnected {
            // Load balancers, probes and scanners do that to see whether the port is open.
            self.given_up.fetch_add(1, Ordering::Relaxed);
            debug!(self.log, "RPC handshake ended by the peer: {detail}"; "reason" => why.label(), "peer" => %from);
        } else if self.may_log() {
            let (serial, names) = shown(certificate);
            warn!(self.log, "RPC connection refused: {detail}"; "reason" => why.label(), "peer" => %from,
                "serial" => serial, "names" => names);
        }
    }

    /// A client was let in.
    pub(crate) fn established(&self, from: SocketAddr, certificate: &Certificate) {
        let (serial, names) = shown(Some(certificate));
        debug!(self.log, "RPC connection established"; "peer" => %from, "serial" => serial, "names" => names);
    }

    /// A connection ended.
    pub(crate) fn ended(&self, from: SocketAddr, certificate: &Certificate, why: End, detail: &str) {
        let (serial, names) = shown(Some(certificate));
        if !why.is_fault() {
            debug!(self.log, "RPC connection ended: {detail}"; "reason" => why.label(), "peer" => %from,
                "serial" => serial, "names" => names);
        } else if self.may_log() {
            warn!(self.log, "RPC connection ended: {detail}"; "reason" => why.label(), "peer" => %from,
                "serial" => serial, "names" => names);
        }
    }

    /// Tells of handshakes that peers ended, if there were many. To be called once in [`SUMMARY_EVERY`].
    pub(super) fn summarize(&self) {
        let count = self.given_up.swap(0, Ordering::Relaxed);
        if count >= WORTH_A_WARNING {
            warn!(self.log, "RPC handshakes were ended by peers; each is a record of level debug, with its address";
                "reason" => Refusal::Disconnected.label(), "count" => count, "seconds" => SUMMARY_EVERY.as_secs());
        }
    }

    /// Takes a record of the period, and tells of those that were left out in the one before.
    fn may_log(&self) -> bool {
        let (may, left_out) = {
            let mut window = self.window.lock();
            let mut left_out = 0;
            if window.began.elapsed() >= PERIOD {
                left_out = window.left_out;
                *window = Window { began: Instant::now(), records: 0, left_out: 0 };
            }
            let may = window.records < RECORDS;
            window.records += u32::from(may);
            window.left_out += u64::from(!may);
            (may, left_out)
        };
        if left_out > 0 {
            info!(self.log, "more RPC connections were refused or ended, and are counted only"; "count" => left_out);
        }
        may
    }
}

fn shown(certificate: Option<&Certificate>) -> (String, String) {
    certificate.map(|shown| (shown.serial.clone(), shown.names.join(","))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use app_core::{Identity, Log, LogLevel};
    use app_ids::InstanceId;

    use super::*;

    #[test]
    fn handshakes_that_peers_end_are_one_warning_a_minute() {
        let identity =
            Identity { domain: 1.into(), app: 2.into(), release: 3.into(), instance: InstanceId::random() };
        let (log, captured) = Log::captured(&identity, LogLevel::Debug);
        let journal = Journal::new(log.logger().clone());
        let warnings = || captured.text().lines().filter(|line| line.contains("\"level\":\"warn\"")).count();
        let from = SocketAddr::from(([192, 0, 2, 1], 7));
        let ended = |count| {
            for _ in 0..count {
                journal.refused(from, None, Refusal::Disconnected, "it went away");
            }
            journal.summarize();
        };
        ended(WORTH_A_WARNING - 1);
        assert_eq!(warnings(), 0, "{}", captured.text());
        ended(34);
        assert_eq!(warnings(), 1, "{}", captured.text());
        assert!(captured.text().contains("\"count\":34"), "{}", captured.text());
        ended(0);
        assert_eq!(warnings(), 1);
        // A peer that refuses us is another matter.
        journal.refused(from, None, Refusal::ByPeer, "it does not trust us");
        assert_eq!(warnings(), 2);
    }
}
