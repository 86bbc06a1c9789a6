//! Waits for a command. Each ends at a deadline, and the error says who waited for whom.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::atomic::Ordering::Relaxed,
    task::Poll,
    time::Duration,
};

use app_errors::{Error, errors, illegal_argument_error};
use slog::warn;
use tokio::{runtime::Handle, task, time::Sleep};

use super::channel::ServiceCommandChannel;
use crate::service::describe_caller;

/// The default deadline of a caller that waits for an answer of a command server, or for room in its queue.
pub const DEFAULT_CALL_DEADLINE: Duration = Duration::from_secs(30);

/// A channel logs at most one wait that ended at its deadline in this time.
const TELL_EVERY_MILLIS: u64 = 1_000;

/// What a caller waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Answer,
    /// The kill of the service ends this one too.
    Room,
}

impl<S> ServiceCommandChannel<S> {
    /// The same channel with another deadline. It holds for each wait through this handle, whether for an answer or for
    /// room in the queue. `Duration::MAX` waits for ever.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "counter");
    /// let server = service.command_server("counter", 16, 0_u32)?;
    /// let count = server.within(Duration::from_secs(2)).call(|count| *count).await?;
    /// assert_eq!(count, 0);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        let mut channel = self.clone();
        channel.deadline = deadline;
        channel
    }

    /// Refuses a wait of a command for its own server or channel.
    pub(super) fn ensure_not_inside(&self, what: &str) -> Result<(), Error> {
        if self.runner().is_running_here() { Err(self.waits_for_itself(what)) } else { Ok(()) }
    }

    #[cold]
    fn waits_for_itself(&self, what: &str) -> Error {
        let (runner, caller) = (self.runner(), describe_caller());
        illegal_argument_error(format!(
            "{runner}: {caller} can't {what}, it would wait for itself; change the state directly, or use submit"
        ))
    }

    /// Waits up to the deadline. Cancel safe if the future is.
    pub(super) async fn in_time<T>(
        &self,
        wait: Wait,
        future: impl Future<Output = T> + Send,
    ) -> Result<T, Error> {
        let mut future = pin!(future);
        if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            return Ok(done);
        }
        // Most waits are over when the caller's turn comes again, and a timer costs more than that turn.
        task::yield_now().await;
        if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            return Ok(done);
        }
        let patient = async {
            let timer = async {
                match self.timer() {
                    Some(timer) => timer.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                done = future => Ok(done),
                () = self.service().dying(), if wait == Wait::Room => Err(self.not_alive()),
                () = timer => Err(self.overdue(wait)),
            }
        };
        // In a box: it is large, and most waits do not come this far.
        Box::pin(patient).await
    }

    /// The kernel's timer, which fires even when every worker of the services is blocked. In an app that was not started it
    /// is a timer of the caller's runtime.
    fn timer(&self) -> Option<Sleep> {
        let timer = self.service().app().timer(self.deadline);
        timer.or_else(|| Handle::try_current().is_ok().then(|| tokio::time::sleep(self.deadline)))
    }

    #[cold]
    fn overdue(&self, wait: Wait) -> Error {
        let (runner, caller) = (self.runner(), describe_caller());
        let within = crate::show_duration(self.deadline);
        let what = match wait {
            Wait::Answer => format!("no answer within {within} for {caller}, and the command may still run"),
            Wait::Room => {
                format!("no room in its queue within {within} for {caller}, and the command never runs")
            }
        };
        let message =
            format!("{runner}: {what}; do they wait for each other, or does a command take too long?");
        if self.may_tell() {
            warn!(runner.service().log(), "{message}";
                "cmdsvr" => runner.name(), "caller" => caller, "deadline_seconds" => self.deadline.as_secs_f64());
        }
        errors::SERVICE_NOT_AVAILABLE.error(runner.service().id()).message(message).build()
    }

    /// Whether the last record about a deadline was written long enough ago.
    fn may_tell(&self) -> bool {
        let created = self.runner().service().app().inner.created;
        let now = u64::try_from(created.elapsed().as_millis()).unwrap_or(u64::MAX);
        let told =
            |last: u64| (last == 0 || now.saturating_sub(last) >= TELL_EVERY_MILLIS).then_some(now.max(1));
        self.last_told().fetch_update(Relaxed, Relaxed, told).is_ok()
    }
}
