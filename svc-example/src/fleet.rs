//! Rules that the whole fleet shares: chunks of permits, leased from a bucket by compare-and-set.
//!
//! The state is in one task, which takes calls one after another. It waits for no answer of the servers: those waits are futures
//! that it drives. So no lock is held, and a call that is dropped early leaves nothing half done.
//!
//! Invariants:
//!
//! 1. **The bound.** In any time T, all instances together grant at most burst + rate × (T + L + S) of a key. A bucket counts by the
//!    wall clocks of the instances, which are at most S ([`SKEW`]) apart, or lease nothing. A chunk is spent within L ([`LIFE`]) on the
//!    monotonic clock of its holder, counted from before it was asked for.
//! 2. An unanswered compare-and-set counts as spent. Permits are given back once, and only onto the value that leased them.
//! 3. A key has one exchange with the servers at a time. There are at most [`MAX_EXCHANGES`], and [`MAX_WAITING`] calls wait.
//! 4. A call is answered within [`PATIENCE`]. Later it is treated as if the servers were away.

mod clock;
mod handle;
mod held;
mod keys;
mod lease;
mod share;
mod shared;
mod task;
#[cfg(test)]
mod tests;

pub use self::clock::SKEW;
pub(crate) use self::clock::WallClock;
pub(crate) use self::handle::{Fleet, FleetRule};
pub use self::lease::LIFE;
