//! The tasks of a service: the service learns of the end of each exactly once, however it ends.

use std::{any::Any, future::poll_fn, panic::AssertUnwindSafe, pin::pin, task::Poll};

use app_errors::{Error, errors};
use futures_util::FutureExt;

use super::Service;

tokio::task_local! {
    static CURRENT: Service;
}

/// What a task may return: nothing, or a result whose error fails its service.
pub trait TaskOutput: Send + 'static {
    /// The error, if there was one.
    ///
    /// # Errors
    /// That error.
    fn into_result(self) -> Result<(), Error>;
}

impl TaskOutput for () {
    fn into_result(self) -> Result<(), Error> {
        Ok(())
    }
}

impl TaskOutput for Result<(), Error> {
    fn into_result(self) -> Result<(), Error> {
        self
    }
}

/// Looks at the service whose task the caller is, if it is one.
pub(super) fn with_current<R>(look: impl FnOnce(&Service) -> R) -> Option<R> {
    CURRENT.try_with(look).ok()
}

/// Reports the end of a task, also when its future is dropped before its first poll.
struct Presence {
    service: Service,
    number: u64,
    result: Option<Result<(), Error>>,
}

impl Presence {
    fn ended(mut self, result: Result<(), Error>) {
        self.result = Some(result);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or_else(|| self.service.dropped(self.number));
        self.service.finished(self.number, result);
    }
}

/// Wraps a task that was entered under `number`.
pub(super) fn run<F>(service: Service, number: u64, future: F) -> impl Future<Output = ()> + Send
where
    F: Future + Send + 'static,
    F::Output: TaskOutput,
{
    let presence = Presence { service: service.clone(), number, result: None };
    async move {
        let mut running = pin!(CURRENT.scope(service, AssertUnwindSafe(future).catch_unwind()));
        let outcome = poll_fn(|context| {
            let mut polled = Poll::Pending;
            // Stacks of errors leave out the frames that run the task.
            app_errors::outermost(&mut || polled = running.as_mut().poll(context));
            polled
        });
        let outcome = outcome.await;
        let result = match outcome {
            Ok(output) => output.into_result(),
            Err(panic) => Err(panicked(&presence.service, number, panic.as_ref())),
        };
        presence.ended(result);
    }
}

fn panicked(service: &Service, number: u64, panic: &(dyn Any + Send)) -> Error {
    let name = service.inner.life.lock().tasks.get(&number).map(|task| task.name.clone()).unwrap_or_default();
    service.panicked(&name, panic)
}

impl Service {
    /// The error for a panic in a task of the service, or in a command of its server.
    pub(crate) fn panicked(&self, task: &str, panic: &(dyn Any + Send)) -> Error {
        let (describe, message) = (self.describe(), crate::panics::message(panic));
        let message = format!("task {task:?} of service {describe} panicked: {message}");
        errors::BUG.error(self.id()).message(message).tag("PANIC").build()
    }
}
