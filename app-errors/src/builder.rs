//! From a spec to an error: what may be said about it.

use std::collections::BTreeSet;
use std::panic::Location;
use std::time::SystemTime;

use app_ids::ServiceId;
use serde_json::Value;

use crate::error::Parts;
use crate::{BoxError, ErrSpec, Error, ErrorUid, Stack};

/// An error that has been raised and is being described: [`build`](Self::build) makes it one.
///
/// Of what is set twice the last counts; tags add up.
#[must_use = "an error is made by `build`"]
pub struct ErrorBuilder {
    parts: Parts,
    tags: BTreeSet<String>,
}

impl ErrorBuilder {
    /// Raises: takes the time, the place and, if the spec wants it, the stack.
    #[track_caller]
    pub(crate) fn new(spec: ErrSpec, service: ServiceId) -> Self {
        let location = Location::caller();
        let parts = Parts {
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
        };
        Self { parts, tags: BTreeSet::new() }
    }

    /// What made it happen: an error, or a text.
    pub fn cause(mut self, cause: impl Into<BoxError>) -> Self {
        self.parts.cause = Some(cause.into().into());
        self
    }

    /// For people: names the thing, the reason and, where there is one, the cure. Without a message an error prints as
    /// its cause.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.parts.message = message.into();
        self
    }

    /// For machines: whatever helps to find out why. It ends up in logs and reports, so no secrets.
    pub fn context(mut self, context: Value) -> Self {
        self.parts.context = Some(context.into());
        self
    }

    /// A category such as `DB` or `SECURITY`.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.insert(tag.into());
        self
    }

    /// Categories; in the error they are sorted, each once.
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// The error, unchangeable from here on.
    #[must_use]
    pub fn build(mut self) -> Error {
        self.parts.tags = self.tags.into_iter().collect();
        Error::from_parts(self.parts)
    }
}
