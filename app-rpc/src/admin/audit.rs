//! The audit records of calls that need more than the role `read`.
//!
//! Invariants:
//! 1. A record goes to the log when its call is dispatched, before anything is awaited. So a client cannot prevent the record by
//!    cancelling the call or closing the connection.
//! 2. The log writes records in the order in which it received them.
//! 3. A granted call has exactly one record `granted`. It has a second record if it fails or is cancelled. A call of an operation
//!    always has a second record.
//!
//! Records belong to the service `rpc` and have the event [`ADMIN_CALL`]. Log levels do not suppress them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use app_core::log::{AuditLog, Receipt, Serde};
use app_core::prelude::*;
use app_tls::{ShownNames, shown_names};
use tokio::time::{Instant, sleep, timeout_at};

use super::methods::{About, Method};
use super::operations::Called;
use crate::grants::Granted;
use crate::text::{bounded, short};
use crate::{Certificate, Peer, Role};

ids! {
    /// A client called, or tried to call, a method of the admin interface that needs more than the role `read`.
    pub ADMIN_CALL: LogEventId = 0x8ca9_f844_d750_27bd, "admin_call";
}

/// How long a record may take to leave for the log's sink. After that, the log counts as stuck.
const WRITE_DEADLINE: Duration = Duration::from_millis(500);

/// The pause before writing a record again that the log dropped.
const RETRY: Duration = Duration::from_millis(50);

/// The longest target in a record, in bytes.
const MAX_TARGET_BYTES: usize = 1024;

/// The longest list of names in a record, in bytes. A certificate may have thousands of names.
const MAX_NAMES_BYTES: usize = 4096;

/// The outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// The call may act.
    Granted,
    /// The client's role is too low.
    Denied,
    /// The role is high enough, but the reason is missing, too long or unreadable.
    Refused,
    /// The call of an operation was granted, and has its result.
    Done,
    /// The call was granted, and failed.
    Failed,
    /// The call was granted, and the client cancelled it or its connection ended.
    Cancelled,
}

impl Outcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What records show about a client.
#[derive(Debug, Clone)]
pub(super) struct ShownClient {
    names: ShownNames,
    serial: String,
}

impl ShownClient {
    /// The name with the grant is always among the names.
    pub(super) fn new(certificate: &Certificate, granted_by: Option<&str>) -> Self {
        Self {
            names: shown_names(&certificate.names, granted_by, MAX_NAMES_BYTES),
            serial: certificate.serial.clone(),
        }
    }
}

/// The record of a call.
#[derive(Debug)]
pub(super) struct Record {
    method: &'static Method,
    outcome: Outcome,
    /// Why the call was not granted, or why it failed.
    detail: String,
    client: ShownClient,
    address: SocketAddr,
    granted: Granted,
    needed: Role,
    target: String,
    reason: String,
    called: Option<Called>,
}

impl Record {
    pub(super) fn new(method: &'static Method, peer: &Peer, granted: Granted, about: &About) -> Self {
        Self {
            method,
            outcome: Outcome::Granted,
            detail: String::new(),
            client: ShownClient::new(&peer.certificate, granted.by.as_deref()),
            address: peer.address,
            granted,
            needed: about.needed,
            target: bounded(&about.target, MAX_TARGET_BYTES),
            reason: about.reason.text().to_owned(),
            called: about.called.clone(),
        }
    }

    pub(super) fn outcome(mut self, outcome: Outcome, detail: &str) -> Self {
        self.outcome = outcome;
        self.detail = short(detail);
        self
    }

    /// The outcome and the method, for counting.
    pub(super) fn key(&self) -> (Outcome, &'static str) {
        (self.outcome, self.method.name)
    }

