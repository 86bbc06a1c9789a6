//! How long a connection waits for its client.

use super::Limits;
use super::stream::{Activity, Wait};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep};

/// The timeouts of a connection that waits for its client.
///
/// They follow from [`Activity`], which changes only while the connection is polled. So poll the connection before
/// [`WaitTimeout::poll_exhausted`], in the same task.
pub(super) struct WaitTimeout {
    activity: Arc<Activity>,
    limits: Limits,
    timer: Pin<Box<Sleep>>,
}

impl WaitTimeout {
    pub(super) fn new(activity: Arc<Activity>, limits: Limits) -> Self {
        Self { activity, limits, timer: Box::pin(tokio::time::sleep(limits.idle)) }
    }

    /// Ready when the connection has waited too long, with what it waited for. Pending without a timer while it is
    /// being answered.
    pub(super) fn poll_exhausted(&mut self, context: &mut Context<'_>) -> Poll<Wait> {
        let Some(wait) = self.activity.wait() else { return Poll::Pending };
        let deadline = self.deadline(wait);
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        ready!(self.timer.as_mut().poll(context));
        Poll::Ready(wait)
    }

    fn deadline(&self, wait: Wait) -> Instant {
        match wait {
            Wait::Idle(since) => since + self.limits.idle,
            Wait::Header(since) => since + self.limits.header_read,
        }
    }
}
