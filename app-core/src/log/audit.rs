//! The audit log: records that must be written, each with a receipt.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use slog::{Drain, Logger, Never, OwnedKVList, Record};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::drain::ServiceDrain;
use super::queue::ReceiptSender;

/// Writes records regardless of the log levels, and gives a [`Receipt`] for each. Made by
/// [`Log::audit`](super::Log::audit).
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

/// A future that becomes `true` when the sink has taken the whole record, and `false` when it never will.
///
/// A stuck sink makes the future wait, so put a timeout around it. You may drop a receipt: the record is written anyway.
#[derive(Debug)]
#[must_use = "a receipt says whether the record was written"]
pub struct Receipt(oneshot::Receiver<()>);

impl AuditLog {
    pub(super) fn new(drain: ServiceDrain) -> Self {
        Self(Arc::new(drain))
    }

    /// Submits the one record that `log` logs. Never waits for the sink.
    ///
    /// If the queue is full, the record is dropped and counted like any other, and the receipt says so at once.
    pub fn write(&self, log: impl FnOnce(&Logger)) -> Receipt {
        let (sender, receipt) = oneshot::channel();
        let sender = AssertUnwindSafe(Mutex::new(Some(sender)));
        log(&Logger::root(AuditDrain { drain: Arc::clone(&self.0), sender }, slog::o!()));
        Receipt(receipt)
    }
}

impl Receipt {
    /// Whether the log already refused the record, because its queue is full or the log has ended.
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

/// The drain of one record, with the sender of its receipt.
struct AuditDrain {
    drain: Arc<ServiceDrain>,
    sender: AssertUnwindSafe<Mutex<Option<ReceiptSender>>>,
}

impl Drain for AuditDrain {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        let sender = self.sender.lock().take();
        self.drain.submit(record, values, sender);
        Ok(())
    }
}
