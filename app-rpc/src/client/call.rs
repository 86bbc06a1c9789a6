//! Calls: one attempt, which stays on its thread, and the retries.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use capnp::capability::FromClientHook;
use tokio::time::{Instant, sleep_until};

use super::connection::CallConnection;
use super::pool::Pool;
use super::{CallError, CallFailure};
use crate::connection::NOT_EXECUTED;
use crate::{RpcName, words};

/// What capnp-rpc puts before an error of the server.
const REMOTE: &str = "remote exception: ";

/// The pauses between attempts at a call that was not executed.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Repeats a call until an attempt succeeds, an attempt may have been executed, or no time is left for another attempt.
pub(crate) async fn retry<T, Fut>(
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
        sleep_until(again).await;
        // The timer may be a millisecond late.
        if Instant::now() >= deadline {
            return Err(failed);
        }
    }
}

/// Makes the call once, on the least busy connection. Waits for a connection until the deadline.
pub(crate) async fn attempt<C, F, Fut, T>(
    pool: &Pool,
    name: RpcName,
    call: &F,
    deadline: Instant,
) -> Result<T, CallError>
where
    C: FromClientHook,
    F: Fn(C) -> Fut,
    Fut: Future<Output = Result<T, capnp::Error>>,
{
    let mut expired = std::pin::pin!(sleep_until(deadline));
    let connection = tokio::select! {
        biased;
        connection = pool.connection() => connection,
        () = &mut expired => {
            return Err(CallError::new(CallFailure::NotSent, name, pool.failures()));
        }
    };
    let (_counted, begun) = (connection.begin_call(), Instant::now());
    if begun >= deadline {
        return Err(CallError::new(CallFailure::NotSent, name, "no time is left"));
    }
    let (appended_before, _) = connection.control.written();
    // Nothing that was appended since has left for the server. What is appended may still leave until the connection has ended.
    let unsent = |connection: &CallConnection| connection.control.written().1 <= appended_before;
    let failed = |failure, reason: &str| {
        Err(CallError::new(failure, name, format!("{}: {reason}", connection.address)))
    };
    let unanswered = |reason: &str| {
        failed(if unsent(&connection) { CallFailure::NotSent } else { CallFailure::MaybeExecuted }, reason)
    };
    let answer = call(C::new(connection.client.clone().hook));
    let error = tokio::select! {
        biased;
        answer = answer => match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        },
        () = connection.ended.cancelled() => return unanswered(&connection.reason()),
        () = expired => {
            if connection.control.last_message() < begun {
                // The server was silent all the time. Another connection or instance may work better.
                pool.replace(&connection);
            }
            return failed(CallFailure::MaybeExecuted, "no answer by the deadline");
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
    if connection.control.end().is_some() || connection.ended.is_cancelled() {
        return unanswered(remote.unwrap_or(&error.extra));
    }
    failed(CallFailure::Failed, &words::of_call(&error))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use app_ids::{AppId, DomainId, ServiceId};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_attempt_begins_at_the_deadline_or_later() {
        let name = RpcName { domain: DomainId::new(1), app: AppId::new(2), service: ServiceId::new(3) };
        for micros in 5_000..5_500 {
            let (deadline, attempts) = (Instant::now() + Duration::from_micros(micros), Cell::new(0));
            let refused = retry(
                deadline,
                || true,
                || {
                    assert!(Instant::now() < deadline, "{micros}");
                    attempts.set(attempts.get() + 1);
                    async { Err::<(), _>(CallError::new(CallFailure::Refused, name, "busy")) }
                },
            );
            assert_eq!(refused.await.unwrap_err().reason(), "busy");
            assert!(attempts.get() > 0);
            // The next round begins at another fraction of a millisecond.
            tokio::time::advance(Duration::from_micros(7)).await;
        }
    }
}
