//! Calls to an object in this process, for tests.

use std::io;
use std::sync::Arc;

use app_core::threads::{run_blocking, spawn_thread};
use app_core::trace::CallerSpan;
use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use super::{CallError, CallFailure};
use crate::connection::NOT_EXECUTED;
use crate::exception::exception_error;
use crate::{RpcName, words};

type Make<C> = dyn Fn() -> Result<C, CallError> + Send + Sync;

/// Makes the object that answers a call.
pub(super) struct Fake<C>(Arc<Make<C>>);

impl<C: 'static> Fake<C> {
    pub(super) fn new(make: impl Fn() -> Result<C, CallError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// Makes a call. The object can't leave its thread, so each call has one.
    pub(super) async fn call<T, F, Fut>(
        &self,
        name: RpcName,
        deadline: Instant,
        call: F,
    ) -> Result<T, CallError>
    where
        F: Fn(C) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, capnp::Error>> + 'static,
        T: Send + 'static,
    {
        let left = deadline.saturating_duration_since(Instant::now());
        let (alive, gone) = oneshot::channel::<()>();
        let make = Arc::clone(&self.0);
        let caller = CallerSpan::here();
        let work = move || -> io::Result<Result<T, CallError>> {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let answer = async {
                let object = make()?;
                tokio::select! {
                    biased;
                    answer = call(object) => answer.map_err(|error| failed(name, &error)),
                    () = sleep(left) => Err(of_fake(CallFailure::MaybeExecuted, name, "no answer by the deadline")),
                    _ = gone => Err(of_fake(CallFailure::MaybeExecuted, name, "its caller is gone")),
                }
            };
            Ok(runtime.block_on(LocalSet::new().run_until(caller.scope(answer))))
        };
        let ran = if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            // Only tests have such a runtime, and its time may be paused. It must not pass while a thread works.
            spawn_thread("rpc-fake", work)
                .and_then(|working| working.join().unwrap_or_else(|_| Err(io::Error::other("it panicked"))))
        } else {
            run_blocking("rpc-fake", work).await.and_then(|ran| ran)
        };
        drop(alive);
        ran.unwrap_or_else(|error| Err(of_fake(CallFailure::MaybeExecuted, name, &error.to_string())))
    }
}

fn of_fake(failure: CallFailure, name: RpcName, reason: &str) -> CallError {
    CallError::new(failure, name, format!("fake: {reason}"))
}

/// The error of the object, as a server's error reaches a caller.
fn failed(name: RpcName, error: &capnp::Error) -> CallError {
    match error.extra.strip_prefix(NOT_EXECUTED) {
        Some(reason) => of_fake(CallFailure::Refused, name, reason),
        None => {
            let failed = of_fake(CallFailure::Failed, name, &words::of_call(error));
            match exception_error(error) {
                Some(error) => failed.with_error(error),
                None => failed,
            }
        }
    }
}
