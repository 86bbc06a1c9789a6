//! Raising an error: [`ErrSpec::error`], and the builder that takes what is known about the error.

use std::collections::BTreeSet;
use std::panic::Location;
use std::time::SystemTime;

use app_ids::ServiceId;
use serde_json::Value;

use super::remote::PublicPart;
use super::spec::{ErrSpec, ServiceErrSpec};
use super::{BoxError, Error, ErrorData};
use crate::{ErrorUid, Stack};

/// An error in the making; [`build`](Self::build) finishes it.
///
/// A setter that is called again replaces the value. Tags are added.
#[must_use = "`build` makes the error"]
pub struct ErrorBuilder {
    data: ErrorData,
    tags: BTreeSet<String>,
}

impl ErrSpec {
    /// Raises this error in the name of `service`. The time, the source location and the stack are those of this call.
    #[track_caller]
    pub fn error(&self, service: ServiceId) -> ErrorBuilder {
        ErrorBuilder::new(*self, service)
    }
}

impl ServiceErrSpec {
    /// Raises the error: see [`ErrSpec::error`].
    #[track_caller]
    pub fn error(&self) -> ErrorBuilder {
        self.spec.error(self.service)
    }
}

impl ErrorBuilder {
    /// Takes the time, the caller's location and, if the spec asks for it, the stack.
    #[track_caller]
    fn new(spec: ErrSpec, service: ServiceId) -> Self {
        let location = Location::caller();
        let data = ErrorData {
            spec,
            service,
            message: String::new(),
            cause: None,
            tags: Vec::new(),
            context: None,
            uid: ErrorUid::next(),
            time: SystemTime::now(),
            location,
            stack: spec.captures_stack.then(|| Stack::capture(location)),
            public: PublicPart::Nothing,
            remote: None,
        };
        Self { data, tags: BTreeSet::new() }
    }

    /// Sets the cause: an error or a text.
    pub fn cause(mut self, cause: impl Into<BoxError>) -> Self {
        self.data.cause = Some(cause.into().into());
        self
    }

    /// Sets the message for people: `thing: what is wrong; what to do`. Without a message, an error prints as its cause.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.data.message = message.into();
        self
    }

    /// Sets values for machines that help to find the reason. Logs and reports show them, so put no secrets in.
    pub fn context(mut self, context: Value) -> Self {
        self.data.context = Some(context.into());
        self
    }

    /// Lets other processes see these keys of the [context](Self::context), which is an object then. They see nothing else
    /// of it.
    pub fn public_context<T: Into<String>>(mut self, keys: impl IntoIterator<Item = T>) -> Self {
        self.data.public = PublicPart::Keys(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a tag: a category such as `DB` or `SECURITY`.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.insert(tag.into());
        self
    }

    /// Adds tags.
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Makes the error. It is immutable from here on.
    #[must_use]
    pub fn build(mut self) -> Error {
        self.data.tags = self.tags.into_iter().collect();
        Error::from_data(self.data)
    }
}
