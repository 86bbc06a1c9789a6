//! The tasks of a service: the service learns of the end of each exactly once, however it ends.

use std::{
    any::Any, borrow::Cow, convert::Infallible, future::poll_fn, panic::AssertUnwindSafe, pin::pin,
    task::Poll,
};

use app_errors::{BoxError, Error, errors};
use futures_util::FutureExt;

use super::Service;
use crate::trace::TaskContext;

tokio::task_local! {
    static CURRENT: Service;
}

/// What a task may return: nothing, a result whose error fails its service, or what never comes.
///
/// The error may be of any type. One that is no [`Error`] becomes the cause of a [`BUG`](errors::BUG) that names the task.
///
/// ```
/// use std::{convert::Infallible, io};
/// use app_core::{prelude::*, testing::TestApp};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// # let app = TestApp::empty().await;
/// let service = app.new_service(ServiceId::new(7), "seven");
/// service.spawn("ends well", async {})?;
/// service.spawn("never ends", async { std::future::pending::<Infallible>().await })?;
/// service.spawn("fails", async { Err::<(), _>(io::Error::other("disk full")) })?;
/// let failure = service.wait().await.unwrap_err();
/// assert_eq!(failure.to_string(), r#"task "fails" of service seven (7) failed: disk full"#);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "a task cannot return `{Self}`",
    label = "the future of this task returns `{Self}`",
    note = "a task returns `()`, `Result<(), E>` with any error `E`, or never: end the future with `;`, or map its value to `()`"
)]
pub trait TaskOutput: Send + 'static {
    /// The error, if there was one.
    ///
    /// # Errors
    /// That error.
    fn into_result(self) -> Result<(), BoxError>;
}

impl TaskOutput for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError> + Send + 'static> TaskOutput for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// A task that ends only with an error.
impl<E: Into<BoxError> + Send + 'static> TaskOutput for Result<Infallible, E> {
    fn into_result(self) -> Result<(), BoxError> {
        let Err(error) = self;
        Err(error.into())
    }
}

impl TaskOutput for Infallible {
    fn into_result(self) -> Result<(), BoxError> {
        match self {}
    }
}

/// Names the type `!`, which has no name in stable Rust: a future that loops for ever returns it.
pub trait Function {
    /// What the function returns.
    type Output;
}

impl<Output> Function for fn() -> Output {
    type Output = Output;
}

type Never = <fn() -> ! as Function>::Output;

impl TaskOutput for Never {
    fn into_result(self) -> Result<(), BoxError> {
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
pub(super) fn run<F>(
    service: Service,
    number: u64,
    trace: Option<TaskContext>,
    future: F,
) -> impl Future<Output = ()> + Send
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
            let mut poll = || app_errors::outermost(&mut || polled = running.as_mut().poll(context));
            match &trace {
                None => poll(),
                Some(trace) => trace.run(poll),
            }
            polled
        });
        let outcome = outcome.await;
        let result = match outcome {
            Ok(output) => output.into_result().map_err(|error| failed(&presence.service, number, error)),
            Err(panic) => Err(panicked(&presence.service, number, panic.as_ref())),
        };
        presence.ended(result);
    }
}

fn panicked(service: &Service, number: u64, panic: &(dyn Any + Send)) -> Error {
    service.panicked(&name(service, number), panic)
}

fn failed(service: &Service, number: u64, error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(cause) => {
            let message =
                format!("task {:?} of service {} failed", name(service, number), service.describe());
            errors::BUG.error(service.id()).message(message).cause(cause).build()
        }
    }
}

fn name(service: &Service, number: u64) -> Cow<'static, str> {
    service.inner.life.lock().tasks.get(&number).map(|task| task.name.clone()).unwrap_or_default()
}

impl Service {
    /// The error for a panic in a task of the service, or in a command of its server.
    pub(crate) fn panicked(&self, task: &str, panic: &(dyn Any + Send)) -> Error {
        let (describe, message) = (self.describe(), crate::panics::message(panic));
        let message = format!("task {task:?} of service {describe} panicked: {message}");
        errors::BUG.error(self.id()).message(message).tag("PANIC").build()
    }
}
