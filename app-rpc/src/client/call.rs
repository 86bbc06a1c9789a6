//! Calls: one attempt, which stays on its thread, and the retries.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use capnp::capability::FromClientHook;
use tokio::time::{Instant, sleep_until};

use super::connection::{CallConnection, CallGuard};
use super::counts::RetryReason;
use super::instance::{Chosen, Visit};
use super::instances::Instances;
use super::pool::Pool;
use super::{CallError, CallFailure};
use crate::connection::NOT_EXECUTED;
use crate::exception::take_error;
use crate::extra::{with_deadline, within_deadline};
use crate::{RpcName, spans, words};

/// What capnp-rpc puts before an error of the server.
const REMOTE: &str = "remote exception: ";

/// The pauses between attempts at a call that was not executed.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// An attempt at a call that failed.
#[derive(Debug)]
pub(crate) struct FailedAttempt {
    pub(super) error: CallError,
    /// The instance that it was made at.
    pub(super) at: Option<SocketAddr>,
    pub(super) next: NextTry,
}

/// Whether another attempt makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextTry {
    /// After a pause, and as the failure allows it.
    Later,
    /// Now, at another instance: nothing was executed, and this one is about to stop, or has lost its connection.
    Elsewhere,
    /// Never: it would fail again.
    Never,
}

/// How a call may be made again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retries {
    pub(crate) deadline: Instant,
    /// The call may be executed twice.
    pub(crate) idempotent: bool,
}

impl FailedAttempt {
    pub(super) fn new(error: CallError, at: Option<SocketAddr>, next: NextTry) -> Self {
        Self { error, at, next }
    }

    /// Why the call may be made again. `None` if it may not.
    fn reason(&self, retries: Retries) -> Option<RetryReason> {
        match (self.next, self.error.failure()) {
            (NextTry::Never, _) | (_, CallFailure::Failed) => None,
            (_, CallFailure::NotSent) => Some(RetryReason::NotSent),
            (NextTry::Elsewhere, CallFailure::Refused) => Some(RetryReason::Moved),
            (NextTry::Later, CallFailure::Refused) => Some(RetryReason::Refused),
            (_, CallFailure::MaybeExecuted) => retries.idempotent.then_some(RetryReason::MaybeExecuted),
        }
    }
}

/// Repeats a call until an attempt succeeds, an attempt may have been executed, the retry budget is used up, or no time is left for
/// another attempt. `failed` is an attempt that was made before.
///
/// `attempt` gets the instance that it should avoid.
pub(crate) async fn retry<T, Fut>(
    instances: &Instances,
    retries: Retries,
    alive: impl Fn() -> bool,
    failed: Option<FailedAttempt>,
    attempt: impl Fn(Option<SocketAddr>) -> Fut,
) -> Result<T, CallError>
where
    Fut: Future<Output = Result<T, FailedAttempt>>,
{
    let mut failed = match failed {
        Some(failed) => failed,
        None => match attempt(None).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        },
    };
    let mut pauses = None;
    loop {
        let Some(reason) = failed.reason(retries) else { return Err(failed.error) };
        let at_once = pauses.is_none() && failed.next == NextTry::Elsewhere;
        let pauses = pauses.get_or_insert_with(|| {
            let pauses = ExponentialBuilder::new().with_min_delay(FIRST_PAUSE).with_max_delay(LONGEST_PAUSE);
            pauses.without_max_times().with_jitter().build()
        });
        let pause = if at_once { Duration::ZERO } else { pauses.next().unwrap_or(LONGEST_PAUSE) };
        let again = Instant::now() + pause;
        if again >= retries.deadline || !alive() {
            return Err(failed.error);
        }
        if !instances.may_retry(reason) {
            return Err(failed.error.because("the retry budget of this client is used up"));
        }
        if !at_once {
            sleep_until(again).await;
            // The timer may be a millisecond late.
            if Instant::now() >= retries.deadline {
                return Err(failed.error);
            }
        }
        failed = match attempt(failed.at).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
    }
}

/// Makes the call once, at the instance that the spread chooses. Waits for a connection until the deadline.
pub(crate) async fn attempt<C, F, Fut, T>(
    pool: &Pool,
    name: RpcName,
    call: &F,
    deadline: Instant,
    avoid: Option<SocketAddr>,
) -> Result<T, FailedAttempt>
where
    C: FromClientHook,
    F: Fn(C) -> Fut,
    Fut: Future<Output = Result<T, capnp::Error>>,
{
    let not_sent = |reason: String| {
        let error = CallError::new(CallFailure::NotSent, name, reason);
        Err(FailedAttempt::new(error, None, NextTry::Later))
    };
    let mut expired = std::pin::pin!(sleep_until(deadline));
    let (connection, chosen) = tokio::select! {
        biased;
        connection = pool.connection(avoid) => connection,
        () = &mut expired => {
            pool.setup().calls.unsent();
            return not_sent(pool.failures());
        }
    };
    let attempt = Attempt::begin(pool, &connection, chosen, name);
    if attempt.begun >= deadline {
        attempt.visit.says_nothing();
        return not_sent("no time is left".to_owned());
    }
    spans::client_connected(connection.instance.address);
    let answer = within_deadline(deadline, || call(C::new(connection.client.clone().hook)));
    let error = tokio::select! {
        biased;
        answer = with_deadline(deadline, answer) => match answer {
            Ok(answer) => {
                attempt.visit.succeeded(connection.control.last_message(), &pool.instances);
                return Ok(answer);
            }
            Err(error) => error,
        },
        () = connection.ended.cancelled() => return Err(attempt.lost(&connection.reason())),
        () = &mut expired => return Err(attempt.late()),
    };
    if !is_refusal(&error) && connection.control.end().is_some() {
        // What is queued may still leave for the server, until the connection has ended.
        tokio::select! {
            () = connection.ended.cancelled() => {}
            () = expired => return Err(attempt.late()),
        }
    }
    Err(attempt.failed(error))
}