    fn log(&self, log: &Logger) {
        let Self { method, outcome, detail, client, address, granted, needed, target, reason, called } = self;
        let (event, colon) = (ADMIN_CALL.hex(), if detail.is_empty() { "" } else { ": " });
        let (name, outcome, by) = (method.name, outcome.as_str(), granted.by.as_deref());
        let (names, left_out) = (Serde(client.names.names.clone()), client.names.left_out);
        let serial = &client.serial;
        // The keys of all records, and more keys of some.
        macro_rules! record {
            ($level:ident, $($more:tt)*) => {
                $level!(log, "admin call {outcome}: {name}{colon}{detail}"; "event" => event, "method" => name,
                    "outcome" => outcome, "granted_by" => by, "role" => %granted.role, "role_needed" => %needed,
                    "names" => names, "names_left_out" => left_out, "serial" => serial, "peer" => %address,
                    "target" => target, "reason" => reason $($more)*)
            };
        }
        let is_good = matches!(self.outcome, Outcome::Granted | Outcome::Done);
        match called {
            None if is_good => record!(info,),
            None => record!(warn,),
            Some(Called { operation, arguments, request_id }) if is_good => {
                record!(info, , "operation" => operation, "arguments" => arguments, "request_id" => request_id);
            }
            Some(Called { operation, arguments, request_id }) => {
                record!(warn, , "operation" => operation, "arguments" => arguments, "request_id" => request_id);
            }
        }
    }
}

/// The number of calls without a record of their own, by method.
pub(super) type Tally = BTreeMap<&'static str, u64>;

/// Writes records. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Audit(AuditLog);

impl Audit {
    pub(super) fn new(service: &Service) -> Self {
        Self(App::of(service).log().audit(service.id(), service.name()))
    }

    /// Hands a record to the log, and does not wait.
    pub(super) fn write(&self, record: &Record) -> Receipt {
        self.0.write(|log| record.log(log))
    }

    /// Writes one record about calls of a client that have no records of their own.
    pub(super) fn write_counts(
        &self,
        client: &ShownClient,
        outcome: Outcome,
        counts: &Tally,
        since: Duration,
    ) -> Receipt {
        let (count, outcome) = (counts.values().sum::<u64>(), outcome.as_str());
        let seconds = since.as_secs() + u64::from(since.subsec_nanos() > 0);
        let names = Serde(client.names.names.clone());
        self.0.write(|log| {
            warn!(log, "{count} more calls of this client were {outcome} in the last {seconds} s";
                "event" => ADMIN_CALL.hex(), "outcome" => outcome, "count" => count, "seconds" => seconds,
                "methods" => Serde(counts.clone()), "names" => names,
                "names_left_out" => client.names.left_out, "serial" => &client.serial);
        })
    }
}

/// A granted call, from its dispatch to its end. Dropping it before [`end`](Self::end) records it as cancelled.
pub(super) struct GrantedCall {
    audit: Audit,
    /// `None` after the end of the call.
    record: Option<Record>,
    receipt: Receipt,
    deadline: Instant,
    acts: bool,
}

impl GrantedCall {
    /// Hands the record `granted` to the log.
    pub(super) fn begin(audit: &Audit, record: Record) -> Self {
        let (audit, receipt) = (audit.clone(), audit.write(&record));
        Self { audit, record: Some(record), receipt, deadline: Instant::now() + WRITE_DEADLINE, acts: false }
    }

    /// Waits until the record has left for the log's sink. Returns false if it has not within half a second of the dispatch.
    pub(super) async fn is_recorded(&mut self) -> bool {
        let Self { audit, record: Some(record), receipt, deadline, .. } = self else { return false };
        let recorded = async {
            // A full log drops records, but it may soon have room again.
            while !(&mut *receipt).await {
                sleep(RETRY).await;
                *receipt = audit.write(record);
            }
        };
        timeout_at(*deadline, recorded).await.is_ok()
    }

    /// Notes that the call begins to act.
    pub(super) fn acts(&mut self) {
        self.acts = true;
    }

    /// Ends the call with this result.
    pub(super) fn end(mut self, result: &capnp::Result<()>) {
        let Some(record) = self.record.take() else { return };
        // No caller waits for these records.
        match result {
            Ok(()) if record.called.is_some() => drop(self.audit.write(&record.outcome(Outcome::Done, ""))),
            Ok(()) => {}
            Err(error) => drop(self.audit.write(&record.outcome(Outcome::Failed, &error.extra))),
        }
    }
}

impl Drop for GrantedCall {
    fn drop(&mut self) {
        let Some(record) = self.record.take() else { return };
        let detail = if self.acts {
            "the client cancelled it, or its connection ended; its effect may go on"
        } else {
            "the client cancelled it, or its connection ended; nothing was done"
        };
        drop(self.audit.write(&record.outcome(Outcome::Cancelled, detail)));
    }
}

#[cfg(test)]
mod tests;
