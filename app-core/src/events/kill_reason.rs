//! Why a service was killed.

use std::{borrow::Cow, fmt};

use app_errors::Error;

/// Why a service was killed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KillReason {
    /// A caller requested it, with this reason.
    Requested(Cow<'static, str>),
    /// It failed with this error.
    Failed(Error),
}

impl fmt::Display for KillReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested(reason) => f.write_str(reason),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl From<&'static str> for KillReason {
    fn from(reason: &'static str) -> Self {
        Self::Requested(reason.into())
    }
}

impl From<String> for KillReason {
    fn from(reason: String) -> Self {
        Self::Requested(reason.into())
    }
}

impl From<Error> for KillReason {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
