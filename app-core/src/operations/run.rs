//! One run of an operation, and the callers that wait for it.
//!
//! Invariants:
//! 1. A run has one answer, which stays.
//! 2. A run without callers is abandoned: at once, or after a time in which a retry may find it.

use std::{sync::Arc, time::Duration};

use app_errors::Error;
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

/// What a run comes to: JSON, or an error.
pub(crate) type OperationAnswer = Result<Arc<str>, Error>;

/// A run of an operation.
#[derive(Debug)]
pub(crate) struct OperationRun {
    answer: watch::Sender<Option<OperationAnswer>>,
    callers: watch::Sender<usize>,
    /// How long the run goes on without callers.
    lingers: Duration,
}

impl OperationRun {
    pub(crate) fn new(lingers: Duration) -> Arc<Self> {
        Arc::new(Self { answer: watch::Sender::new(None), callers: watch::Sender::new(0), lingers })
    }

    /// Sets the answer, unless there is one.
    pub(crate) fn end(&self, answer: OperationAnswer) {
        self.answer.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                *slot = Some(answer);
            }
            first
        });
    }

    /// The bytes of the answer; `None` while there is none.
    pub(crate) fn answer_bytes(&self) -> Option<usize> {
        self.answer.borrow().as_ref().map(|answer| answer.as_ref().map_or(256, |json| json.len()))
    }

    /// Ends when no caller waits for the run any more.
    pub(crate) async fn abandoned(&self) {
        let mut callers = self.callers.subscribe();
        loop {
            // The sender is in `self`, so neither wait fails.
            let _ = callers.wait_for(|callers| *callers == 0).await;
            if timeout(self.lingers, callers.wait_for(|callers| *callers > 0)).await.is_err() {
                return;
            }
        }
    }
}

/// A caller that waits for a run. Dropping it may end the run.
#[derive(Debug)]
pub(crate) struct Waiter(Arc<OperationRun>);

impl Waiter {
    pub(crate) fn new(run: &Arc<OperationRun>) -> Self {
        run.callers.send_modify(|callers| *callers += 1);
        Self(Arc::clone(run))
    }

    /// The answer. `None` if there is none by the deadline.
    pub(crate) async fn answer(&self, deadline: Instant) -> Option<OperationAnswer> {
        let mut answers = self.0.answer.subscribe();
        let answered = timeout_at(deadline, answers.wait_for(Option::is_some)).await;
        answered.ok()?.ok().and_then(|answer| answer.clone())
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.callers.send_modify(|callers| *callers -= 1);
    }
}
