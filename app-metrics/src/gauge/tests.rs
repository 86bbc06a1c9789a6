//! Tests of the gauge.

use super::Gauge;

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
