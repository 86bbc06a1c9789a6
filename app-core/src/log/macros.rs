//! The macros of slog with a check of the level in front. A record that is not written only costs this check, and none of
//! its values is evaluated.

/// Whether records of this level are written.
#[doc(hidden)]
#[inline]
pub fn is_enabled(logger: &slog::Logger, level: slog::Level) -> bool {
    slog::Drain::is_enabled(logger, level)
}

/// [`slog::debug!`], whose values are evaluated only if the level is enabled.
///
/// ```
/// # use app_core::prelude::*;
/// # use app_core::{Identity, Log, LogLevel};
/// # use app_ids::{AppId, DomainId, InstanceId, ReleaseId};
/// # let identity = Identity { domain: DomainId::new(1), app: AppId::new(2), release: ReleaseId::new(3), instance: InstanceId::new(4) };
/// let (log, captured) = Log::captured(&identity, LogLevel::Info);
/// let logger = log.logger();
/// debug!(logger, "not written"; "list" => unreachable!("so not made") as &str);
/// info!(logger, "written"; "permits" => 3);
/// assert_eq!(captured.records().len(), 1);
/// ```
#[macro_export]
macro_rules! debug {
    ($logger:expr, $($record:tt)+) => {
        match &$logger {
            logger => if $crate::__private::is_enabled(logger, $crate::__private::slog::Level::Debug) {
                $crate::__private::slog::debug!(logger, $($record)+)
            }
        }
    };
}

/// [`slog::info!`], whose values are evaluated only if the level is enabled.
#[macro_export]
macro_rules! info {
    ($logger:expr, $($record:tt)+) => {
        match &$logger {
            logger => if $crate::__private::is_enabled(logger, $crate::__private::slog::Level::Info) {
                $crate::__private::slog::info!(logger, $($record)+)
            }
        }
    };
}

/// [`slog::warn!`], whose values are evaluated only if the level is enabled.
#[macro_export]
macro_rules! warn {
    ($logger:expr, $($record:tt)+) => {
        match &$logger {
            logger => if $crate::__private::is_enabled(logger, $crate::__private::slog::Level::Warning) {
                $crate::__private::slog::warn!(logger, $($record)+)
            }
        }
    };
}

/// [`slog::error!`], whose values are evaluated only if the level is enabled.
#[macro_export]
macro_rules! error {
    ($logger:expr, $($record:tt)+) => {
        match &$logger {
            logger => if $crate::__private::is_enabled(logger, $crate::__private::slog::Level::Error) {
                $crate::__private::slog::error!(logger, $($record)+)
            }
        }
    };
}
