//! Tests of the gauge.

use super::Gauge;
use crate::stripe::Stripe;
use crate::striped::Contention;
use crate::striped_float::StripedFloat;

#[test]
fn a_gauge_goes_up_and_down() {
    let gauge = Gauge::default();
    gauge.set(10.0);
    gauge.inc();
    gauge.dec();
    gauge.dec();
    gauge.add(-0.5);
    assert_eq!(gauge.get(), 8.5);
}

#[test]
fn a_gauge_keeps_what_is_no_number() {
    let gauge = Gauge::default();
    gauge.set(f64::NAN);
    assert!(gauge.get().is_nan());
    gauge.set(f64::NEG_INFINITY);
    assert_eq!(gauge.get(), f64::NEG_INFINITY);
}

#[test]
fn no_change_of_any_thread_is_lost() {
    let gauge = Gauge::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    gauge.add(2.0);
                    gauge.dec();
                }
            });
        }
    });
    assert_eq!(gauge.get(), 40_000.0);
}

#[test]
fn a_gauge_that_threads_contend_for_is_set_and_added_to_as_before() {
    let gauge = Gauge::default();
    gauge.add(1.5);
    gauge.0.grow();
    gauge.0.add(Stripe::of(1), true, 2.0);
    gauge.0.add(Stripe::of(2), true, -1.0);
    gauge.0.add(Stripe::NONE, true, 10.0);
    assert_eq!(gauge.get(), 12.5);
    for value in [7.0, -1.0, f64::NAN, 0.25] {
        gauge.set(value);
        assert_eq!(gauge.get().to_bits(), value.to_bits());
        gauge.0.add(Stripe::of(2), true, 1.0);
        gauge.0.add(Stripe::of(2), true, 1.0);
        gauge.0.add(Stripe::NONE, true, 3.0);
        assert_eq!(gauge.get().to_bits(), (value + 5.0).to_bits());
    }
}

#[test]
fn a_gauge_whose_additions_collide_grows_and_one_that_is_only_set_does_not() {
    assert_eq!(size_of::<StripedFloat>(), 32);
    let gauge = Gauge::default();
    for value in 0..1_000 {
        gauge.set(f64::from(value));
        gauge.inc();
    }
    assert!(!gauge.0.is_grown());
    let contention = Contention::new();
    let notes: Vec<bool> =
        [false, false, false, true, false, false].map(|alone| contention.note(alone)).into();
    assert_eq!(notes, [false, false, false, false, false, true]);
}

#[test]
fn a_guard_subtracts_what_it_added() {
    let gauge = Gauge::default();
    gauge.set(3.0);
    let (one, many) = (gauge.guard(), gauge.guard_of(2.5));
    assert_eq!(gauge.get(), 6.5);
    drop(one);
    assert_eq!(gauge.get(), 5.5);
    drop(many);
    assert_eq!(gauge.get(), 3.0);
}

#[test]
fn a_guard_subtracts_during_a_panic() {
    let gauge = Gauge::default();
    let guarded = gauge.clone();
    let panicked = std::thread::spawn(move || {
        let _guard = guarded.guard();
        panic!("on purpose, with {}", guarded.get());
    });
    assert!(panicked.join().is_err());
    assert_eq!(gauge.get(), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_guard_subtracts_when_its_future_is_cancelled() {
    let gauge = Gauge::default();
    let work = async {
        let _guard = gauge.guard();
        assert_eq!(gauge.get(), 1.0);
        std::future::pending::<()>().await;
    };
    assert!(tokio::time::timeout(std::time::Duration::from_secs(1), work).await.is_err());
    assert_eq!(gauge.get(), 0.0);
}
