//! Tests of the counter.

use super::{Counter, Value};

#[test]
fn a_counter_starts_at_zero_and_adds_up() {
    let counter = Counter::default();
    assert_eq!(counter.get(), 0.0);
    counter.inc();
    counter.add(41);
    counter.add_f64(0.5);
    counter.add_f64(2.0);
    assert_eq!(counter.get(), 44.5);
}

#[test]
fn clones_count_into_one_value() {
    let counter = Counter::default();
    counter.clone().inc();
    assert_eq!(counter.get(), 1.0);
}

#[test]
fn what_would_make_it_go_down_is_ignored() {
    let counter = Counter::default();
    counter.add(3);
    for amount in [-1.0, -0.0, 0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        counter.add_f64(amount);
    }
    assert_eq!(counter.value(), Value::Whole(3));
}

#[test]
fn whole_numbers_keep_all_their_digits() {
    let counter = Counter::default();
    counter.add(u64::MAX - 1);
    counter.inc();
    assert_eq!(counter.value(), Value::Whole(u64::MAX));
}

#[test]
fn fractions_never_become_infinite() {
    let counter = Counter::default();
    counter.add_f64(f64::MAX);
    counter.add_f64(f64::MAX);
    assert_eq!(counter.get(), f64::MAX);
}

#[test]
fn raising_never_lowers() {
    let counter = Counter::default();
    counter.raise_to(7);
    counter.raise_to(5);
    assert_eq!(counter.get(), 7.0);
}

#[test]
fn no_addition_of_any_thread_is_lost() {
    let counter = Counter::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    counter.inc();
                    counter.add_f64(0.25);
                }
            });
        }
    });
    assert_eq!(counter.get(), 50_000.0);
}
