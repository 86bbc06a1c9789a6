//! When a call is made again, and when it is not.

use app_ids::{AppId, DomainId, ServiceId};
use std::cell::{Cell, RefCell};

use super::*;
use crate::client::testing::instances;

const NAME: RpcName = RpcName { domain: DomainId::new(1), app: AppId::new(2), service: ServiceId::new(3) };

fn failed(failure: CallFailure, next: NextTry) -> FailedAttempt {
    let at = SocketAddr::from(([192, 0, 2, 1], 1));
    FailedAttempt::new(CallError::new(failure, NAME, "busy"), Some(at), next)
}

/// How often a call that always fails so was made, and how it ended.
async fn attempts(failure: CallFailure, next: NextTry, idempotent: bool) -> (usize, CallError) {
    let (instances, times) = (instances(), Cell::new(0));
    let retries = Retries { deadline: Instant::now() + Duration::from_secs(1), idempotent };
    let ended = retry(
        &instances,
        retries,
        || true,
        None,
        |_| {
            times.set(times.get() + 1);
            async { Err::<(), _>(failed(failure, next)) }
        },
    );
    let error = ended.await.unwrap_err();
    (times.get(), error)
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_at_the_deadline_or_later() {
    let instances = instances();
    for micros in 5_000..5_500 {
        let (deadline, attempts) = (Instant::now() + Duration::from_micros(micros), Cell::new(0));
        let refused = retry(
            &instances,
            Retries { deadline, idempotent: false },
            || true,
            None,
            |_| {
                assert!(Instant::now() < deadline, "{micros}");
                attempts.set(attempts.get() + 1);
                async { Err::<(), _>(failed(CallFailure::NotSent, NextTry::Later)) }
            },
        );
        assert_eq!(refused.await.unwrap_err().reason(), "busy");
        assert!(attempts.get() > 0);
        // The next round begins at another fraction of a millisecond.
        tokio::time::advance(Duration::from_micros(7)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_executed_is_made_again_only_if_it_is_idempotent() {
    use CallFailure::{Failed, MaybeExecuted, NotSent, Refused};
    for (failure, next, idempotent, again) in [
        (NotSent, NextTry::Later, false, true),
        (NotSent, NextTry::Never, true, false),
        (Refused, NextTry::Later, false, true),
        (Refused, NextTry::Elsewhere, false, true),
        (MaybeExecuted, NextTry::Elsewhere, false, false),
        (MaybeExecuted, NextTry::Elsewhere, true, true),
        (Failed, NextTry::Never, true, false),
    ] {
        let (times, error) = attempts(failure, next, idempotent).await;
        assert_eq!(error.failure(), failure);
        assert_eq!(times > 1, again, "{failure:?} {next:?} {idempotent}: {times} attempts");
    }
}

#[tokio::test(start_paused = true)]
async fn refused_calls_are_made_again_within_the_budget_and_then_fail_with_its_name() {
    let (instances, made) = (instances(), Cell::new(0_usize));
    let (mut calls, mut without_budget) = (0, 0);
    for _ in 0..200 {
        let retries = Retries { deadline: Instant::now() + Duration::from_millis(300), idempotent: false };
        let refused = retry(
            &instances,
            retries,
            || true,
            None,
            |_| {
                made.set(made.get() + 1);
                async { Err::<(), _>(failed(CallFailure::Refused, NextTry::Later)) }
            },
        );
        calls += 1;
        let error = refused.await.unwrap_err();
        assert_eq!(error.failure(), CallFailure::Refused);
        without_budget += usize::from(error.reason().ends_with("the retry budget of this client is used up"));
    }
    // 100 retries are saved at the start, and there are 10 a second. The calls are made at no instance, so they allow none.
    assert!(without_budget > 100, "{without_budget}");
    let again = made.get() - calls;
    assert!((100..200).contains(&again), "{again}");
    assert!(
        (instances.counts.retries(RetryReason::Refused) - f64::from(u32::try_from(again).unwrap())).abs()
            < 0.5
    );
    assert!(instances.counts.retries_refused.get() >= 100.0);
}

#[tokio::test(start_paused = true)]
async fn a_call_moves_at_once_and_away_from_the_instance_that_is_about_to_stop() {
    let instances = instances();
    let began = Instant::now();
    let retries = Retries { deadline: began + Duration::from_secs(1), idempotent: false };
    let seen = RefCell::new(Vec::new());
    let answer = retry(
        &instances,
        retries,
        || true,
        None,
        |avoid| {
            let is_first = seen.borrow().is_empty();
            seen.borrow_mut().push(avoid.is_some());
            async move { if is_first { Err(failed(CallFailure::Refused, NextTry::Elsewhere)) } else { Ok(7) } }
        },
    );
    assert_eq!(answer.await, Ok(7));
    assert_eq!((&seen.borrow()[..], began.elapsed()), (&[false, true][..], Duration::ZERO));
    assert!(instances.counts.retries(RetryReason::Moved) > 0.5);
}
