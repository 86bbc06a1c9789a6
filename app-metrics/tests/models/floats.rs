//! Floats that are set and added to: no update is lost, and each reader sees a value that some order of the changes
//! gives.

use crate::check;
use crate::source::striped_float::StripedFloat;
use crate::stripe::{Stripe, StripeAllocator};
use loom::thread;
use std::sync::Arc;

#[test]
fn no_addition_is_lost_while_stripes_come() {
    check(|| {
        let (stripes, level) = (StripeAllocator::new(), Arc::new(StripedFloat::new()));
        let (one, two) = (stripes.take(), stripes.take());
        let theirs = Arc::clone(&level);
        let other = thread::spawn(move || {
            theirs.add(two, true, 2.0);
            theirs.grow();
            theirs.add(two, true, 4.0);
        });
        level.add(one, true, 1.0);
        let seen = level.get();
        other.join().unwrap();
        assert!([1.0, 3.0, 7.0].contains(&seen), "{seen} was never there");
        assert_eq!(level.get(), 7.0);
    });
}

#[test]
fn setting_beside_an_addition_gives_what_one_order_or_the_other_gives() {
    check(|| {
        let (stripes, level) = (StripeAllocator::new(), Arc::new(StripedFloat::new()));
        let (one, two) = (stripes.take(), stripes.take());
        level.grow();
        level.add(one, true, 1.0);
        level.add(two, true, 2.0);
        let theirs = Arc::clone(&level);
        let setter = thread::spawn(move || theirs.set(100.0));
        level.add(one, true, 10.0);
        let seen = level.get();
        setter.join().unwrap();
        assert!([13.0, 100.0, 110.0].contains(&seen), "{seen} was never there");
        assert!([100.0, 110.0].contains(&level.get()), "{}", level.get());
        level.add(two, true, 1.0);
        assert!([101.0, 111.0].contains(&level.get()), "{}", level.get());
    });
}

/// Two epochs pass during a read. The reader must not mix amounts of one epoch with the base of another.
#[test]
fn a_reader_never_mixes_what_was_before_and_after_the_value_was_set() {
    check(|| {
        let (stripes, level) = (StripeAllocator::new(), Arc::new(StripedFloat::new()));
        let one = stripes.take();
        level.grow();
        level.add(one, true, 1.0);
        let theirs = Arc::clone(&level);
        let setter = thread::spawn(move || {
            theirs.set(100.0);
            theirs.add(one, true, 10.0);
            theirs.add(one, true, 20.0);
            theirs.set(1_000.0);
        });
        let seen = level.get();
        assert!([1.0, 100.0, 110.0, 130.0, 1_000.0].contains(&seen), "{seen} was never there");
        setter.join().unwrap();
        assert_eq!(level.get(), 1_000.0);
    });
}

#[test]
fn of_two_that_set_at_once_one_is_last() {
    check(|| {
        let (stripes, level) = (StripeAllocator::new(), Arc::new(StripedFloat::new()));
        level.grow();
        level.add(stripes.take(), true, 1.0);
        let theirs = Arc::clone(&level);
        let other = thread::spawn(move || theirs.set(10.0));
        level.set(20.0);
        level.add(Stripe::NONE, true, 2.0);
        other.join().unwrap();
        assert!([10.0, 12.0, 22.0].contains(&level.get()), "{}", level.get());
    });
}
