//! Durable consumers: every message is handled by one instance, at least once.
//!
//! Invariants, referred to by number:
//!
//! 1. A message is acknowledged only after its handler ended well, or its dead letter was stored.
//! 2. An attempt counts when a handler began and ended. What was handed back, or was cut off by a crash, is no attempt.
//! 3. No more is asked for than there are free slots, so no ack wait runs for a message that waits in this process for a slot.
//! 4. A message that was delivered more than twice without a known end runs alone. If it aborts the process, it takes none along.
//! 5. After the service is killed nothing begins. What came and did not begin is handed back at once.

mod attempts;
mod builder;
mod delivery;
mod lanes;
mod outcome;
mod pauses;
mod received;
mod retry;
mod running;
#[cfg(test)]
mod tests;

pub use self::builder::ConsumerBuilder;
pub use self::outcome::Outcome;
pub(crate) use self::pauses::Consumers;
pub use self::received::{Consumed, OneOf2, OneOf3, OneOf4, RawMessage};
pub use self::retry::Retry;
