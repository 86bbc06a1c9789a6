//! One attempt at a call, which stays on its thread; and as many as it takes.

use std::pin::pin;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use capnp::capability::FromClientHook;
use tokio::time::Instant;

use super::connection::Connection;
use super::pool::Pool;
use super::{CallError, CallFailure};
use crate::connection::NOT_EXECUTED;
use crate::{RpcName, words};

/// What an error of the other side begins with.
const REMOTE: &str = "remote exception: ";

/// The pauses between attempts at a call that was not executed.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Makes attempts until one is known to be more than an attempt, or there is no time for another.
pub(crate) async fn persevere<T, Fut>(
    deadline: Instant,
    alive: impl Fn() -> bool,
    attempt: impl Fn() -> Fut,
) -> Result<T, CallError>
where
    Fut: Future<Output = Result<T, CallError>>,
{
    let mut pauses = None;
    loop {
        let failed = match attempt().await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let pauses = pauses.get_or_insert_with(|| {
            let pauses = ExponentialBuilder::new().with_min_delay(FIRST_PAUSE).with_max_delay(LONGEST_PAUSE);
            pauses.without_max_times().with_jitter().build()
        });
        let again = Instant::now() + pauses.next().unwrap_or(LONGEST_PAUSE);
        if !failed.failure().is_safe_to_retry() || again >= deadline || !alive() {
            return Err(failed);
        }
        tokio::time::sleep_until(again).await;
    }
}

/// Makes the call once: on a connection that can be used, within its deadline.
pub(crate) async fn attempt<C, F, Fut, T>(
    pool: &Pool,
    name: RpcName,
    call: &F,
    deadline: impl Future<Output = ()>,
) -> Result<T, CallError>
where
    C: FromClientHook,
    F: Fn(C) -> Fut,
    Fut: Future<Output = Result<T, capnp::Error>>,
{
    let mut deadline = pin!(deadline);
    let connection = tokio::select! {
        biased;
        connection = pool.connection() => connection,
        () = &mut deadline => {
            return Err(CallError::new(CallFailure::NotSent, name, pool.why_not()));
        }
    };
    let (_calling, begun) = (connection.begin_call(), Instant::now());
    let (appended_before, _) = connection.control.written();
    // Whether anything that was appended since may have left.
    let unsent = |connection: &Connection| connection.control.written().1 <= appended_before;
    let failed = |failure, reason: &str| {
        Err(CallError::new(failure, name, format!("{}: {reason}", connection.address)))
    };
    let lost = |reason: &str| {
        failed(if unsent(&connection) { CallFailure::NotSent } else { CallFailure::MaybeExecuted }, reason)
    };
    let answer = call(C::new(connection.client.hook.add_ref()));
    let error = tokio::select! {
        biased;
        answer = answer => match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        },
        () = connection.over.cancelled() => return lost(&connection.why()),
        () = deadline => {
            if connection.control.last_message() < begun {
                // Nothing was heard of this server in all that time: others, or another connection, may do better.
                pool.replace(&connection);
            }
            return lost("no answer by the deadline");
        }
    };
    let remote = error.extra.strip_prefix(REMOTE);
    if let Some(reason) = remote.and_then(|reason| reason.strip_prefix(NOT_EXECUTED)) {
        if error.kind == capnp::ErrorKind::Disconnected {
            pool.replace(&connection);
        }
        return failed(CallFailure::Refused, reason);
    }
    if let Some(reason) = error.extra.strip_prefix(NOT_EXECUTED) {
        return failed(CallFailure::NotSent, reason);
    }
    if connection.control.end().is_some() || connection.over.is_cancelled() {
        return lost(remote.unwrap_or(&error.extra));
    }
    failed(CallFailure::Failed, &words::of_call(&error))
}
