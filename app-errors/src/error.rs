//! The error value: what it knows, and how its chain of causes is searched.

use std::error::Error as StdError;
use std::panic::Location;
use std::sync::Arc;
use std::time::SystemTime;

use app_ids::{ErrorId, ServiceId};
use serde_json::Value;

use crate::{ErrSpec, ErrorSeverity, ErrorType, ErrorUid, Stack, chain, release};

/// Any error that may cross threads, owned: what causes are given as.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Any error that may cross threads, shared: what causes are kept as, so that an error can be had with another tag.
pub(crate) type Cause = Arc<dyn StdError + Send + Sync>;

/// An error that happened. Immutable, one pointer wide, cheap to clone.
///
/// - [`Display`](std::fmt::Display), `{}`: one line for people, the causes behind colons. Control characters are
///   escaped, whoever wrote them: an error is never two lines and never moves a terminal's cursor.
/// - `{:#}`: that, and in brackets which error it is, how bad, whose, its tags, unique id and place.
/// - [`Debug`](std::fmt::Debug): that, and the stack, a line per frame.
/// - [`to_json`](Self::to_json): all of it.
///
/// Long chains are safe: dropping and printing take no stack per cause, and of a long chain the head is printed.
#[derive(Clone)]
pub struct Error(Arc<Parts>);

/// What an error knows.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) spec: ErrSpec,
    pub(crate) service: ServiceId,
    pub(crate) message: String,
    pub(crate) cause: Option<Cause>,
    /// Sorted, each once.
    pub(crate) tags: Vec<String>,
    pub(crate) context: Option<Arc<Value>>,
    pub(crate) uid: ErrorUid,
    pub(crate) time: SystemTime,
    pub(crate) location: &'static Location<'static>,
    pub(crate) stack: Option<Stack>,
}

impl Drop for Parts {
    fn drop(&mut self) {
        if let Some(cause) = self.cause.take() {
            release::release(cause);
        }
    }
}

impl Error {
    pub(crate) fn from_parts(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Which error it is, and how it is classed.
    #[must_use]
    pub fn spec(&self) -> &ErrSpec {
        &self.0.spec
    }

    /// Which error it is.
    #[must_use]
    pub fn id(&self) -> ErrorId {
        self.0.spec.id
    }

    /// What it says about the code.
    #[must_use]
    pub fn error_type(&self) -> ErrorType {
        self.0.spec.error_type
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> ErrorSeverity {
        self.0.spec.severity
    }

    /// The message as it was given, maybe empty. What people should see is [`Display`](std::fmt::Display).
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What made it happen.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    /// The nearest cause of this type: the cause, or the cause's cause, and so on.
    #[must_use]
    pub fn downcast_cause<T: StdError + 'static>(&self) -> Option<&T> {
        self.chain().skip(1).find_map(chain::downcast)
    }

    /// This error, its cause, the cause's cause, and so on.
    pub fn chain(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        chain::chain(self)
    }

    /// Its stack, or that of its nearest cause that has one: what is printed.
    pub(crate) fn nearest_stack(&self) -> Option<&Stack> {
        self.chain().filter_map(chain::downcast::<Self>).find_map(Self::stack)
    }

    /// Whether it is the error of this spec, by id.
    #[must_use]
    pub fn is(&self, spec: &ErrSpec) -> bool {
        self.id() == spec.id
    }

    /// Whether it, or any of its causes, is the error of this spec.
    #[must_use]
    pub fn chain_has(&self, spec: &ErrSpec) -> bool {
        self.chain().filter_map(chain::downcast::<Self>).any(|error| error.is(spec))
    }

    /// Its categories: sorted, each once.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.0.tags
    }

    /// The same error, one that happened once and has one unique id, with another category.
    #[must_use]
    pub fn with_tag(&self, tag: impl Into<String>) -> Self {
        let tag = tag.into();
        match self.0.tags.binary_search(&tag) {
            Ok(_) => self.clone(),
            Err(at) => {
                let mut parts = Parts::clone(&self.0);
                parts.tags.insert(at, tag);
                Self::from_parts(parts)
            }
        }
    }

    /// What machines may want to know.
    #[must_use]
    pub fn context(&self) -> Option<&Value> {
        self.0.context.as_deref()
    }

    /// The name of this very error that happened.
    #[must_use]
    pub fn uid(&self) -> ErrorUid {
        self.0.uid
    }

    /// When it was raised.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.0.time
    }

    /// The service that raised it; zero is the application.
    #[must_use]
    pub fn service(&self) -> ServiceId {
        self.0.service
    }

    /// The stack where it was raised, unless its spec does without.
    #[must_use]
    pub fn stack(&self) -> Option<&Stack> {
        self.0.stack.as_ref()
    }

    /// The place where it was raised; every error has one.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.0.location
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

/// Whether `err` is an [`Error`] with this id. False for other types, even if one of ours is their cause: for that
/// there is [`Error::chain_has`].
#[must_use]
pub fn is_error(err: &(dyn StdError + 'static), id: ErrorId) -> bool {
    err.downcast_ref::<Error>().is_some_and(|error| error.id() == id)
}

#[cfg(test)]
mod tests;
