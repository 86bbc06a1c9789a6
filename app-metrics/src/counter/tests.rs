//! Tests of the counter.

use super::{Counter, Value, WHOLE};
use crate::stripe::{self, Stripe};
use crate::striped::Striped;
use crate::sync::AtomicU64;
use std::cell::RefCell;

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

/// Adds from a second thread while the first adds too.
fn collide(counter: &Counter) {
    let (first, second) = (Stripe::of(1), Stripe::of(2));
    let own = counter.0.claimed(first).unwrap();
    counter.0.add_shared(second, true, WHOLE, |words| {
        own.add(WHOLE, 1);
        words.add(WHOLE, 1)
    });
}

#[test]
fn threads_in_each_others_way_get_places_of_their_own_and_nothing_is_lost() {
    let counter = Counter::default();
    let mut collisions = 0;
    while !counter.0.is_grown() {
        collide(&counter);
        collisions += 1;
    }
    assert_eq!(collisions, 4);
    for stripe in 0..1_000 {
        let stripe = Stripe::of(stripe);
        match counter.0.claimed(stripe) {
            Some(own) => own.add(WHOLE, 1),
            None => counter.0.add_shared(stripe, true, WHOLE, |words| words.add(WHOLE, 1)),
        }
    }
    assert_eq!(counter.value(), Value::Whole(2 * collisions + 1_000));
}

#[test]
fn threads_that_collide_now_and_then_do_not_make_it_grow() {
    let counter = Counter::default();
    for _ in 0..100 {
        collide(&counter);
        for _ in 0..32 {
            counter.0.add_shared(Stripe::of(2), true, WHOLE, |words| words.add(WHOLE, 1));
        }
    }
    assert!(!counter.0.is_grown());
    assert_eq!(counter.get(), 3_400.0);
}

#[test]
fn a_counter_that_nobody_contends_for_is_small() {
    // The words, the owner, the contention, and the address of the stripes.
    assert_eq!(size_of::<Striped<[AtomicU64; 4]>>(), 56);
    let counter = Counter::default();
    for _ in 0..1_000 {
        std::thread::scope(|scope| drop(scope.spawn(|| counter.inc())));
    }
    assert!(!counter.0.is_grown());
    assert_eq!(counter.get(), 1_000.0);
}

/// Counts when it is dropped.
struct CountsLast(Counter);

impl Drop for CountsLast {
    fn drop(&mut self) {
        assert_eq!(stripe::current(), Stripe::NONE, "the stripe was returned");
        self.0.inc();
    }
}

#[test]
fn what_a_thread_counts_while_it_is_torn_down_is_not_lost() {
    thread_local!(static LAST: RefCell<Option<CountsLast>> = const { RefCell::new(None) });
    let counter = Counter::default();
    for _ in 0..100 {
        let counter = counter.clone();
        let thread = std::thread::spawn(move || {
            // Before the thread has a stripe, so that this value is destroyed after the stripe.
            LAST.set(Some(CountsLast(counter.clone())));
            counter.inc();
        });
        thread.join().unwrap();
    }
    assert_eq!(counter.value(), Value::Whole(200));
}
