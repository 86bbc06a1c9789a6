//! The errors that every application has. Their ids, types and severities are part of the wire format and never change.
//!
//! An error captures no stack for one of four reasons:
//!
//! - It is an ordinary answer, which callers may get thousands of times a second: something is not alive, not registered
//!   or not available.
//! - Input from outside raises it (an illegal argument). Clients must not be able to make a server walk stacks.
//! - A timer raises it, and that stack is always the same.
//! - It tells an operator what is wrong with a config or a start. Only the stack of a cause helps there, and it is shown.
//!
//! The source location is always kept.

use app_ids::{ErrorId, IdKind, IdName};

use crate::ErrSpec;
use crate::ErrorSeverity::{Fatal, High, Low, Medium};
use crate::ErrorType::{Bug, Config, KnownEdgeCase};

/// Declares the specs, records their names, and lists them in `ALL`.
macro_rules! specs {
    ($($(#[$doc:meta])* $spec:ident = $id:literal, $name:literal, $error_type:ident, $severity:ident $(, $stack:ident)?;)+) => {
        $(
            $(#[$doc])*
            pub const $spec: ErrSpec = ErrSpec::new(ErrorId::new($id), $error_type, $severity)$(.$stack())?;

            app_ids::__inventory::submit! { IdName::new(IdKind::Error, $id, $name) }
        )+

        /// All errors of this module.
        pub const ALL: &[ErrSpec] = &[$($spec),+];
    };
}

specs! {
    /// An unexpected error. Its id is zero.
    BUG = 0x0, "Bug", Bug, High;
    /// The application was killed and accepts no more work.
    APP_NOT_ALIVE = 0xdf76_e192_7f24_0401, "AppNotAlive", KnownEdgeCase, Fatal, without_stack;
    /// A config is unreadable, malformed or refused.
    CONFIG_FAILURE = 0xe75f_1a73_534f_382d, "ConfigFailure", Config, Fatal, without_stack;
    /// A service could not be started.
    SERVICE_INIT_FAILED = 0xec1b_f261_05c1_a895, "ServiceInitFailed", KnownEdgeCase, Fatal, without_stack;
    /// A service failed while it stopped.
    SERVICE_SHUTDOWN_FAILED = 0xc24a_c892_db47_da9f, "ServiceShutdownFailed", KnownEdgeCase, Medium;
    /// The service was killed or has failed.
    SERVICE_NOT_ALIVE = 0x9cb3_a496_d328_94d2, "ServiceNotAlive", KnownEdgeCase, High, without_stack;
    /// No service has this id.
    SERVICE_NOT_REGISTERED = 0xf34b_64ba_c786_f536, "ServiceNotRegistered", KnownEdgeCase, High, without_stack;
    /// The service exists, but cannot be used at the moment.
    SERVICE_NOT_AVAILABLE = 0x8aae_12f3_016b_7f50, "ServiceNotAvailable", KnownEdgeCase, High, without_stack;
    /// A service with this id already exists.
    SERVICE_ALREADY_REGISTERED = 0xcfd8_79a4_78f9_c733, "ServiceAlreadyRegistered", KnownEdgeCase, High;
    /// An argument of a call is not valid.
    ILLEGAL_ARGUMENT = 0x9d95_c5fa_c078_b82c, "IllegalArgument", KnownEdgeCase, High, without_stack;
    /// A text does not name a log level.
    INVALID_LOG_LEVEL = 0x814a_1766_6a94_fe39, "InvalidLogLevel", Config, High;
    /// A health check with this id already exists.
    HEALTH_CHECK_ALREADY_REGISTERED = 0xdbfd_6d9a_b004_9876, "HealthCheckAlreadyRegistered", KnownEdgeCase, Medium;
    /// No health check has this id.
    HEALTH_CHECK_NOT_REGISTERED = 0xefb3_ffdd_ac69_0f37, "HealthCheckNotRegistered", KnownEdgeCase, Low, without_stack;
    /// The health check is paused or was removed.
    HEALTH_CHECK_NOT_ALIVE = 0xe197_2916_f1c1_8dae, "HealthCheckNotAlive", KnownEdgeCase, High, without_stack;
    /// A health check did not end in time after it was cancelled.
    HEALTH_CHECK_KILL_TIMEOUT = 0xf4ad_6052_397f_6858, "HealthCheckKillTimeout", KnownEdgeCase, High, without_stack;
    /// A health check did not answer in time.
    HEALTH_CHECK_TIMEOUT = 0x8257_a572_526e_13f4, "HealthCheckTimeout", KnownEdgeCase, High, without_stack;
}

#[cfg(test)]
mod tests;
