//! Unique numbers: random, and made without a call to the operating system.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

/// The generator of a thread.
///
/// The generator has 64 bits of state. Keys that the thread keeps to itself are added to its numbers. So the state does not follow
/// from the numbers, and two threads whose states meet make different numbers all the same. The seeds come from the operating system.
struct Source {
    generator: fastrand::Rng,
    keys: [u64; 3],
}

impl Source {
    fn new() -> Self {
        // Its keys are random, so the hash of a known number is, too.
        let random = RandomState::new();
        Self {
            generator: fastrand::Rng::with_seed(random.hash_one(0_u8)),
            keys: [random.hash_one(1_u8), random.hash_one(2_u8), random.hash_one(3_u8)],
        }
    }

    #[inline]
    fn next(&mut self, key: usize) -> u64 {
        self.generator.u64(..) ^ self.keys[key]
    }
}

thread_local! {
    static SOURCE: RefCell<Source> = RefCell::new(Source::new());
}

#[inline]
fn with_source<T>(make: impl FnOnce(&mut Source) -> T) -> T {
    // It has no destructor, so it is there until the thread ends. No number is made while another one is being made.
    SOURCE.with_borrow_mut(make)
}

/// A number that other calls return as seldom as chance has it, here and in other processes: among 2^32 numbers, two are equal with a
/// probability of 0.4. Never zero. It takes nanoseconds, so it is for ids that are made with each request; [`random_u64`](crate::random_u64) is for those of
/// configs and code. It is a name, never a secret.
///
/// ```
/// assert_ne!(app_ids::unique_u64(), app_ids::unique_u64());
/// ```
#[must_use]
#[inline]
pub fn unique_u64() -> u64 {
    with_source(|source| {
        loop {
            let number = source.next(2);
            if number != 0 {
                return number;
            }
        }
    })
}

/// As [`unique_u64`], with 128 bits.
///
/// ```
/// assert_ne!(app_ids::unique_u128(), app_ids::unique_u128());
/// ```
#[must_use]
#[inline]
pub fn unique_u128() -> u128 {
    with_source(|source| {
        loop {
            let number = u128::from(source.next(0)) << 64 | u128::from(source.next(1));
            if number != 0 {
                return number;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_of_many_threads_differ_and_no_bit_is_fixed() {
        let made = std::thread::scope(|scope| {
            let make = || (0..10_000).map(|_| (unique_u128(), unique_u64())).collect::<Vec<_>>();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let long: HashSet<_> = made.iter().map(|(long, _)| *long).collect();
        let short: HashSet<_> = made.iter().map(|(_, short)| *short).collect();
        assert_eq!((long.len(), short.len()), (80_000, 80_000));
        for bit in 0..128 {
            let set = long.iter().filter(|number| **number >> bit & 1 == 1).count();
            assert!((35_000..45_000).contains(&set), "bit {bit} of {set} numbers");
        }
        for bit in 0..64 {
            let set = short.iter().filter(|number| **number >> bit & 1 == 1).count();
            assert!((35_000..45_000).contains(&set), "bit {bit} of {set} numbers");
        }
    }
}
