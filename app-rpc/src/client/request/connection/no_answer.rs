//! Why a request has no answer.

use crate::CallFailure;

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::client::request) struct NoAnswer {
    pub(in crate::client::request) reason: String,
    /// The server said that it executed nothing.
    pub(in crate::client::request) refused: bool,
    /// No byte of the request was sent.
    pub(in crate::client::request) unsent: bool,
    /// There was no answer by the deadline.
    pub(in crate::client::request) late: bool,
}

impl NoAnswer {
    pub(in crate::client::request) fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), refused: false, unsent: false, late: false }
    }

    /// What is known about the request.
    pub(in crate::client::request) fn failure(&self) -> CallFailure {
        match self {
            Self { refused: true, .. } => CallFailure::Refused,
            Self { unsent: true, .. } => CallFailure::NotSent,
            _ => CallFailure::MaybeExecuted,
        }
    }
}
