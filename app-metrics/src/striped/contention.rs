//! How much threads that add to one sum are in each other's way.

use crate::sync::{AtomicU16, Ordering};

/// What a collision adds; an addition that watched and did not collide takes one away.
///
/// So a sum grows when more than one addition in so many collides, and not for threads that meet once in a while.
const COLLISION: u16 = 32;

/// When the sum should grow.
const TOO_MUCH: u16 = 4 * COLLISION;

/// Collisions of late. None at first.
#[derive(Debug)]
pub(crate) struct Contention(AtomicU16);

impl Contention {
    pub(crate) fn new() -> Self {
        Self(AtomicU16::new(0))
    }

    /// Notes an addition that watched: whether nobody else was seen adding meanwhile. Gives whether it is too much now.
    ///
    /// No collision is lost: threads that collide are likely to note it at the same time.
    #[inline]
    pub(crate) fn note(&self, alone: bool) -> bool {
        if !alone {
            return self.0.fetch_add(COLLISION, Ordering::Relaxed) >= TOO_MUCH - COLLISION;
        }
        let contention = self.0.load(Ordering::Relaxed);
        if contention > 0 {
            // When this fails somebody else has noted something, which is as good.
            let less = contention - 1;
            let _ = self.0.compare_exchange(contention, less, Ordering::Relaxed, Ordering::Relaxed);
        }
        false
    }
}
