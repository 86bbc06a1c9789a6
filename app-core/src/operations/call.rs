//! A call of an operation: who calls it, with which arguments, and for how long.

use std::time::Duration;

use app_ids::ServiceId;
use serde_json::Value;

use super::OperationRole;

/// How long a call may take that sets no deadline.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// The longest deadline of a call. What takes longer is a job.
pub const MAX_DEADLINE: Duration = Duration::from_secs(600);

/// The longest reason, in bytes.
pub const MAX_REASON_BYTES: usize = 1024;

/// The longest request id, in bytes.
pub const MAX_REQUEST_ID_BYTES: usize = 128;

/// Who calls an operation, and why. It is also a parameter of an operation's function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The names of the caller, such as those in its certificate.
    pub names: Vec<String>,
    /// The role of the caller.
    pub role: OperationRole,
    /// Why the caller makes the call. May be empty if the operation only reads.
    pub reason: String,
}

impl Caller {
    /// A caller with one name.
    ///
    /// ```
    /// use app_core::operations::{Caller, OperationRole};
    ///
    /// let caller = Caller::new("oncall.example.com", OperationRole::Operate, "ticket 71");
    /// assert_eq!(caller.names, ["oncall.example.com"]);
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, role: OperationRole, reason: impl Into<String>) -> Self {
        Self { names: vec![name.into()], role, reason: reason.into() }
    }
}

/// A call of an operation, for [`App::call_operation`](crate::App::call_operation).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OperationCall {
    /// The service that offers the operation. [`APP_SERVICE`](crate::APP_SERVICE) is the application itself.
    pub service: ServiceId,
    /// The name of the operation.
    pub name: String,
    /// The arguments: an object. `null` means no arguments.
    pub arguments: Value,
    /// Who makes the call.
    pub caller: Caller,
    /// Makes a repeated call answer with the result of the first one: 1 to [`MAX_REQUEST_ID_BYTES`] of printable ASCII. The
    /// process keeps the last 256 results. Another call under the same id is an error. A call with a request id that changes
    /// something goes on for two seconds after its caller is gone, so that a retry finds it.
    pub request_id: Option<String>,
    /// Whether the caller confirms that something may be destroyed.
    pub confirmed: bool,
    /// How long the call may take, up to [`MAX_DEADLINE`]. A job has no deadline.
    pub deadline: Duration,
}

impl OperationCall {
    /// A call without a request id, not confirmed, with the [`DEFAULT_DEADLINE`].
    #[must_use]
    pub fn new(service: ServiceId, name: impl Into<String>, arguments: Value, caller: Caller) -> Self {
        Self {
            service,
            name: name.into(),
            arguments,
            caller,
            request_id: None,
            confirmed: false,
            deadline: DEFAULT_DEADLINE,
        }
    }

    /// Sets the request id.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// Confirms that something may be destroyed.
    #[must_use]
    pub fn confirmed(mut self, confirmed: bool) -> Self {
        self.confirmed = confirmed;
        self
    }

    /// Sets how long the call may take.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What is wrong with the request id, if anything.
    pub(crate) fn wrong_request_id(&self) -> Option<String> {
        let id = self.request_id.as_deref()?;
        let printable = id.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
        if id.is_empty() {
            Some("requestId: is empty; give 1 to 128 characters, or none".to_owned())
        } else if id.len() > MAX_REQUEST_ID_BYTES {
            Some(format!("requestId: has {} bytes; give at most {MAX_REQUEST_ID_BYTES}", id.len()))
        } else if !printable {
            Some("requestId: has a character that is not printable ASCII; use letters and digits".to_owned())
        } else {
            None
        }
    }
}
