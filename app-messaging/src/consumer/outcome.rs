//! What a handler says about a message.

use std::time::Duration;

/// What a handler says about a message. An error or a panic means: retry by the consumer's [`Retry`](crate::Retry), and a dead
/// letter after the last attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is handled.
    Done,
    /// Try it again after this time, a year at most. This has no last attempt.
    RetryAfter(Duration),
    /// It can't be handled: keep it as a dead letter, with this reason.
    DeadLetter(String),
    /// It does not need to be handled, for this reason. Nothing is kept.
    Drop(String),
}
