//! The error type of the platform.
//!
//! Operators, log stores and central reports read errors without the code at hand. So an [`Error`] is complete: the code
//! that raises it builds it once, and nothing changes it afterwards. It has:
//!
//! - a message for people, and a cause;
//! - an [`ErrSpec`]: an id that outlives renames, a type, a severity;
//! - tags, and a context for machines;
//! - a unique id, by which you find this one occurrence;
//! - the time, the service and the source location where it was raised, and usually the stack.
//!
//! It is one pointer wide and cheap to clone.
//!
//! The crate holds the error type, and the specs and constructors that every application has. It has no registry of
//! errors and no `From` for foreign errors: the code that raises an error picks the spec. An error knows nothing about
//! its process; an [`ErrorReport`] adds the [`ErrorOrigin`].
//!
//! ```
//! use app_errors::{ErrorSeverity, errors};
//! use app_ids::ServiceId;
//! use serde_json::json;
//!
//! const QUOTA: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
//!
//! let err = errors::CONFIG_FAILURE
//!     .error(QUOTA)
//!     .cause("9 is below 10".parse::<u32>().unwrap_err())
//!     .message("rules[2]: burst is below permits")
//!     .context(json!({ "rule": "default" }))
//!     .tag("CONFIG")
//!     .build();
//!
//! assert_eq!(err.to_string(), "rules[2]: burst is below permits: invalid digit found in string");
//! assert!(err.is(&errors::CONFIG_FAILURE));
//! assert_eq!(err.severity(), ErrorSeverity::Fatal);
//! assert!(err.downcast_cause::<std::num::ParseIntError>().is_some());
//! assert_eq!(err.to_json()["id"], "e75f1a73534f382d");
//! ```

mod chain;
mod constructors;
mod error;
pub mod errors;
mod frame;
mod origin;
mod release;
mod report;
mod stack;
mod symbols;
mod terminal;
mod uid;

pub use constructors::{
    app_not_alive_error, config_error, health_check_already_registered_error,
    health_check_kill_timeout_error, health_check_not_alive_error, health_check_not_registered_error,
    health_check_timeout_error, illegal_argument_error, invalid_log_level_error, new_bug, new_error,
    service_already_registered_error, service_init_error, service_not_alive_error,
    service_not_available_error, service_not_registered_error, service_shutdown_error,
};
pub use error::builder::ErrorBuilder;
pub use error::record::ErrorRecord;
pub use error::spec::{ErrSpec, ErrorSeverity, ErrorType, ServiceErrSpec};
pub use error::{BoxError, Error, is_error};
pub use frame::Frame;
pub use origin::ErrorOrigin;
pub use report::ErrorReport;
pub use stack::{Stack, outermost};
pub use symbols::{FramesAt, frames_at};
pub use terminal::{Hostile, is_hostile, json_text, many_lines, one_line};
pub use uid::ErrorUid;

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
