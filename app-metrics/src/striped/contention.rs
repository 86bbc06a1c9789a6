//! How often additions to one sum collide.

use crate::sync::{AtomicU16, Ordering};

/// What a collision adds. A sampled addition without a collision subtracts one.
///
/// So a sum grows when more than one sampled addition in 32 collides, and not when threads meet once in a while.
const COLLISION: u16 = 32;

/// The value at which the sum grows.
const TOO_MUCH: u16 = 4 * COLLISION;

/// Recent collisions. Zero at first.
#[derive(Debug)]
pub(crate) struct Contention(AtomicU16);

impl Contention {
    pub(crate) fn new() -> Self {
        Self(AtomicU16::new(0))
    }

    /// Notes a sampled addition and whether it was alone. Returns whether the sum should grow.
    ///
    /// No collision is lost, because threads that collide often note it at the same time.
    #[inline]
    pub(crate) fn note(&self, alone: bool) -> bool {
        if !alone {
            return self.0.fetch_add(COLLISION, Ordering::Relaxed) >= TOO_MUCH - COLLISION;
        }
        let contention = self.0.load(Ordering::Relaxed);
        if contention > 0 {
            // If this fails, another thread has noted something, which is as good.
            let less = contention - 1;
            let _ = self.0.compare_exchange(contention, less, Ordering::Relaxed, Ordering::Relaxed);
        }
        false
    }
}
