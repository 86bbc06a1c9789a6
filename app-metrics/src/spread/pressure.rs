//! How much threads that add to one sum are in each other's way.

use crate::sync::{AtomicU16, Ordering};

/// What a collision adds; an addition that watched and did not collide takes one away.
///
/// So a sum grows when more than one addition in so many collides, and not for threads that meet once in a while.
const COLLISION: u16 = 256;

/// When the sum should grow.
const TOO_MUCH: u16 = 4 * COLLISION;

/// Collisions of late. None at first.
#[derive(Debug)]
pub(crate) struct Pressure(AtomicU16);

impl Pressure {
    pub(crate) fn new() -> Self {
        Self(AtomicU16::new(0))
    }

    /// Notes an addition that watched: whether nobody else was seen adding meanwhile. Gives whether it is too much now. Threads that
    /// note at the same time may lose a note.
    #[inline]
    pub(crate) fn note(&self, alone: bool) -> bool {
        let pressure = self.0.load(Ordering::Relaxed);
        if !alone {
            self.0.store(pressure.saturating_add(COLLISION), Ordering::Relaxed);
        } else if pressure > 0 {
            self.0.store(pressure - 1, Ordering::Relaxed);
        }
        !alone && pressure >= TOO_MUCH - COLLISION
    }
}
