//! What a server logs of connections: all of it, until there is so much that it would be all that is logged.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use app_core::prelude::{Logger, debug, info, warn};
use parking_lot::Mutex;

use crate::{Certificate, End, Refusal};

/// Records of refusals in each period; the others are counted.
const RECORDS: u32 = 20;
const PERIOD: Duration = Duration::from_secs(1);

/// Logs refusals and ends of connections.
pub(crate) struct Journal {
    log: Logger,
    window: Mutex<Window>,
}

struct Window {
    began: Instant,
    records: u32,
    left_out: u64,
}

impl Journal {
    pub(crate) fn new(log: Logger) -> Self {
        Self { log, window: Mutex::new(Window { began: Instant::now(), records: 0, left_out: 0 }) }
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
        if self.may_log() {
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
