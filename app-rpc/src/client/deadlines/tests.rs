//! Whoever waits is told, at its time and not before.

use std::time::Duration;

use super::*;

fn after(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

/// Deadlines that somebody keeps.
fn kept() -> Arc<Deadlines> {
    let deadlines = Arc::<Deadlines>::default();
    let keeper = Arc::clone(&deadlines);
    tokio::spawn(async move { keeper.keep().await });
    deadlines
}

#[tokio::test(start_paused = true)]
async fn each_is_told_at_its_time_in_whatever_order_they_come() {
    let deadlines = kept();
    let began = Instant::now();
    let mut waiting = tokio::task::JoinSet::new();
    for millis in [700, 50, 300, 300, 0] {
        let until = deadlines.until(after(millis));
        waiting.spawn(async move {
            until.await;
            (millis, began.elapsed())
        });
    }
    for (millis, took) in waiting.join_all().await {
        let late = took.checked_sub(Duration::from_millis(millis));
        assert!(late.is_some_and(|late| late <= Duration::from_millis(2)), "{millis} ms took {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_are_dropped_leave_nothing_and_do_not_delay_others() {
    let deadlines = kept();
    for millis in [10, 500, 20] {
        let mut until = deadlines.until(after(millis));
        assert!(futures_util::poll!(&mut until).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(deadlines.state.lock().waiting.is_empty());
    let began = Instant::now();
    deadlines.until(after(100)).await;
    assert!(began.elapsed() <= Duration::from_millis(102), "{:?}", began.elapsed());
    // With nobody waiting it comes to rest, and goes on for the next.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(deadlines.state.lock().set_for, None);
    deadlines.until(after(100)).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_when_nobody_keeps_the_time() {
    let deadlines = Arc::<Deadlines>::default();
    let mut until = deadlines.until(after(1000));
    assert!(futures_util::poll!(&mut until).is_pending());
    deadlines.close();
    let began = Instant::now();
    until.await;
    deadlines.until(after(1000)).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}
