//! Lanes: no two threads have one at once, and a thread sees what the last one with its lane did.

use crate::check;
use crate::lane::Lanes;
use crate::spread::Spread;
use crate::sync::{AtomicU64, Ordering};
use loom::thread;
use std::sync::Arc;

#[test]
fn no_two_threads_have_one_lane_at_once() {
    check(|| {
        let lanes = Arc::new(Lanes::new());
        let holders: Arc<[AtomicU64; 4]> = Arc::new([0; 4].map(AtomicU64::new));
        let use_one = |lanes: &Lanes, holders: &[AtomicU64]| {
            let lane = lanes.take();
            let held = &holders[lane.index().unwrap()];
            assert_eq!(held.fetch_add(1, Ordering::Relaxed), 0, "two threads have {lane:?}");
            held.fetch_sub(1, Ordering::Relaxed);
            lanes.give_back(lane);
        };
        let (theirs, their_holders) = (Arc::clone(&lanes), Arc::clone(&holders));
        let other = thread::spawn(move || {
            use_one(&theirs, &*their_holders);
            use_one(&theirs, &*their_holders);
        });
        use_one(&lanes, &*holders);
        other.join().unwrap();
        assert!(lanes.take().number() <= 2, "what was given back is taken first");
    });
}

/// The owner adds with a load and a store: that is right only if it sees what the owner before it stored.
#[test]
fn who_gets_a_lane_owns_what_the_thread_before_it_owned_and_loses_nothing() {
    check(|| {
        let lanes = Arc::new(Lanes::new());
        let sum = Arc::new(Spread::new([0; 2].map(AtomicU64::new)));
        let add = |lanes: &Lanes, sum: &Spread<[AtomicU64; 2]>| {
            let lane = lanes.take();
            match sum.claimed(lane) {
                Some(own) => own.add(0, 1),
                None => sum.add_shared(lane, true, 0, |words| words.add(0, 1)),
            }
            lanes.give_back(lane);
        };
        let (their_lanes, their_sum) = (Arc::clone(&lanes), Arc::clone(&sum));
        let other = thread::spawn(move || {
            add(&their_lanes, &their_sum);
            add(&their_lanes, &their_sum);
        });
        add(&lanes, &sum);
        other.join().unwrap();
        assert_eq!(sum.sum(0), 3);
    });
}
