//! The waits for a command. Each ends at a deadline, and its error names the caller and the server.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::Poll,
    time::Duration,
};

use app_errors::{Error, errors, service_not_alive_error};
use slog::warn;
use tokio::{runtime::Handle, task, time::Sleep};

use crate::service::{Runner, describe_caller};

/// The default deadline of a caller that waits for an answer of a command server, or for room in its queue.
pub const DEFAULT_CALL_DEADLINE: Duration = Duration::from_secs(30);

/// A channel logs at most one missed deadline in this time.
const LOG_EVERY_MILLIS: u64 = 1_000;

/// What a caller waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Answer,
    /// Room in the queue. A kill of the service also ends this wait.
    Room,
}

/// The deadline of a caller's waits, and what their errors and log records need.
#[derive(Clone, Copy)]
pub(super) struct WaitLimit<'a> {
    pub(super) runner: &'a Runner,
    pub(super) deadline: Duration,
    /// When the channel last logged a missed deadline, in milliseconds since the app was made. 0 stands for never.
    pub(super) last_logged: &'a AtomicU64,
}

impl WaitLimit<'_> {
    /// Waits up to the deadline. Cancel safe if the future is.
    pub(super) async fn in_time<T>(
        self,
        wait: Wait,
        future: impl Future<Output = T> + Send,
    ) -> Result<T, Error> {
        let mut future = pin!(future);
        if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            return Ok(done);
        }
        // Most waits end before the caller runs again, and a timer costs more than one yield.
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
                () = self.runner.service().dying(), if wait == Wait::Room => {
                    Err(service_not_alive_error(self.runner.service().id()))
                },
                () = timer => Err(self.overdue(wait)),
            }
        };
        // Boxed because it is large, and most waits do not come this far.
        Box::pin(patient).await
    }

    /// The kernel's timer, which fires even if all worker threads are blocked. In an app that was not started, a timer of the
    /// caller's runtime.
    fn timer(self) -> Option<Sleep> {
        let timer = self.runner.service().host().timer(self.deadline);
        timer.or_else(|| Handle::try_current().is_ok().then(|| tokio::time::sleep(self.deadline)))
    }

    #[cold]
    fn overdue(self, wait: Wait) -> Error {
        let (runner, caller) = (self.runner, describe_caller());
        let within = crate::show_duration(self.deadline);
        let what = match wait {
            Wait::Answer => format!("no answer within {within} for {caller}, and the command may still run"),
            Wait::Room => {
                format!("no room in its queue within {within} for {caller}, and the command never runs")
            }
        };
        let message =
            format!("{runner}: {what}; look for commands that wait for each other or take too long");
        if self.may_log() {
            warn!(runner.service().log(), "{message}";
                "cmdsvr" => runner.name(), "caller" => caller, "deadline_seconds" => self.deadline.as_secs_f64());
        }
        errors::SERVICE_NOT_AVAILABLE.error(runner.service().id()).message(message).build()
    }

    /// Whether the last record about a missed deadline was long enough ago.
    fn may_log(self) -> bool {
        let created = self.runner.service().host().created;
        let now = u64::try_from(created.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next =
            |last: u64| (last == 0 || now.saturating_sub(last) >= LOG_EVERY_MILLIS).then_some(now.max(1));
        self.last_logged.fetch_update(Relaxed, Relaxed, next).is_ok()
    }
}
