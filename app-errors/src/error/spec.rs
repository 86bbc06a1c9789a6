//! Error specs: the id, type and severity that errors of one kind share.

use std::fmt;

use app_ids::{ErrorId, ServiceId};
use serde::{Deserialize, Serialize};

/// The type of an error: whether the code foresaw it. The numbers are part of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[non_exhaustive]
pub enum ErrorType {
    /// Unexpected, or without a spec of its own so far.
    Bug = 0,
    /// Expected: a broken connection, an I/O error, a service that is not available.
    KnownEdgeCase = 1,
    /// A config is missing or wrong.
    Config = 2,
}

impl ErrorType {
    /// The number on the wire.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }
}

/// The name in JSON: `bug`, `known_edge_case` or `config`.
impl fmt::Display for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bug => "bug",
            Self::KnownEdgeCase => "known_edge_case",
            Self::Config => "config",
        })
    }
}

/// How bad an error is. Ordered, [`Low`](Self::Low) first. The numbers are part of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[non_exhaustive]
pub enum ErrorSeverity {
    /// Has no consequence by itself.
    Low = 0,
    /// An operator should look at it, but not at once.
    Medium = 1,
    /// A request or a task failed.
    High = 2,
    /// The application cannot continue, and stops.
    Fatal = 3,
}

impl ErrorSeverity {
    /// The number on the wire.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }
}

/// The name in JSON: `low`, `medium`, `high` or `fatal`.
impl fmt::Display for ErrorSeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Fatal => "fatal",
        })
    }
}

/// What errors of one kind share: id, type, severity, and whether raising one captures the stack.
///
/// ```
/// use app_errors::{ErrSpec, ErrorSeverity, ErrorType};
/// use app_ids::{ErrorId, ServiceId};
///
/// const OUT_OF_STOCK: ErrSpec =
///     ErrSpec::new(ErrorId::new(0xa3b8_11c4_7e29_d05f), ErrorType::KnownEdgeCase, ErrorSeverity::Low).without_stack();
///
/// let err = OUT_OF_STOCK.error(ServiceId::new(0xce1f_32c6_80e1_ef0b)).message("no permits left").build();
/// assert!(err.is(&OUT_OF_STOCK) && err.stack().is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ErrSpec {
    /// The id. Two specs with the same id are the same error.
    pub id: ErrorId,
    /// Whether the code foresaw the error.
    pub error_type: ErrorType,
    /// How bad the error is.
    pub severity: ErrorSeverity,
    /// Whether raising the error captures the stack. File and line are always captured.
    pub captures_stack: bool,
}

impl ErrSpec {
    /// A spec whose errors capture the stack.
    #[must_use]
    pub const fn new(id: ErrorId, error_type: ErrorType, severity: ErrorSeverity) -> Self {
        Self { id, error_type, severity, captures_stack: true }
    }

    /// The same spec without a stack. Use it for an error that is raised often, that input from outside can raise, or
    /// whose stack is always the same.
    #[must_use]
    pub const fn without_stack(self) -> Self {
        Self { captures_stack: false, ..self }
    }
}

/// An error spec with the service that raises the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ServiceErrSpec {
    /// The error spec.
    pub spec: ErrSpec,
    /// The service that raises the error.
    pub service: ServiceId,
}

impl ServiceErrSpec {
    /// Pairs a spec with a service.
    #[must_use]
    pub const fn new(spec: ErrSpec, service: ServiceId) -> Self {
        Self { spec, service }
    }
}

#[cfg(test)]
mod tests;
