//! The lane of this thread: taken when it is first asked for, given back when the thread ends.

use super::{Lane, Lanes};
use crate::sync::parallelism;
use std::cell::Cell;
use std::sync::LazyLock;

static LANES: LazyLock<Lanes> = LazyLock::new(|| {
    // Asked here, since a thread that is bound to one processor is told that there is one: the first thread that counts
    // is less likely to be such a one than the first that finds another in its way.
    parallelism();
    Lanes::new()
});

thread_local! {
    /// Apart from the lease and without a destructor: reading it is one instruction, at any time of a thread's life.
    static LANE: Cell<Lane> = const { Cell::new(Lane::NONE) };
    /// How many additions to shared words do not watch before one does.
    static UNWATCHED: Cell<u8> = const { Cell::new(0) };
    static LEASE: Lease = Lease::new();
}

/// Gives the lane back at the end of the thread.
struct Lease(Lane);

impl Lease {
    fn new() -> Self {
        let lane = LANES.take();
        LANE.set(lane);
        Self(lane)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // First, so that destructors that run after this one and count do it without a lane.
        LANE.set(Lane::NONE);
        LANES.give_back(self.0);
    }
}

/// The lane of this thread, if it has one already: what the fast paths ask.
#[inline]
pub(crate) fn at_hand() -> Lane {
    LANE.get()
}

/// The lane of this thread; [`Lane::NONE`] only when the thread's own data is being destroyed.
#[inline]
pub(crate) fn current() -> Lane {
    let lane = LANE.get();
    if lane == Lane::NONE { taken() } else { lane }
}

#[cold]
fn taken() -> Lane {
    LEASE.try_with(|lease| lease.0).unwrap_or(Lane::NONE)
}

/// One in so many additions to shared words watches who else adds. A prime, so that a thread that adds to some things in
/// turn watches at each of them.
const WATCH_ONE_IN: u8 = 251;

/// Whether this thread's next addition to shared words is one that watches.
#[inline]
pub(crate) fn watches() -> bool {
    let left = UNWATCHED.get();
    UNWATCHED.set(if left == 0 { WATCH_ONE_IN - 1 } else { left - 1 });
    left == 0
}
