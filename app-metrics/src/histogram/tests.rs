//! Tests of the histogram.

use super::Histogram;
use std::time::Duration;
use tokio::time::{sleep, timeout};

fn histogram() -> Histogram {
    Histogram::new([0.1, 1.0, 10.0].into())
}

#[test]
fn a_value_counts_in_the_first_bucket_that_holds_it() {
    let histogram = histogram();
    for value in [-5.0, 0.1, 0.100_001, 1.0, 9.0, 11.0] {
        histogram.observe(value);
    }
    let seen = histogram.snapshot();
    assert_eq!(seen.counts, [2, 2, 1, 1]);
    assert_eq!(seen.count(), 6);
    assert_eq!(seen.sum, 16.200_001);
}

#[test]
fn what_is_not_finite_is_ignored() {
    let histogram = histogram();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        histogram.observe(value);
    }
    let seen = histogram.snapshot();
    assert_eq!((seen.count(), seen.sum), (0, 0.0));
}

#[test]
fn what_was_observed_elsewhere_is_added_to_what_was_observed_here() {
    let histogram = histogram();
    histogram.observe(0.5);
    histogram.add_counts(&[1, 2, 0, 4], 50.0);
    let seen = histogram.snapshot();
    assert_eq!((seen.counts, seen.sum), (vec![1, 3, 0, 4], 50.5));
}

#[test]
fn a_scrape_ends_with_the_infinite_bucket() {
    let histogram = histogram();
    histogram.observe(100.0);
    let mut buckets = vec![(7.0, 7)];
    assert_eq!(histogram.read_into(&mut buckets), 100.0);
    assert_eq!(buckets, [(0.1, 0), (1.0, 0), (10.0, 0), (f64::INFINITY, 1)]);
}

#[test]
fn no_observation_of_any_thread_is_lost_and_every_reader_sees_a_count_that_only_grows() {
    const EACH: u64 = 10_000;
    let histogram = histogram();
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let histogram = &histogram;
            scope.spawn(move || {
                for value in 0..EACH {
                    histogram.observe((value % 20 + thread) as f64);
                }
            });
        }
        let mut last = 0;
        while last < 3 * EACH {
            let count = histogram.snapshot().count();
            assert!(count >= last, "went from {last} to {count}");
            last = count;
        }
    });
    let expected: u64 = (0..3).map(|thread| (0..EACH).map(|value| value % 20 + thread).sum::<u64>()).sum();
    assert_eq!(histogram.snapshot().sum, expected as f64);
}

#[tokio::test(start_paused = true)]
async fn a_timer_observes_the_time_until_it_is_dropped() {
    let histogram = histogram();
    let timer = histogram.start_timer();
    sleep(Duration::from_millis(500)).await;
    assert_eq!(timer.elapsed(), Duration::from_millis(500));
    assert_eq!(histogram.snapshot().count(), 0, "the timer runs");
    drop(timer);
    let seen = histogram.snapshot();
    assert_eq!((seen.counts, seen.sum), (vec![0, 1, 0, 0], 0.5));
}

#[tokio::test(start_paused = true)]
async fn a_timer_observes_once_and_a_discarded_one_does_not() {
    let histogram = histogram();
    let (observed, discarded) = (histogram.start_timer(), histogram.start_timer());
    sleep(Duration::from_secs(2)).await;
    assert_eq!(observed.observe(), Duration::from_secs(2));
    assert_eq!(discarded.discard(), Duration::from_secs(2));
    let seen = histogram.snapshot();
    assert_eq!((seen.counts, seen.sum), (vec![0, 0, 1, 0], 2.0));
}

#[tokio::test(start_paused = true)]
async fn a_timer_observes_when_its_future_is_cancelled() {
    let histogram = histogram();
    let work = async {
        let _timer = histogram.start_timer();
        std::future::pending::<()>().await;
    };
    assert!(timeout(Duration::from_secs(5), work).await.is_err());
    assert_eq!(histogram.snapshot().sum, 5.0);
}

#[test]
fn a_timer_observes_during_a_panic() {
    let histogram = histogram();
    let timed = histogram.clone();
    let panicked = std::thread::spawn(move || {
        let _timer = timed.start_timer();
        panic!("on purpose, after {}", timed.snapshot().count());
    });
    assert!(panicked.join().is_err());
    assert_eq!(histogram.snapshot().count(), 1);
}