/// Whether the error says that the call was not executed.
fn is_refusal(error: &capnp::Error) -> bool {
    error.extra.strip_prefix(REMOTE).unwrap_or(&error.extra).starts_with(NOT_EXECUTED)
}

/// An attempt at a call, on a connection.
struct Attempt<'a> {
    pool: &'a Pool,
    connection: &'a Rc<CallConnection>,
    name: RpcName,
    _counted: CallGuard,
    visit: Visit,
    begun: Instant,
    /// The bytes that were appended to the connection before.
    appended_before: u64,
}

impl<'a> Attempt<'a> {
    fn begin(pool: &'a Pool, connection: &'a Rc<CallConnection>, chosen: Chosen, name: RpcName) -> Self {
        let begun = Instant::now();
        let (appended_before, _) = connection.control.written();
        let visit = Visit::begin(&connection.instance, chosen, begun);
        Self { pool, connection, name, _counted: connection.begin_call(), visit, begun, appended_before }
    }

    fn error(&self, failure: CallFailure, reason: &str, next: NextTry) -> FailedAttempt {
        let address = self.connection.instance.address;
        let error = CallError::new(failure, self.name, format!("{address}: {reason}"));
        FailedAttempt::new(error, Some(address), next)
    }

    /// The connection was lost, or ended by the server.
    fn lost(self, reason: &str) -> FailedAttempt {
        // Nothing that was appended since has left for the server. What is appended may still leave until the connection has ended.
        let unsent = self.connection.control.written().1 <= self.appended_before;
        let failure = if unsent { CallFailure::NotSent } else { CallFailure::MaybeExecuted };
        let failed = self.error(failure, reason, NextTry::Elsewhere);
        if !unsent && self.connection.is_first_loss() {
            self.visit.failed(&self.pool.instances);
        } else {
            self.visit.says_nothing();
        }
        failed
    }

    /// There was no answer by the deadline.
    fn late(self) -> FailedAttempt {
        if self.connection.control.last_message() < self.begun {
            // The server was silent all the time. Another connection or instance may work better.
            self.pool.replace(self.connection);
        }
        let failed = self.error(CallFailure::MaybeExecuted, "no answer by the deadline", NextTry::Later);
        self.visit.was_late(&self.pool.instances);
        failed
    }

    /// The call ended with this error.
    fn failed(self, mut error: capnp::Error) -> FailedAttempt {
        let told = take_error(&mut error);
        let instances = &self.pool.instances;
        let remote = error.extra.strip_prefix(REMOTE);
        let refused = remote.unwrap_or(&error.extra).strip_prefix(NOT_EXECUTED);
        if let Some(reason) = refused {
            let (next, is_fault) = after_refusal(error.kind);
            let by_server = remote.is_some() && next != NextTry::Never;
            let failure = if by_server { CallFailure::Refused } else { CallFailure::NotSent };
            if by_server && next == NextTry::Elsewhere {
                self.pool.replace(self.connection);
            }
            let failed = self.error(failure, reason, next);
            if is_fault {
                self.visit.failed(instances)
            } else {
                self.visit.says_nothing()
            }
            return failed;
        }
        if self.connection.control.end().is_some() || self.connection.ended.is_cancelled() {
            return self.lost(remote.unwrap_or(&error.extra));
        }
        let mut failed = self.error(CallFailure::Failed, &words::of_call(&error), NextTry::Never);
        failed.error = failed.error.told(told);
        // A server that does not know a call works, and so does one that refuses its arguments.
        if error.kind == capnp::ErrorKind::Unimplemented || failed.error.is_fault_of_caller() {
            self.visit.says_nothing();
        } else {
            self.visit.failed(instances);
        }
        failed
    }
}

/// What to do after a refusal, and whether it counts against the instance.
fn after_refusal(kind: capnp::ErrorKind) -> (NextTry, bool) {
    match kind {
        // The connection or the server is about to end.
        capnp::ErrorKind::Disconnected => (NextTry::Elsewhere, false),
        // Too much work.
        capnp::ErrorKind::Overloaded => (NextTry::Later, true),
        // This call is never sent: it is too large.
        _ => (NextTry::Never, false),
    }
}

#[cfg(test)]
mod tests;
