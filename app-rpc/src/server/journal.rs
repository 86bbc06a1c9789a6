//! The log records of a server's connections, at a limited rate.
//!
//! Peers are strangers until a handshake is done, and choose what they send. So each text of a record has at most 1 KiB.
//!
//! Each reason has its own limit of records, and one address gets only a part of them. So a client that is refused again and again
//! does not keep the refusals of others out of the log.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use app_core::log::Serde;
use app_core::prelude::{Logger, debug, info, warn};
use app_errors::ErrorType;
use app_tls::{ShownNames, shown_names};
use parking_lot::Mutex;

use crate::error_form::decode_bounded;
use crate::text::{MAX_TEXT_BYTES, short};
use crate::{Certificate, End, Refusal};

/// The most records of one reason in a period. The others are only counted.
const MAX_RECORDS: usize = 10;
/// The most records of one reason and one address in a period.
const MAX_OF_ADDRESS: usize = 5;
const PERIOD: Duration = Duration::from_secs(1);

/// Handshakes that peers ended share one record in this time, if there were [`WORTH_A_WARNING`].
pub(super) const SUMMARY_EVERY: Duration = Duration::from_secs(60);
const WORTH_A_WARNING: u64 = 10;

/// Logs refusals and ends of connections.
pub(crate) struct Journal {
    log: Logger,
    refusals: [Mutex<Window>; Refusal::ALL.len()],
    ends: [Mutex<Window>; End::ALL.len()],
    bugs: Mutex<Window>,
    /// Handshakes that peers have ended since the last summary.
    given_up: AtomicU64,
}

/// The records of one reason.
struct Window {
    began: Instant,
    /// The addresses of the records.
    records: Vec<IpAddr>,
    left_out: u64,
}

impl Journal {
    pub(crate) fn new(log: Logger) -> Self {
        let refusals = Refusal::ALL.map(|_| Mutex::new(Window::new()));
        let ends = End::ALL.map(|_| Mutex::new(Window::new()));
        Self { log, refusals, ends, bugs: Mutex::new(Window::new()), given_up: AtomicU64::new(0) }
    }

    pub(crate) fn log(&self) -> &Logger {
        &self.log
    }

    /// Logs a refused connection.
    pub(crate) fn refused(
        &self,
        from: SocketAddr,
        certificate: Option<&Certificate>,
        why: Refusal,
        detail: &str,
    ) {
        let detail = short(detail);
        if why == Refusal::Disconnected {
            // Load balancers, probes and scanners do this to see whether the port is open.
            self.given_up.fetch_add(1, Ordering::Relaxed);
            debug!(self.log, "RPC handshake ended by the peer: {detail}"; "reason" => why.label(), "peer" => %from);
        } else if self.may_log(&self.refusals[why as usize], why.label(), from) {
            let (serial, names, left_out) = shown(certificate);
            warn!(self.log, "RPC connection refused: {detail}"; "reason" => why.label(), "peer" => %from,
                "serial" => serial, "names" => Serde(names), "names_left_out" => left_out);
        }
    }

    /// Logs an accepted client.
    pub(crate) fn established(&self, from: SocketAddr, certificate: &Certificate) {
        let (serial, names, left_out) = shown(Some(certificate));
        debug!(self.log, "RPC connection established"; "peer" => %from, "serial" => serial,
            "names" => Serde(names), "names_left_out" => left_out);
    }

    /// Logs the end of a connection.
    pub(crate) fn ended(&self, from: SocketAddr, certificate: &Certificate, why: End, detail: &str) {
        let (serial, names, left_out) = shown(Some(certificate));
        let detail = short(detail);
        if !why.is_fault() {
            debug!(self.log, "RPC connection ended: {detail}"; "reason" => why.label(), "peer" => %from,
                "serial" => serial, "names" => Serde(names), "names_left_out" => left_out);
        } else if self.may_log(&self.ends[why as usize], why.label(), from) {
            warn!(self.log, "RPC connection ended: {detail}"; "reason" => why.label(), "peer" => %from,
                "serial" => serial, "names" => Serde(names), "names_left_out" => left_out);
        }
    }

    /// Logs a call whose handler returned an error. A bug is a warning.
    pub(super) fn call_failed(&self, method: &str, from: SocketAddr, text: &str, error: Option<&[u8]>) {
        let text = short(text);
        let Some(error) = error.and_then(decode_bounded) else {
            debug!(self.log, "RPC call failed: {text}"; "method" => method, "peer" => %from);
            return;
        };
        let (id, name, uid) = (error.id, error.id.name(), error.uid.hex());
        if error.error_type != ErrorType::Bug {
            debug!(self.log, "RPC call failed: {text}"; "method" => method, "peer" => %from,
                "error" => %id, "error_name" => name, "uid" => uid);
        } else if self.may_log(&self.bugs, "bug", from) {
            warn!(self.log, "RPC call failed: {text}"; "method" => method, "peer" => %from,
                "error" => %id, "error_name" => name, "uid" => uid);
        }
    }

