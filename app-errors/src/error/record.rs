//! Errors as plain data, for stores and for other processes.

use std::panic::Location;
use std::sync::Arc;
use std::time::SystemTime;

use app_ids::{ErrorId, ServiceId};
use serde_json::Value;

use super::ErrorData;
use super::remote::{CauseText, PublicPart, RemoteFacts};
use crate::chain::Cause;
use crate::{ErrSpec, Error, ErrorOrigin, ErrorSeverity, ErrorType, ErrorUid};

/// An error as plain data: what a store keeps, and what another process receives.
///
/// [`Error::record`] has everything, for a store that you own. [`Error::public_record`] has what other processes may see: no
/// stack, no source location, and only the [public part](crate::ErrorBuilder::public_context) of the context.
///
/// ```
/// use app_errors::{ErrorRecord, errors};
/// use app_ids::ServiceId;
/// use serde_json::json;
///
/// const QUOTA: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
/// let context = json!({ "rule": "default", "tenant": 7 });
/// let error = errors::ILLEGAL_ARGUMENT.error(QUOTA).message("0 permits").context(context).public_context(["rule"]).build();
///
/// let received = error.public_record().into_error();
/// assert!(received.is(&errors::ILLEGAL_ARGUMENT) && received.is_remote());
/// assert_eq!(received.context(), Some(&json!({ "rule": "default" })));
/// assert_eq!(received.uid(), error.uid());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorRecord {
    /// The id of the spec.
    pub id: ErrorId,
    /// The type of the spec.
    pub error_type: ErrorType,
    /// The severity of the spec.
    pub severity: ErrorSeverity,
    /// The service that raised the error. Zero stands for the application.
    pub service: ServiceId,
    /// The message as the builder got it, possibly empty.
    pub message: String,
    /// The texts of the causes, the direct cause first.
    pub causes: Vec<String>,
    /// The tags.
    pub tags: Vec<String>,
    /// The values for machines.
    pub context: Option<Value>,
    /// Whether all of the context may go on to other processes.
    pub context_is_public: bool,
    /// The unique id of this occurrence.
    pub uid: ErrorUid,
    /// When the error was raised.
    pub time: SystemTime,
    /// The place in the source as `file:line`; empty if it is unknown.
    pub location: String,
    /// The stack, one text for each frame, innermost first.
    pub stack: Vec<String>,
    /// The process that raised the error, if it is known.
    pub origin: Option<ErrorOrigin>,
}

impl Error {
    /// Everything about the error, as plain data. Looking up the names of the stack takes milliseconds.
    #[must_use]
    pub fn record(&self) -> ErrorRecord {
        let mut record = self.without_details();
        record.context = self.context().cloned();
        record.context_is_public = self.public_part().is_all();
        if let Some(remote) = self.remote() {
            record.location.clone_from(&remote.location);
            record.stack.clone_from(&remote.stack);
        } else {
            let location = self.location();
            record.location = format!("{}:{}", location.file(), location.line());
            let frames = self.stack().map(|stack| stack.frames().iter().map(ToString::to_string).collect());
            record.stack = frames.unwrap_or_default();
        }
        record
    }

    /// What other processes may see: no stack, no source location, and only the
    /// [public part](crate::ErrorBuilder::public_context) of the context.
    #[must_use]
    pub fn public_record(&self) -> ErrorRecord {
        let mut record = self.without_details();
        record.context = self.context().and_then(|context| self.public_part().of(context));
        record.context_is_public = true;
        record
    }

    fn without_details(&self) -> ErrorRecord {
        ErrorRecord {
            id: self.id(),
            error_type: self.error_type(),
            severity: self.remote().map_or(self.severity(), |remote| remote.severity),
            service: self.service(),
            message: self.message().to_owned(),
            causes: self.cause_texts(),
            tags: self.tags().to_vec(),
            context: None,
            context_is_public: false,
            uid: self.uid(),
            time: self.time(),
            location: String::new(),
            stack: Vec::new(),
            origin: self.origin().cloned(),
        }
    }
}

impl ErrorRecord {
    /// The error of another process, in this one. It [is remote](Error::is_remote).
    ///
    /// Its id, type, texts, tags, unique id and time are those of the record. Its causes are texts. Its severity is at most
    /// [`High`](ErrorSeverity::High): what ends another process must not end this one. Its [location](Error::location) is the
    /// place of this call.
    #[must_use]
    #[track_caller]
    pub fn into_error(self) -> Error {
        let mut tags = self.tags;
        tags.sort_unstable();
        tags.dedup();
        let remote = RemoteFacts {
            origin: self.origin,
            severity: self.severity,
            location: self.location,
            stack: self.stack,
        };
        let severity = self.severity.min(ErrorSeverity::High);
        Error::from_data(ErrorData {
            spec: ErrSpec::new(self.id, self.error_type, severity).without_stack(),
            service: self.service,
            message: self.message,
            cause: CauseText::chain(self.causes).map(|cause| Arc::new(cause) as Cause),
            tags,
            context: self.context.map(Arc::new),
            uid: self.uid,
            time: self.time,
            location: Location::caller(),
            stack: None,
            public: if self.context_is_public { PublicPart::All } else { PublicPart::Nothing },
            remote: Some(Arc::new(remote)),
        })
    }
}

#[cfg(test)]
mod tests;
