//! Records that have to be on record: each tells its author what became of it.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use slog::{Drain, Logger, Never, OwnedKVList, Record};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::drain::ServiceDrain;
use super::queue::Witness;

/// Writes records whatever the log levels are, and tells what became of each. Made by [`Log::audit`](super::Log::audit).
///
/// ```
/// # use app_core::prelude::*;
/// # use app_core::{Identity, Log, LogLevel};
/// # use app_ids::{AppId, DomainId, InstanceId, ReleaseId};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let identity = Identity { domain: DomainId::new(1), app: AppId::new(2), release: ReleaseId::new(3), instance: InstanceId::new(4) };
/// let (log, captured) = Log::captured(&identity, LogLevel::Error);
/// let audit = log.audit(ServiceId::new(0xce1f), "quota");
/// let receipt = audit.write(|log| info!(log, "quota raised"; "permits" => 3));
/// assert!(receipt.await, "it is written");
/// assert_eq!(captured.records()[0]["permits"], 3);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AuditLog(Arc<ServiceDrain>);

/// What becomes of a record: a future that is `true` once the record has left for the sink in full, and `false` when it never will.
///
/// The log may take any time for that, for as long as its sink is stuck: give it a deadline. The record does not need the receipt:
/// one that is dropped changes nothing.
#[derive(Debug)]
#[must_use = "a receipt says whether the record was written"]
pub struct Receipt(oneshot::Receiver<()>);

impl AuditLog {
    pub(super) fn new(drain: ServiceDrain) -> Self {
        Self(Arc::new(drain))
    }

    /// Hands over the one record that `log` logs. It never waits for the sink.
    ///
    /// A record that finds the log's queue full is dropped and counted like any other, and its receipt says so at once.
    pub fn write(&self, log: impl FnOnce(&Logger)) -> Receipt {
        let (witness, receipt) = oneshot::channel();
        let witness = AssertUnwindSafe(Mutex::new(Some(witness)));
        log(&Logger::root(Witnessed { drain: Arc::clone(&self.0), witness }, slog::o!()));
        Receipt(receipt)
    }
}

impl Receipt {
    /// Whether the log refused the record at once, because its queue is full or it has ended.
    #[must_use]
    pub fn is_refused(mut self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Closed))
    }
}

impl Future for Receipt {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        Pin::new(&mut self.0).poll(context).map(|written| written.is_ok())
    }
}

/// The drain of one record.
struct Witnessed {
    drain: Arc<ServiceDrain>,
    witness: AssertUnwindSafe<Mutex<Option<Witness>>>,
}

impl Drain for Witnessed {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        let witness = self.witness.lock().take();
        self.drain.submit(record, values, witness);
        Ok(())
    }
}