    /// Logs the number of handshakes that peers ended, if it is large. Call it once in [`SUMMARY_EVERY`].
    pub(super) fn summarize(&self) {
        let count = self.given_up.swap(0, Ordering::Relaxed);
        if count >= WORTH_A_WARNING {
            warn!(self.log, "RPC handshakes were ended by peers; each is a record of level debug, with its address";
                "reason" => Refusal::Disconnected.label(), "count" => count, "seconds" => SUMMARY_EVERY.as_secs());
        }
    }

    /// Whether a record may be logged. Also logs the number of records that were left out in the period before.
    fn may_log(&self, window: &Mutex<Window>, reason: &str, from: SocketAddr) -> bool {
        let (may, left_out) = window.lock().take(from.ip());
        if left_out > 0 {
            info!(self.log, "more RPC connections were refused or ended, or calls failed, and are counted only"; "reason" => reason,
                "count" => left_out);
        }
        may
    }
}

impl Window {
    fn new() -> Self {
        Self { began: Instant::now(), records: Vec::new(), left_out: 0 }
    }

    /// Whether there is a record left for this address. The number is that of the records left out in a period that is over.
    fn take(&mut self, from: IpAddr) -> (bool, u64) {
        let mut left_out = 0;
        if self.began.elapsed() >= PERIOD {
            left_out = std::mem::replace(self, Self::new()).left_out;
        }
        let of_address = self.records.iter().filter(|address| **address == from).count();
        let may = self.records.len() < MAX_RECORDS && of_address < MAX_OF_ADDRESS;
        if may {
            self.records.push(from);
        } else {
            self.left_out += 1;
        }
        (may, left_out)
    }
}

/// The serial number, the names, and the number of names that are left out.
fn shown(certificate: Option<&Certificate>) -> (String, Vec<String>, usize) {
    let Some(certificate) = certificate else { return Default::default() };
    let ShownNames { names, left_out, .. } = shown_names(&certificate.names, None, MAX_TEXT_BYTES);
    (certificate.serial.clone(), names, left_out)
}

#[cfg(test)]
mod tests {
    use app_core::{Identity, Log, LogLevel};
    use app_ids::InstanceId;
    use app_pki::{Authority, AuthorityOptions, Validity};
    use app_tls::pem::{self, PemContent};

    use super::*;

    #[test]
    fn one_client_that_is_refused_again_and_again_does_not_hide_the_others() {
        let identity =
            Identity { domain: 1.into(), app: 2.into(), release: 3.into(), instance: InstanceId::random() };
        let (log, captured) = Log::captured(&identity, LogLevel::Debug);
        let journal = Journal::new(log.logger().clone());
        let from = |host: u8| SocketAddr::from(([192, 0, 2, host], 7));
        let (attacker, client) = (from(1), from(2));
        for _ in 0..1000 {
            journal.refused(attacker, None, Refusal::TooManyConnections, "too many");
        }
        journal.refused(client, None, Refusal::Expired, "another reason");
        journal.refused(client, None, Refusal::TooManyConnections, "the same reason");
        let text = captured.text();
        assert!(text.contains("another reason") && text.contains("the same reason"), "{text}");
        assert!(text.lines().count() <= 2 + MAX_RECORDS, "{text}");
        for host in 0..200 {
            journal.refused(from(host), None, Refusal::NoCertificate, "many addresses");
        }
        let text = captured.text();
        assert!(text.matches("many addresses").count() <= MAX_RECORDS * 2, "{text}");
    }

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
        // A peer that refuses this side is not part of the summary.
        journal.refused(from, None, Refusal::ByPeer, "it does not trust us");
        assert_eq!(warnings(), 2);
    }

    #[test]
    fn what_strangers_show_takes_a_kilobyte_of_a_record() {
        let identity =
            Identity { domain: 1.into(), app: 2.into(), release: 3.into(), instance: InstanceId::random() };
        let root = Authority::root(&AuthorityOptions::new("test", Validity::days(1))).unwrap();
        let block = pem::read(root.chain_pem().as_bytes(), PemContent::Certificates).unwrap().swap_remove(0);
        let mut certificate = Certificate::parse(&block.der).unwrap();
        let from = SocketAddr::from(([192, 0, 2, 1], 7));
        for names in [vec!["n".repeat(100); 5000], vec!["n".repeat(60_000)], vec![String::new(); 50_000]] {
            let (log, captured) = Log::captured(&identity, LogLevel::Debug);
            let journal = Journal::new(log.logger().clone());
            certificate.names = names;
            journal.refused(from, Some(&certificate), Refusal::WrongName, &"d".repeat(100_000));
            journal.established(from, &certificate);
            journal.ended(from, &certificate, End::Protocol, &"d".repeat(100_000));
            let text = captured.text();
            assert_eq!(text.lines().count(), 3, "{text}");
            for line in text.lines() {
                let record: serde_json::Value = serde_json::from_str(line).unwrap();
                let names = record["names"].as_array().unwrap();
                let left_out = record["names_left_out"].as_u64().unwrap();
                assert_eq!(names.len() as u64 + left_out, certificate.names.len() as u64);
                assert!(record["names"].to_string().len() < 1200, "{line}");
                assert!(record["message"].as_str().unwrap().len() < 1200, "{line}");
            }
        }
    }
}
