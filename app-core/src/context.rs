//! `?` on errors of other crates: what was tried, and the error as the cause.

use app_errors::{BoxError, Error, errors};
use app_ids::ServiceId;

use crate::service::current_service_id;

/// Turns any error into an [`Error`] that says what was tried, so that start functions and tasks can use `?`.
///
/// - The error of another crate becomes the cause of a [`BUG`](errors::BUG), which means an error without a spec of its own. It
///   is raised in the name of the service whose task the caller is. If callers tell errors apart, use an
///   [`ErrSpec`](app_errors::ErrSpec) instead.
/// - An [`Error`] keeps its spec and its service, and becomes the cause.
///
/// ```
/// use app_core::{prelude::*, testing::TestApp};
///
/// const READER: ServiceId = ServiceId::new(0x77c2_08da_5b1e_9360);
/// app_core::service! { id: READER, name: "reader", start: start }
///
/// async fn start() -> Result<(), Error> {
///     let version = std::fs::read_to_string("/proc/version").context("read the version of the kernel")?;
///     let first = version.split(' ').next().context("the version is empty")?;
///     assert_eq!(first, "Linux");
///     let wrong = "many".parse::<u16>().with_context(|| format!("parse {first:?}")).unwrap_err();
///     assert_eq!(wrong.to_string(), r#"parse "Linux": invalid digit found in string"#);
///     assert_eq!(wrong.service(), READER);
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() { TestApp::with([READER]).await.stop().await.expect_clean(); }
/// ```
pub trait ErrorContext<T> {
    /// The value, or an error with this message and the error as its cause.
    ///
    /// # Errors
    /// As said above.
    #[track_caller]
    fn context(self, message: impl Into<String>) -> Result<T, Error>;

    /// As [`context`](Self::context), with a message that is made only for an error.
    ///
    /// # Errors
    /// As said above.
    #[track_caller]
    fn with_context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T, Error>;
}

impl<T, E: Into<BoxError>> ErrorContext<T> for Result<T, E> {
    #[track_caller]
    fn context(self, message: impl Into<String>) -> Result<T, Error> {
        match self {
            Ok(value) => Ok(value),
            Err(cause) => Err(explained(cause.into(), message.into())),
        }
    }

    #[track_caller]
    fn with_context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T, Error> {
        match self {
            Ok(value) => Ok(value),
            Err(cause) => Err(explained(cause.into(), message().into())),
        }
    }
}

impl<T> ErrorContext<T> for Option<T> {
    #[track_caller]
    fn context(self, message: impl Into<String>) -> Result<T, Error> {
        match self {
            Some(value) => Ok(value),
            None => Err(errors::BUG.error(caller()).message(message).build()),
        }
    }

    #[track_caller]
    fn with_context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T, Error> {
        match self {
            Some(value) => Ok(value),
            None => Err(errors::BUG.error(caller()).message(message()).build()),
        }
    }
}

#[track_caller]
fn explained(cause: BoxError, message: String) -> Error {
    match cause.downcast::<Error>() {
        // The stack is that of the cause.
        Ok(cause) => {
            cause.spec().without_stack().error(cause.service()).message(message).cause(cause).build()
        }
        Err(cause) => errors::BUG.error(caller()).message(message).cause(cause).build(),
    }
}

/// The service that the caller is a task of; zero, the application, if there is none.
fn caller() -> ServiceId {
    current_service_id().unwrap_or(crate::APP_SERVICE)
}

#[cfg(test)]
mod tests {
    use app_errors::ErrorSeverity;

    use super::*;

    #[test]
    fn an_error_of_the_platform_keeps_its_spec_and_its_service() {
        let cause = errors::CONFIG_FAILURE.error(ServiceId::new(7)).message("no rules").build();
        let error = Err::<(), _>(cause).context("read the config").unwrap_err();
        assert!(error.is(&errors::CONFIG_FAILURE) && error.stack().is_none());
        assert_eq!((error.service(), error.severity()), (ServiceId::new(7), ErrorSeverity::Fatal));
        assert_eq!(error.to_string(), "read the config: no rules");
    }

    #[test]
    fn an_error_of_another_crate_is_the_cause_of_one_without_a_spec() {
        let error = "x".parse::<u8>().context("parse x").unwrap_err();
        assert!(error.is(&errors::BUG) && error.downcast_cause::<std::num::ParseIntError>().is_some());
        assert_eq!(error.service(), crate::APP_SERVICE, "outside of any task");
        assert!(error.location().file().ends_with("context.rs"));
        let none = None::<()>.context("it is gone").unwrap_err();
        assert_eq!(none.to_string(), "it is gone");
    }
}
