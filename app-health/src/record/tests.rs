//! Tests of a check's record.

use app_core::prelude::HealthCheckId;
use tokio::time::advance;

use super::*;
use crate::HealthOutcome;

const SECOND: Duration = Duration::from_secs(1);

fn spec() -> HealthCheckSpec {
    HealthCheckSpec::new(HealthCheckId::new(1)).interval(SECOND).timeout(SECOND)
}

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn after(record: &Record, passed: bool, second: u64) -> (Record, Option<HealthTransition>) {
    let error = (!passed).then(|| app_errors::illegal_argument_error("on purpose"));
    let kind = if passed { HealthOutcome::Passed } else { HealthOutcome::Failed };
    let outcome =
        RunOutcome { kind, error, started_at: at(second), duration: Duration::ZERO, ended: Instant::now() };
    let (record, result, transition) = record.with_result(&spec(), outcome, || at(second));
    assert_eq!(result.passed(), passed);
    (record, transition)
}

#[tokio::test(start_paused = true)]
async fn changes_are_kept_with_their_times_and_results_that_change_nothing_make_none() {
    let mut record = Record::new(at(0));
    for (second, passed) in [(1, true), (2, true), (3, false), (4, false), (5, true)] {
        record = after(&record, passed, second).0;
    }
    let kept: Vec<_> = record.transitions().iter().map(|it| (it.from, it.to, it.at)).collect();
    assert_eq!(
        kept,
        [
            (HealthStatus::Unknown, HealthStatus::Passing, at(1)),
            (HealthStatus::Passing, HealthStatus::Failing, at(3)),
            (HealthStatus::Failing, HealthStatus::Passing, at(5)),
        ]
    );
    assert_eq!((record.since, record.history().len()), (at(5), 5));
}

#[tokio::test(start_paused = true)]
async fn no_more_is_kept_than_there_is_room_for() {
    let mut record = Record::new(at(0));
    for second in 1..=100 {
        record = after(&record, second % 2 == 0, second).0;
    }
    assert_eq!((record.history().len(), record.transitions().len()), (HISTORY_LENGTH, TRANSITIONS_LENGTH));
    assert_eq!((record.history()[0].started_at, record.transitions()[31].at), (at(69), at(100)));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_stays_as_it_was() {
    let before = after(&Record::new(at(0)), true, 1).0;
    let history = before.history();
    let _later = after(&before, false, 2).0;
    assert_eq!((history.len(), before.status(&spec(), Instant::now())), (1, HealthStatus::Passing));
}

#[tokio::test(start_paused = true)]
async fn a_result_is_too_old_after_three_intervals_which_is_told_once_until_there_is_another() {
    let record = after(&Record::new(at(0)), true, 1).0;
    advance(3 * SECOND).await;
    assert!(record.with_stale(&spec(), Instant::now(), at(4)).is_none());
    advance(SECOND / 2).await;
    let (stale, transition) = record.with_stale(&spec(), Instant::now(), at(4)).unwrap();
    assert_eq!((transition.from, transition.to), (HealthStatus::Passing, HealthStatus::Unknown));
    assert_eq!(stale.status(&spec(), Instant::now()), HealthStatus::Unknown);
    assert!(stale.with_stale(&spec(), Instant::now(), at(5)).is_none());
    let (fresh, transition) = after(&stale, true, 6);
    let transition = transition.unwrap();
    assert_eq!((transition.from, transition.to), (HealthStatus::Unknown, HealthStatus::Passing));
    assert_eq!(fresh.status(&spec(), Instant::now()), HealthStatus::Passing);
    assert!(after(&fresh, true, 7).1.is_none());
}
