//! The error value, and searches in its chain of causes.

pub(crate) mod builder;
mod json;
mod print;
pub(crate) mod record;
mod remote;
pub(crate) mod spec;

use std::error::Error as StdError;
use std::panic::Location;
use std::sync::Arc;
use std::time::SystemTime;

use app_ids::{ErrorId, ServiceId};
use serde_json::Value;

use self::remote::{PublicPart, RemoteFacts};
use self::spec::{ErrSpec, ErrorSeverity, ErrorType};
use crate::chain::Cause;
use crate::origin::ErrorOrigin;
use crate::{ErrorUid, Stack, chain, release};

/// An owned error that may cross threads. [`ErrorBuilder::cause`](crate::ErrorBuilder::cause) takes one.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// An error that happened. Immutable, one pointer wide, cheap to clone.
///
/// - [`Display`](std::fmt::Display), `{}`: one line for people, with the causes after colons. Control characters are
///   escaped, so an error is never two lines and never moves a terminal's cursor.
/// - `{:#}`: the same, and in brackets the spec, the service, the tags, the unique id and the source location.
/// - [`Debug`](std::fmt::Debug): the same as `{:#}`, and the stack, one line for each frame.
/// - [`to_json`](Self::to_json): everything.
///
/// Chains of causes may be long: dropping and printing do not recurse, and printing stops after 32 texts.
#[derive(Clone)]
pub struct Error(Arc<ErrorData>);

#[derive(Clone)]
pub(crate) struct ErrorData {
    pub(crate) spec: ErrSpec,
    pub(crate) service: ServiceId,
    pub(crate) message: String,
    /// Shared, so that [`Error::with_tag`] can copy the rest.
    pub(crate) cause: Option<Cause>,
    /// Sorted, without duplicates.
    pub(crate) tags: Vec<String>,
    pub(crate) context: Option<Arc<Value>>,
    pub(crate) uid: ErrorUid,
    pub(crate) time: SystemTime,
    pub(crate) location: &'static Location<'static>,
    pub(crate) stack: Option<Stack>,
    /// The part of the context that may go to other processes.
    pub(crate) public: PublicPart,
    /// Set if another process raised the error.
    pub(crate) remote: Option<Arc<RemoteFacts>>,
}

impl Drop for ErrorData {
    fn drop(&mut self) {
        if let Some(cause) = self.cause.take() {
            release::release(cause);
        }
    }
}

impl Error {
    pub(crate) fn from_data(data: ErrorData) -> Self {
        Self(Arc::new(data))
    }

    /// The spec: id, type and severity.
    #[must_use]
    pub fn spec(&self) -> &ErrSpec {
        &self.0.spec
    }

    /// The id of the spec.
    #[must_use]
    pub fn id(&self) -> ErrorId {
        self.0.spec.id
    }

    /// The type of the spec.
    #[must_use]
    pub fn error_type(&self) -> ErrorType {
        self.0.spec.error_type
    }

    /// The severity of the spec.
    #[must_use]
    pub fn severity(&self) -> ErrorSeverity {
        self.0.spec.severity
    }

    /// The message as the builder got it, possibly empty. To show an error to people, use
    /// [`Display`](std::fmt::Display).
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The cause, if the builder got one.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.cause.as_deref()
    }

    /// The first cause of type `T`. The search begins with the direct cause.
    #[must_use]
    pub fn downcast_cause<T: StdError + 'static>(&self) -> Option<&T> {
        self.chain().skip(1).find_map(chain::downcast)
    }

    /// This error, its cause, the cause of that, and so on.
    pub fn chain(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        chain::chain(self)
    }

    /// The stack to print: that of this error, or of the first cause that has one.
    fn nearest_stack(&self) -> Option<&Stack> {
        self.chain().filter_map(chain::downcast::<Self>).find_map(Self::stack)
    }

    /// Whether this error has the id of `spec`.
    #[must_use]
    pub fn is(&self, spec: &ErrSpec) -> bool {
        self.id() == spec.id
    }

    /// Whether this error or any of its causes has the id of `spec`.
    #[must_use]
    pub fn chain_has(&self, spec: &ErrSpec) -> bool {
        self.chain().filter_map(chain::downcast::<Self>).any(|error| error.is(spec))
    }

    /// The tags, sorted and without duplicates.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.0.tags
    }

    /// A copy with one more tag. The unique id stays: the copy is the same occurrence.
    #[must_use]
    pub fn with_tag(&self, tag: impl Into<String>) -> Self {
        let tag = tag.into();
        match self.0.tags.binary_search(&tag) {
            Ok(_) => self.clone(),
            Err(position) => {
                let mut data = ErrorData::clone(&self.0);
                data.tags.insert(position, tag);
                Self::from_data(data)
            }
        }
    }

    /// The values for machines, if the builder got any.
    #[must_use]
    pub fn context(&self) -> Option<&Value> {
        self.0.context.as_deref()
    }

    /// The unique id of this occurrence. Clones share it.
    #[must_use]
    pub fn uid(&self) -> ErrorUid {
        self.0.uid
    }

    /// When the error was raised.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.0.time
    }

    /// The service that raised the error. Zero stands for the application.
    #[must_use]
    pub fn service(&self) -> ServiceId {
        self.0.service
    }

    /// The stack at which the error was raised. `None` if the spec captures no stack.
    #[must_use]
    pub fn stack(&self) -> Option<&Stack> {
        self.0.stack.as_ref()
    }

    /// Whether another process raised the error, so that all it says is what that process claims: see [`ErrorRecord`](crate::ErrorRecord).
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.0.remote.is_some()
    }

    /// The other process that raised the error, if it told.
    #[must_use]
    pub fn origin(&self) -> Option<&ErrorOrigin> {
        self.remote()?.origin.as_ref()
    }

    pub(crate) fn remote(&self) -> Option<&RemoteFacts> {
        self.0.remote.as_deref()
    }

    pub(crate) fn public_part(&self) -> &PublicPart {
        &self.0.public
    }

    /// The source location where the error was raised, or received if it [is remote](Self::is_remote). Every error has one.
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

/// Whether `err` is an [`Error`] with this id. Causes are not searched: see [`Error::chain_has`].
#[must_use]
pub fn is_error(err: &(dyn StdError + 'static), id: ErrorId) -> bool {
    err.downcast_ref::<Error>().is_some_and(|error| error.id() == id)
}

#[cfg(test)]
mod tests;
