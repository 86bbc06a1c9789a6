//! Why a call failed, and whether it is safe to try again.

use std::fmt;

use app_core::prelude::Error;
use app_errors::errors::ILLEGAL_ARGUMENT;
use app_errors::{ErrSpec, ErrorSeverity};

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
///
/// If the handler failed with an [`exception`](crate::exception()), the error keeps its id on the way:
///
/// ```
/// use app_errors::errors::ILLEGAL_ARGUMENT;
/// use app_rpc::CallError;
///
/// /// Whether the arguments were wrong, so that the same call would fail again.
/// fn is_my_fault(failed: &CallError) -> bool {
///     failed.is(&ILLEGAL_ARGUMENT)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct CallError {
    failure: CallFailure,
    name: RpcName,
    reason: String,
    error: Option<Error>,
}

impl CallError {
    /// A call to the server `name` that failed. A client makes these; make one yourself in a fake of a client. The reason may come
    /// from the server, and is cut after 1 KiB.
    ///
    /// ```
    /// use app_errors::errors::ILLEGAL_ARGUMENT;
    /// use app_ids::{AppId, DomainId, ServiceId};
    /// use app_rpc::{CallError, CallFailure, RpcName};
    ///
    /// let name = RpcName { domain: DomainId::new(1), app: AppId::new(2), service: ServiceId::new(3) };
    /// let cause = ILLEGAL_ARGUMENT.error(name.service).message("0 permits").build();
    /// let failed = CallError::new(CallFailure::Failed, name, "0 permits").with_error(cause);
    /// assert!(failed.is(&ILLEGAL_ARGUMENT));
    /// ```
    #[must_use]
    pub fn new(failure: CallFailure, name: RpcName, reason: impl Into<String>) -> Self {
        let reason: String = reason.into();
        Self { failure, name, reason: short(&reason), error: None }
    }

    /// The same with the error that the handler failed with.
    #[must_use]
    pub fn with_error(self, error: Error) -> Self {
        Self { error: Some(error), ..self }
    }

    /// The same with the error that the handler failed with, if the server told.
    pub(super) fn told(self, error: Option<Error>) -> Self {
        Self { error: error.or(self.error), ..self }
    }

    /// The error that the handler failed with, if the server told. It [is remote](Error::is_remote): the server says what it is, and
    /// its severity is at most high.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Whether the handler failed with an error of this spec.
    #[must_use]
    pub fn is(&self, spec: &ErrSpec) -> bool {
        self.error().is_some_and(|error| error.is(spec))
    }

    /// Whether the handler refused the arguments of the call. The instance works then: the same call would fail at any other one.
    pub(super) fn is_fault_of_caller(&self) -> bool {
        self.is(&ILLEGAL_ARGUMENT)
    }

    /// The error with a reason why the call was not made again.
    pub(super) fn because(self, why: &str) -> Self {
        Self::new(self.failure, self.name, format!("{}; {why}", self.reason)).told(self.error)
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
        write!(f, "RPC call to {} {what}: {}", self.name, self.reason)?;
        match &self.error {
            Some(error) => write!(f, " [error {}, uid {}]", error.id().describe(), error.uid()),
            None => Ok(()),
        }
    }
}

/// Two errors are equal if they say the same, of the same error.
impl PartialEq for CallError {
    fn eq(&self, other: &Self) -> bool {
        let of = |error: &Option<Error>| error.as_ref().map(|error| (error.id(), error.uid()));
        (self.failure, self.name, &self.reason, of(&self.error))
            == (other.failure, other.name, &other.reason, of(&other.error))
    }
}

impl Eq for CallError {}

impl std::error::Error for CallError {}

/// The error keeps the id of the [error](CallError::error) that the handler failed with, and is at most of high severity. Its cause has
/// the spec of the failure, such as [`RPC_FAILED`]. Without an error of the handler, the error itself has that spec.
///
/// ```
/// use app_core::prelude::Error;
/// use app_errors::errors::ILLEGAL_ARGUMENT;
/// use app_rpc::{CallError, errors::RPC_FAILED};
///
/// fn check(failed: CallError) {
///     let illegal = failed.is(&ILLEGAL_ARGUMENT);
///     let error = Error::from(failed);
///     assert_eq!(error.is(&ILLEGAL_ARGUMENT), illegal);
///     assert!(!illegal || error.chain_has(&RPC_FAILED));
/// }
/// ```
impl From<CallError> for Error {
    #[track_caller]
    fn from(failed: CallError) -> Self {
        let (service, text) = (failed.name.service, failed.to_string());
        let local = failed.failure.spec().error(service).message(text);
        let Some(remote) = failed.error else { return local.build() };
        let spec = ErrSpec::new(remote.id(), remote.error_type(), remote.severity().min(ErrorSeverity::High));
        // What was public there is public here, so the error can go on to another process.
        let (context, tags) = (remote.public_record().context, remote.tags().to_vec());
        let mut error = spec.without_stack().error(service).cause(local.cause(remote).build()).tags(tags);
        if let Some(context) = context {
            let keys: Vec<String> =
                context.as_object().map(|keys| keys.keys().cloned().collect()).unwrap_or_default();
            error = error.context(context).public_context(keys);
        }
        error.build()
    }
}

#[cfg(test)]
mod tests {
    use app_errors::errors::APP_NOT_ALIVE;
    use app_ids::{AppId, DomainId, ServiceId};
    use serde_json::json;

    use super::*;

    const NAME: RpcName =
        RpcName { domain: DomainId::new(1), app: AppId::new(2), service: ServiceId::new(3) };

    fn failed(error: &Error) -> CallError {
        CallError::new(CallFailure::Failed, NAME, "[::1]:5: why")
            .with_error(error.public_record().into_error())
    }

    #[test]
    fn an_error_keeps_its_id_over_any_number_of_processes() {
        let context = json!({ "rule": "x", "secret": 1 });
        let raised = ILLEGAL_ARGUMENT.error(ServiceId::new(9)).message("why").context(context).tag("T");
        let mut error = raised.public_context(["rule"]).build();
        for _ in 0..5 {
            let call = failed(&error);
            assert!(call.is(&ILLEGAL_ARGUMENT) && !call.is(&RPC_FAILED));
            error = Error::from(call);
            assert!(error.is(&ILLEGAL_ARGUMENT) && error.chain_has(&RPC_FAILED));
            assert_eq!(
                (error.context(), error.tags()),
                (Some(&json!({ "rule": "x" })), &["T".to_owned()][..])
            );
            assert!(
                error
                    .to_string()
                    .starts_with("RPC call to 1_2_3 failed: [::1]:5: why [error IllegalArgument"),
                "{error}"
            );
        }
    }

    #[test]
    fn without_an_error_of_the_handler_the_failure_gives_the_id() {
        let error = Error::from(CallError::new(CallFailure::Refused, NAME, "busy"));
        assert!(error.is(&RPC_REFUSED));
        assert_eq!(error.to_string(), "RPC call to 1_2_3 was refused, and not executed: busy");
    }

    #[test]
    fn a_server_that_dies_does_not_take_its_callers_along() {
        let fatal = APP_NOT_ALIVE.error(ServiceId::new(0)).build();
        assert_eq!(fatal.severity(), ErrorSeverity::Fatal);
        let error = Error::from(failed(&fatal));
        assert!(error.is(&APP_NOT_ALIVE));
        assert_eq!(error.severity(), ErrorSeverity::High);
        // Not even if a fake made it from an error of this process.
        let fake = CallError::new(CallFailure::Failed, NAME, "x").with_error(fatal);
        assert_eq!(Error::from(fake).severity(), ErrorSeverity::High);
    }
}
