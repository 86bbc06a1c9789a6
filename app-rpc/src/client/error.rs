//! Why a call failed, and whether it may be tried again.

use std::fmt;

use app_core::prelude::Error;
use app_errors::ErrSpec;

use crate::RpcName;
use crate::errors::{RPC_FAILED, RPC_MAYBE_EXECUTED, RPC_NOT_SENT, RPC_REFUSED};
use crate::text::short;

/// What is known of a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallFailure {
    /// Nothing of it was sent. It is safe to try again.
    NotSent,
    /// It was sent, and nobody knows whether it was executed. Whether it is safe to try again is for the caller to know.
    MaybeExecuted,
    /// The server refused it, and executed nothing of it: it has too much to do, or is about to stop. It is safe to try again.
    Refused,
    /// The server executed it, and it failed; or what was answered is not what was expected.
    Failed,
}

impl CallFailure {
    /// Whether the call is known not to have been executed.
    #[must_use]
    pub const fn is_safe_to_retry(self) -> bool {
        matches!(self, Self::NotSent | Self::Refused)
    }

    fn spec(self) -> &'static ErrSpec {
        match self {
            Self::NotSent => &RPC_NOT_SENT,
            Self::MaybeExecuted => &RPC_MAYBE_EXECUTED,
            Self::Refused => &RPC_REFUSED,
            Self::Failed => &RPC_FAILED,
        }
    }
}

/// A call that failed: what is known of it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    failure: CallFailure,
    name: RpcName,
    reason: String,
}

impl CallError {
    /// The reason may be a text of the server's, and is cut after 1 KiB.
    pub(crate) fn new(failure: CallFailure, name: RpcName, reason: impl Into<String>) -> Self {
        let reason: String = reason.into();
        Self { failure, name, reason: short(&reason) }
    }

    /// What is known of the call.
    #[must_use]
    pub fn failure(&self) -> CallFailure {
        self.failure
    }

    /// The server that was called.
    #[must_use]
    pub fn name(&self) -> RpcName {
        self.name
    }

    /// Why it failed.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.failure {
            CallFailure::NotSent => "was not sent",
            CallFailure::MaybeExecuted => "has no answer, and may have been executed",
            CallFailure::Refused => "was refused, and not executed",
            CallFailure::Failed => "failed",
        };
        write!(f, "RPC call to {} {what}: {}", self.name, self.reason)
    }
}

impl std::error::Error for CallError {}

impl From<CallError> for Error {
    #[track_caller]
    fn from(failed: CallError) -> Self {
        failed.failure.spec().error(failed.name.service).message(failed.to_string()).build()
    }
}
