//! Error specs of this crate, and why sending and asking fail.

use std::fmt;

use app_core::prelude::{Error, ids};
use app_errors::{ErrSpec, ErrorSeverity, ErrorType};
use app_ids::ErrorId;

use crate::transport::TransportError;
use crate::types::MessageInfo;

ids! {
    NOT_SENT_ID: ErrorId = 0x9d1f_63a0_7c52_e84b, "MessageNotSent";
    MAYBE_STORED_ID: ErrorId = 0xa417_0ce9_2b86_d35f, "MessageMaybeStored";
    REFUSED_ID: ErrorId = 0xb35e_91d4_60f7_2c8a, "MessageRefused";
    TOO_LARGE_ID: ErrorId = 0xc26b_5f08_e3a1_947d, "MessageTooLarge";
    NO_STREAM_ID: ErrorId = 0xd580_27be_4c9d_1f63, "MessageNoStream";
    MALFORMED_ID: ErrorId = 0xe0c4_8a73_15fb_6d29, "MessageMalformed";
    ASK_FAILED_ID: ErrorId = 0x8b72_f41d_d069_3ae5, "MessageAskFailed";
    CONNECTION_UNUSABLE_ID: ErrorId = 0x7ae1_94c6_0d35_b82f, "MessagingConnectionUnusable";
    BUCKET_FAILED_ID: ErrorId = 0x9c83_05f2_e17b_4ad6, "BucketFailed";
    DISCOVERY_FAILED_ID: ErrorId = 0xad94_16f3_b28c_5be7, "DiscoveryFailed";
}

const fn spec(id: ErrorId, severity: ErrorSeverity) -> ErrSpec {
    ErrSpec::new(id, ErrorType::KnownEdgeCase, severity).without_stack()
}

/// A message did not leave the process. Trying again is safe.
pub const MESSAGE_NOT_SENT: ErrSpec = spec(NOT_SENT_ID, ErrorSeverity::High);

/// A message was sent, and no acknowledgement came. Trying again with the same id is safe within the duplicate window.
pub const MESSAGE_MAYBE_STORED: ErrSpec = spec(MAYBE_STORED_ID, ErrorSeverity::High);

/// The server refused a message.
pub const MESSAGE_REFUSED: ErrSpec = spec(REFUSED_ID, ErrorSeverity::High);

/// A message is larger than allowed.
pub const MESSAGE_TOO_LARGE: ErrSpec = spec(TOO_LARGE_ID, ErrorSeverity::High);

/// No stream stores a message.
pub const MESSAGE_NO_STREAM: ErrSpec = spec(NO_STREAM_ID, ErrorSeverity::High);

/// A message is not what its schema says.
pub const MESSAGE_MALFORMED: ErrSpec = spec(MALFORMED_ID, ErrorSeverity::High);

/// A request has no good answer.
pub const MESSAGE_ASK_FAILED: ErrSpec = spec(ASK_FAILED_ID, ErrorSeverity::High);

/// A call of a bucket failed.
pub const BUCKET_FAILED: ErrSpec = spec(BUCKET_FAILED_ID, ErrorSeverity::High);

/// No connection to a server can be made with the config.
pub const CONNECTION_UNUSABLE: ErrSpec =
    ErrSpec::new(CONNECTION_UNUSABLE_ID, ErrorType::Config, ErrorSeverity::High).without_stack();

/// Other instances can't be asked.
pub const DISCOVERY_FAILED: ErrSpec = spec(DISCOVERY_FAILED_ID, ErrorSeverity::High);

/// What is known about a message that was not sent well. These are all cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendFailure {
    /// It did not leave the process. It is safe to try again.
    NotSent,
    /// It was sent, and no acknowledgement came. It may be stored. It is safe to try again with the same id, within the duplicate
    /// window of the stream.
    MaybeStored,
    /// The server refused it.
    Refused,
    /// It is larger than allowed.
    TooLarge,
    /// No stream stores it.
    NoStream,
}

impl SendFailure {
    /// The word in metrics.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::MaybeStored => "maybe_stored",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::NoStream => "no_stream",
        }
    }

    const fn spec(self) -> &'static ErrSpec {
        match self {
            Self::NotSent => &MESSAGE_NOT_SENT,
            Self::MaybeStored => &MESSAGE_MAYBE_STORED,
            Self::Refused => &MESSAGE_REFUSED,
            Self::TooLarge => &MESSAGE_TOO_LARGE,
            Self::NoStream => &MESSAGE_NO_STREAM,
        }
    }
}

