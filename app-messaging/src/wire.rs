//! The form of messages on the wire: subjects, headers, payloads, and the names of streams, consumers and buckets.
//!
//! Programs that are built elsewhere join in by this form, so it is a contract. This module is pure: it knows no transport, no
//! clock and no service. Bytes from outside are judged here, within limits, before memory is allocated for them.

mod dead;
mod envelope;
mod headers;
mod key;
mod names;
mod payload;
#[cfg(test)]
mod tests;

pub use self::dead::DeadLetterHeaders;
pub(crate) use self::dead::{Letter, dead_letter_headers};
pub(crate) use self::envelope::{Envelope, is_good_id, random_id};
pub use self::envelope::{MAX_ID_BYTES, Source};
pub use self::headers::Headers;
pub(crate) use self::headers::names as header;
pub use self::key::{KeyHash, MessageKey};
pub use self::names::{Subject, bucket_name};
pub(crate) use self::names::{
    consumer_name, dead_letter_id, dead_stream, dead_subject, dedup_id, filter, is_consumer_name,
    stream_name, subject,
};
#[cfg(test)]
use self::names::{replay_stream, replay_subject};
pub(crate) use self::payload::{Limits, pack};
pub use self::payload::{Payload, PayloadError};
