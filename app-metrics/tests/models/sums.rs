//! Sums: no addition is lost, whichever thread owns the words and whenever stripes are added. A reader's sum never goes
//! down.

use crate::check;
use crate::stripe::StripeAllocator;
use crate::striped::Striped;
use crate::sync::AtomicU64;
use loom::thread;
use std::sync::Arc;

/// Two sums: whole numbers, and floats.
type Sums = Striped<[AtomicU64; 4]>;

fn sums() -> Arc<Sums> {
    Arc::new(Striped::new([0; 4].map(AtomicU64::new)))
}

/// Adds one and a half, for a thread with this stripe number.
fn add(sums: &Sums, stripe: crate::stripe::Stripe) {
    match sums.claimed(stripe) {
        Some(own) => {
            own.add(0, 1);
            own.add_f64(1, 0.5);
        }
        None => sums.add_shared(stripe, true, 0, |words| words.add(0, 1) & words.add_f64(1, 0.5)),
    }
}

#[test]
fn of_threads_that_add_first_at_once_one_is_the_owner_and_nothing_is_lost() {
    check(|| {
        let (stripes, sums) = (StripeAllocator::new(), sums());
        let (one, two) = (stripes.take(), stripes.take());
        let theirs = Arc::clone(&sums);
        let other = thread::spawn(move || add(&theirs, two));
        add(&sums, one);
        other.join().unwrap();
        assert_eq!((sums.sum(0), sums.sum_f64(1)), (2, 1.0));
        assert!(sums.claimed(one).is_some() != sums.claimed(two).is_some());
    });
}

#[test]
fn threads_that_share_words_lose_nothing() {
    check(|| {
        let (stripes, sums) = (StripeAllocator::new(), sums());
        assert!(sums.claimed(stripes.take()).is_some());
        let (one, two) = (stripes.take(), stripes.take());
        let theirs = Arc::clone(&sums);
        let other = thread::spawn(move || {
            add(&theirs, two);
            add(&theirs, two);
        });
        add(&sums, one);
        other.join().unwrap();
        assert_eq!((sums.sum(0), sums.sum_f64(1)), (3, 1.5));
    });
}

#[test]
fn nothing_is_lost_while_stripes_come_and_a_reader_sees_sums_that_only_grow() {
    check(|| {
        let (stripes, sums) = (StripeAllocator::new(), sums());
        let (one, two) = (stripes.take(), stripes.take());
        let theirs = Arc::clone(&sums);
        let owner = thread::spawn(move || {
            add(&theirs, one);
            add(&theirs, one);
        });
        let theirs = Arc::clone(&sums);
        let grower = thread::spawn(move || {
            theirs.grow();
            add(&theirs, two);
        });
        let first = (sums.sum(0), sums.sum_f64(1));
        let second = (sums.sum(0), sums.sum_f64(1));
        assert!(first.0 <= second.0 && first.1 <= second.1, "{first:?}, then {second:?}");
        owner.join().unwrap();
        grower.join().unwrap();
        assert_eq!((sums.sum(0), sums.sum_f64(1)), (3, 1.5));
    });
}

#[test]
fn threads_beyond_the_stripes_share_and_lose_nothing() {
    check(|| {
        let (stripes, sums) = (StripeAllocator::new(), sums());
        sums.grow();
        let taken: Vec<_> = (0..10).map(|_| stripes.take()).collect();
        // With four stripes, these two share the same half of one stripe.
        let (one, two) = (taken[5], taken[9]);
        let theirs = Arc::clone(&sums);
        let other = thread::spawn(move || add(&theirs, two));
        add(&sums, one);
        other.join().unwrap();
        assert_eq!((sums.sum(0), sums.sum_f64(1)), (2, 1.0));
    });
}