/// A message that was not sent well. It converts into an [`Error`], so `?` works in a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendError {
    failure: SendFailure,
    message: &'static MessageInfo,
    id: Option<String>,
    reason: String,
}

impl SendError {
    pub(crate) fn new(
        failure: SendFailure,
        message: &'static MessageInfo,
        reason: impl Into<String>,
    ) -> Self {
        Self { failure, message, id: None, reason: reason.into() }
    }

    pub(crate) fn with_id(self, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..self }
    }

    /// The error for what a transport says about a message that it was given once.
    pub(crate) fn of(error: &TransportError, message: &'static MessageInfo) -> Self {
        let failure = match error {
            TransportError::NotConnected => SendFailure::NotSent,
            TransportError::NoAnswer => SendFailure::MaybeStored,
            TransportError::NotFound(_) | TransportError::NoResponders => SendFailure::NoStream,
            TransportError::Refused(_) | TransportError::WrongRevision => SendFailure::Refused,
            TransportError::TooLarge { .. } => SendFailure::TooLarge,
        };
        Self::new(failure, message, error.to_string())
    }

    /// What is known about the message.
    #[must_use]
    pub fn failure(&self) -> SendFailure {
        self.failure
    }

    /// The id of the message, to send it again with [`Sender::send_with_id`](crate::Sender::send_with_id).
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Why it failed.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.failure {
            SendFailure::NotSent => "was not sent",
            SendFailure::MaybeStored => "has no acknowledgement, and may be stored",
            SendFailure::Refused => "was refused",
            SendFailure::TooLarge => "is too large",
            SendFailure::NoStream => "is stored by no stream",
        };
        write!(f, "message {} {what}: {}", self.message.describe(), self.reason)
    }
}

impl std::error::Error for SendError {}

impl From<SendError> for Error {
    #[track_caller]
    fn from(failed: SendError) -> Self {
        failed.failure.spec().error(failed.message.of()).message(failed.to_string()).build()
    }
}

/// Why a request has no good answer. These are all cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AskFailure {
    /// The request did not leave the process. It is safe to try again.
    NotSent,
    /// The request is larger than allowed.
    TooLarge,
    /// Nobody answers this type of request at the moment.
    NoResponder,
    /// No answer came in time. The request may have been handled.
    NoAnswer,
    /// The responder answered with this error.
    Failed(ErrorId),
    /// The answer is not what its schema says.
    Malformed,
}

impl AskFailure {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::TooLarge => "too_large",
            Self::NoResponder => "no_responder",
            Self::NoAnswer => "no_answer",
            Self::Failed(_) => "failed",
            Self::Malformed => "malformed",
        }
    }
}

/// A request without a good answer. It converts into an [`Error`], so `?` works in a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskError {
    failure: AskFailure,
    message: &'static MessageInfo,
    reason: String,
}

impl AskError {
    pub(crate) fn new(failure: AskFailure, message: &'static MessageInfo, reason: impl Into<String>) -> Self {
        Self { failure, message, reason: reason.into() }
    }

    pub(crate) fn of(error: &TransportError, message: &'static MessageInfo) -> Self {
        let failure = match error {
            TransportError::NoAnswer => AskFailure::NoAnswer,
            TransportError::NoResponders => AskFailure::NoResponder,
            TransportError::TooLarge { .. } => AskFailure::TooLarge,
            _ => AskFailure::NotSent,
        };
        Self::new(failure, message, error.to_string())
    }

    /// What is known about the request.
    #[must_use]
    pub fn failure(&self) -> AskFailure {
        self.failure
    }

    /// Why there is no good answer. It may come from the responder.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.failure {
            AskFailure::NotSent => "was not sent",
            AskFailure::TooLarge => "is too large",
            AskFailure::NoResponder => "has no responder",
            AskFailure::NoAnswer => "has no answer, and may have been handled",
            AskFailure::Failed(_) => "failed",
            AskFailure::Malformed => "has an answer that is not what its schema says",
        };
        write!(f, "request {} {what}: {}", self.message.describe(), self.reason)
    }
}

impl std::error::Error for AskError {}

impl From<AskError> for Error {
    #[track_caller]
    fn from(failed: AskError) -> Self {
        MESSAGE_ASK_FAILED.error(failed.message.of()).message(failed.to_string()).build()
    }
}
