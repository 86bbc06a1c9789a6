//! Which error it is: an id, a type and a severity, known when the program is written.

use std::fmt;

use app_ids::{ErrorId, ServiceId};
use serde::{Deserialize, Serialize};

use crate::ErrorBuilder;

/// What an error says about the code that raised it. The numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ErrorType {
    /// Not foreseen, or not yet given an error of its own.
    Bug = 0,
    /// Foreseen: a broken connection, an I/O error, a service that is not available.
    KnownEdgeCase = 1,
    /// Misconfigured, or not configured.
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

/// How bad an error is; ordered, [`Low`](Self::Low) first. The numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ErrorSeverity {
    /// Of no consequence by itself.
    Low = 0,
    /// Somebody should look at it in time.
    Medium = 1,
    /// Somebody's work was not done.
    High = 2,
    /// The application can't go on, and stops.
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

/// Which error it is, how it is classed, and whether raising it captures the stack.
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
pub struct ErrSpec {
    /// The error's id: two specs with one id are the same error.
    pub id: ErrorId,
    /// What the error says about the code.
    pub error_type: ErrorType,
    /// How bad it is.
    pub severity: ErrorSeverity,
    /// Whether the stack is captured where the error is raised. The place, file and line, always is.
    pub captures_stack: bool,
}

impl ErrSpec {
    /// A spec whose errors capture the stack.
    #[must_use]
    pub const fn new(id: ErrorId, error_type: ErrorType, severity: ErrorSeverity) -> Self {
        Self { id, error_type, severity, captures_stack: true }
    }

    /// The same error without its stack: for what is raised often, or by outsiders at will, or where every stack would
    /// be the same.
    #[must_use]
    pub const fn without_stack(self) -> Self {
        Self { captures_stack: false, ..self }
    }

    /// Raises this error on behalf of `service`: the time, the caller's place and stack are those of this call.
    #[track_caller]
    pub fn error(&self, service: ServiceId) -> ErrorBuilder {
        ErrorBuilder::new(*self, service)
    }
}

/// An error of one service: for a service that always raises it in its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceErrSpec {
    /// Which error it is.
    pub spec: ErrSpec,
    /// The service that raises it.
    pub service: ServiceId,
}

impl ServiceErrSpec {
    /// This error of this service.
    #[must_use]
    pub const fn new(spec: ErrSpec, service: ServiceId) -> Self {
        Self { spec, service }
    }

    /// Raises the error: see [`ErrSpec::error`].
    #[track_caller]
    pub fn error(&self) -> ErrorBuilder {
        self.spec.error(self.service)
    }
}

#[cfg(test)]
mod tests;
