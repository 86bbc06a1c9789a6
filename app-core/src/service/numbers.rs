//! Maps whose keys the process itself chooses.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A map with cheap hashing, for numbers that an attacker cannot choose.
pub(crate) type ByNumber<V> = HashMap<u64, V, BuildHasherDefault<FibonacciHasher>>;

/// Fibonacci hashing: a multiplication by 2^64 divided by the golden ratio.
#[derive(Default)]
pub(crate) struct FibonacciHasher(u64);

impl Hasher for FibonacciHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        // Rotated, because the upper bits are the well mixed ones and the table also uses the lower bits.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}
