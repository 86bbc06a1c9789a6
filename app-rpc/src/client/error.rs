//! Why a call failed, and whether it is safe to try again.

use std::fmt;

use app_core::prelude::Error;
use app_errors::ErrSpec;

use crate::RpcName;
use crate::errors::{RPC_FAILED, RPC_MAYBE_EXECUTED, RPC_NOT_SENT, RPC_REFUSED};
use crate::text::short;

/// What is known about a call that failed. These are all cases: a caller that matches all of them has decided about each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallFailure {
    /// The call was not sent. It is safe to try again.
    NotSent,
    /// The call was sent, or was about to be, and has no answer. It may have been executed, or may still be. Only the caller can know
    /// whether it is safe to try again.
    MaybeExecuted,
    /// The server refused the call and executed nothing, because it is busy or about to stop. It is safe to try again.
    Refused,
    /// The server executed the call, and it failed or the answer is not what the schema says.
    Failed,
}

impl CallFailure {
    /// Whether it is certain that the call was not executed.
    ///
    /// ```
    /// use app_rpc::CallFailure;
    ///
    /// assert!(CallFailure::NotSent.is_safe_to_retry());
    /// assert!(!CallFailure::MaybeExecuted.is_safe_to_retry());
    /// ```
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

/// A call that failed: what is known about it, and why. It converts into an [`Error`], so `?` works in a service.
///
/// ```
/// use app_rpc::{CallError, CallFailure};
///
/// /// What an operator should look at.
/// fn explain(failed: &CallError) -> String {
///     match failed.failure() {
///         CallFailure::NotSent => format!("is {} running? {}", failed.name(), failed.reason()),
///         _ => failed.to_string(),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    failure: CallFailure,
    name: RpcName,
    reason: String,
}

impl CallError {
    /// The reason may come from the server, and is cut after 1 KiB.
    #[must_use]
    pub fn new(failure: CallFailure, name: RpcName, reason: impl Into<String>) -> Self {
        let reason: String = reason.into();
        Self { failure, name, reason: short(&reason) }
    }

    /// The error with a reason why the call was not made again.
    pub(super) fn because(self, why: &str) -> Self {
        Self::new(self.failure, self.name, format!("{}; {why}", self.reason))
    }

    /// What is known about the call.
    #[must_use]
    pub fn failure(&self) -> CallFailure {
        self.failure
    }

    /// The name of the called server.
    #[must_use]
    pub fn name(&self) -> RpcName {
        self.name
    }

    /// Why the call failed. Begins with the address of the instance, if there was a connection.
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
