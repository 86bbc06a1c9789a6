//! The error type of the platform: what happened, where and when, how bad, and which error exactly.
//!
//! An error is the one thing of an application that strangers read: operators at night, a log store, a central report.
//! So it is built with care, once, where it happens, and never changed afterwards. An [`Error`] has a message for
//! people, a cause, an [`ErrSpec`] (an id that outlives renamed code, a type, a severity), tags, a context for
//! machines, a unique id to look this very error up with, a time, the service that raised it, the place and mostly the
//! stack. It is one pointer wide and cheap to clone.
//!
//! The crate holds the type, the specs and the constructors that every application has. It holds no registry of errors
//! and no `From` for everybody's errors: whoever raises an error says which one it is. An error knows nothing of the
//! process; whoever reports it adds the [`Origin`]. The one thing that is looked up is the name of an id.
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

mod builder;
mod chain;
mod constructors;
mod error;
pub mod errors;
mod frame;
mod json;
mod print;
mod release;
mod report;
mod spec;
mod stack;
mod symbols;
mod terminal;
mod uid;

pub use builder::ErrorBuilder;
pub use constructors::{
    app_not_alive_error, config_error, health_check_already_registered_error,
    health_check_kill_timeout_error, health_check_not_alive_error, health_check_not_registered_error,
    health_check_timeout_error, illegal_argument_error, invalid_log_level_error, new_bug, new_error,
    service_already_registered_error, service_init_error, service_not_alive_error,
    service_not_available_error, service_not_registered_error, service_shutdown_error,
};
pub use error::{BoxError, Error, is_error};
pub use frame::Frame;
pub use report::{Origin, Report};
pub use spec::{ErrSpec, ErrorSeverity, ErrorType, ServiceErrSpec};
pub use stack::{Stack, outermost};
pub use symbols::{FramesAt, frames_at};
pub use terminal::{Hostile, is_hostile, json_text, many_lines, one_line};
pub use uid::ErrorUid;
