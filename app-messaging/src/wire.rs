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
mod retry;
#[cfg(test)]
mod tests;

pub use self::dead::DeadLetterHeaders;
pub(crate) use self::dead::{Letter, dead_letter_headers};
pub(crate) use self::envelope::{Envelope, id_of, is_good_id, random_id, sent_at_of, source_of};
pub use self::envelope::{MAX_ID_BYTES, Source};
pub use self::headers::Headers;
pub(crate) use self::headers::{OFTEN, names as header};
pub use self::key::{KeyHash, MessageKey};
pub(crate) use self::names::{
    PARTITIONS, consumer_name, dead_letter_id, dead_stream, dead_subject, dedup_id, filter, hex_of,
    is_consumer_name, partition_filter, partition_name, replay_stream, replay_subject, retry_stream,
    retry_subject, stream_name, subject, text_of,
};
pub use self::names::{Subject, bucket_name};
pub(crate) use self::payload::{Limits, pack, payload_json};
pub use self::payload::{Payload, PayloadError};
pub(crate) use self::retry::{Origin, RetryOf, replay_headers, retry_headers};
