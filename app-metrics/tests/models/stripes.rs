//! Stripe numbers: no two threads have one at the same time, and a thread sees what the last thread with its number
//! did.

use crate::check;
use crate::stripe::StripeAllocator;
use crate::striped::Striped;
use crate::sync::{AtomicU64, Ordering};
use loom::thread;
use std::sync::Arc;

#[test]
fn no_two_threads_have_one_lane_at_once() {
    check(|| {
        let stripes = Arc::new(StripeAllocator::new());
        let holders: Arc<[AtomicU64; 4]> = Arc::new([0; 4].map(AtomicU64::new));
        let use_one = |stripes: &StripeAllocator, holders: &[AtomicU64]| {
            let stripe = stripes.take();
            let held = &holders[stripe.index().unwrap()];
            assert_eq!(held.fetch_add(1, Ordering::Relaxed), 0, "two threads have {stripe:?}");
            held.fetch_sub(1, Ordering::Relaxed);
            stripes.give_back(stripe);
        };
        let (theirs, their_holders) = (Arc::clone(&stripes), Arc::clone(&holders));
        let other = thread::spawn(move || {
            use_one(&theirs, &*their_holders);
            use_one(&theirs, &*their_holders);
        });
        use_one(&stripes, &*holders);
        other.join().unwrap();
        assert!(stripes.take().number() <= 2, "returned numbers are reused first");
    });
}

/// The owner adds with a load and a store. That is correct only if it sees what the owner before it stored.
#[test]
fn who_gets_a_lane_owns_what_the_thread_before_it_owned_and_loses_nothing() {
    check(|| {
        let stripes = Arc::new(StripeAllocator::new());
        let sum = Arc::new(Striped::new([0; 2].map(AtomicU64::new)));
        let add = |stripes: &StripeAllocator, sum: &Striped<[AtomicU64; 2]>| {
            let stripe = stripes.take();
            match sum.claimed(stripe) {
                Some(own) => own.add(0, 1),
                None => sum.add_shared(stripe, true, 0, |words| words.add(0, 1)),
            }
            stripes.give_back(stripe);
        };
        let (their_lanes, their_sum) = (Arc::clone(&stripes), Arc::clone(&sum));
        let other = thread::spawn(move || {
            add(&their_lanes, &their_sum);
            add(&their_lanes, &their_sum);
        });
        add(&stripes, &sum);
        other.join().unwrap();
        assert_eq!(sum.sum(0), 3);
    });
}
