//! Durable consumers: every message is handled by one instance, at least once.
//!
//! Invariants, referred to by number:
//!
//! 1. A message is acknowledged only after its handler ended well, or its dead letter or its retry was stored.
//! 2. An attempt counts when a handler began and ended. What was handed back is no attempt. A crash is one only for a message that
//!    ran alone. Every instance of the fleet knows the count.
//! 3. A stream is asked for no more than there are free slots. Of retries and replays one each may wait. For all that has arrived and
//!    waits to begin, such as behind a message that runs alone, signs of life are sent.
//! 4. A message that was delivered more than twice without a known end runs alone. If it aborts the process, it takes none along.
//! 5. After the service is killed nothing begins. What came and did not begin is handed back at once.
//! 6. Where order counts, a handler without a confirmed sign of life inside of the ack wait is cancelled, and settles nothing.
//! 7. A message is worked on once at a time in this instance, however often it is delivered.

mod attempts;
mod builder;
mod delivery;
mod feed;
mod intake;
mod lanes;
mod letters;
mod members;
mod operators;
mod outcome;
mod pauses;
mod received;
mod retry;
mod running;
#[cfg(test)]
mod tests;
mod work;

pub(crate) use self::attempts::bucket as attempts_bucket;
pub use self::builder::ConsumerBuilder;
pub(crate) use self::feed::waiting_streams;
pub(crate) use self::members::{Consumers, Member};
pub(crate) use self::operators::{bucket as pauses_bucket, decide as decide_pause, follow as follow_pauses};
pub use self::outcome::Outcome;
pub use self::received::{Consumed, OneOf2, OneOf3, OneOf4, RawMessage};
pub use self::retry::Retry;
