//! The audit: a record of every call that changes something, or tries to, written before it acts.
//!
//! Records are of the service `rpc`, with the event [`ADMIN_CALL`], and are written whatever log levels are set to. A call
//! goes on when its record has left for the sink, or was dropped by it for good: see [`Audit::write`].

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::*;
use app_core::{Log, Serde, run_blocking};
use parking_lot::Mutex;

use super::methods::{About, Method};
use crate::shown_names::{ShownNames, shown_names};
use crate::{Peer, Role};

ids! {
    /// Somebody called a method of the admin interface that changes something, or tried to.
    pub ADMIN_CALL: LogEventId = 0x8ca9_f844_d750_27bd, "admin_call";
}

/// How long a record may take to be written. Longer, and the log counts as one that takes none.
const WRITE_DEADLINE: Duration = Duration::from_millis(500);

/// How often a record is written again, when records were dropped while it was: it may be among them.
const ATTEMPTS: u32 = 3;

/// The longest target in a record, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// What the names in a record take together, in bytes. A certificate may have thousands of names.
const MAX_NAMES_BYTES: usize = 4096;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It goes on to act.
    Granted,
    /// The caller's role is too low.
    Denied,
    /// The caller may, but what it says can't be right.
    Refused,
    /// It was granted, and what it did failed.
    Failed,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// A record that is to be written.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) method: &'static Method,
    pub(super) outcome: Outcome,
    /// Why it was not granted, or failed.
    pub(super) detail: String,
    names: ShownNames,
    serial: String,
    peer: String,
    role: Role,
    target: String,
    reason: String,
}

impl Record {
    pub(super) fn new(
        method: &'static Method,
        peer: &Peer,
        role: Role,
        about: &About,
        outcome: Outcome,
    ) -> Self {
        Self {
            method,
            outcome,
            detail: String::new(),
            names: shown_names(&peer.certificate.names, None, MAX_NAMES_BYTES),
            serial: peer.certificate.serial.clone(),
            peer: peer.address.to_string(),
            role,
            target: super::text::bounded(&about.target, MAX_TEXT_BYTES),
            reason: about.reason.text().to_owned(),
        }
    }

    fn log(&self, log: &Logger) {
        let Self { method, outcome, detail, names, serial, peer, role, target, reason } = self;
        let (event, said) = (ADMIN_CALL.hex(), if detail.is_empty() { "" } else { ": " });
        let outcome = outcome.as_str();
        let (left_out, names) = (names.left_out, Serde(names.names.clone()));
        if *outcome == *Outcome::Granted.as_str() {
            info!(log, "admin call {outcome}: {}", method.name; "event" => event, "method" => method.name,
                "outcome" => outcome, "names" => names, "names_left_out" => left_out, "serial" => serial, "peer" => peer,
                "role" => %role, "role_needed" => %method.role, "target" => target, "reason" => reason);
        } else {
            warn!(log, "admin call {outcome}: {}{said}{detail}", method.name; "event" => event,
                "method" => method.name, "outcome" => outcome, "names" => names, "names_left_out" => left_out, "serial" => serial,
                "peer" => peer, "role" => %role, "role_needed" => %method.role, "target" => target,
                "reason" => reason);
        }
    }
}

/// Writes records. Cheap to clone.
#[derive(Clone)]
pub(super) struct Audit(Arc<Inner>);

struct Inner {
    log: Log,
    logger: Logger,
    /// One record at a time: what is dropped in between is then no other record of the audit.
    turn: Mutex<()>,
}

impl Audit {
    pub(super) fn new(service: &Service) -> Self {
        let log = service.app().log().clone();
        let logger = log.audit_logger(service.id(), service.name());
        Self(Arc::new(Inner { log, logger, turn: Mutex::new(()) }))
    }

    /// Writes a record, and waits until it has left for the sink. False when the sink did not take it: the log drops what a
    /// sink that is full, slow or gone does not take. One that takes it later than [`WRITE_DEADLINE`] has a record of a call that
    /// was let go of.
    pub(super) async fn write(&self, record: Record) -> bool {
        let record = Arc::new(record);
        let (inner, sent) = (Arc::clone(&self.0), Arc::clone(&record));
        match run_blocking("audit", move || inner.write(&sent)).await {
            Ok(written) => written,
            // No thread can be had. Such an application has to be stopped, so the call is not
            // refused: its record is written here, and other connections of this thread wait for it.
            Err(refused) if refused.kind() == ErrorKind::WouldBlock => self.0.write(&record),
            Err(_) => false,
        }
    }
}

impl Inner {
    fn write(&self, record: &Record) -> bool {
        let _turn = self.turn.lock();
        for _ in 0..ATTEMPTS {
            let before = self.log.dropped();
            record.log(&self.logger);
            if !self.log.flush(WRITE_DEADLINE) {
                return false;
            }
            if self.log.dropped() == before {
                return true;
            }
        }
        false
    }
}
