//! The Cap'n Proto form of an [`ErrorRecord`]: the `Error` of `errors.capnp`.
//!
//! Why here, and not beside the error type: the kernel imports that crate, and needs no Cap'n Proto.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use app_errors::{ErrorOrigin, ErrorRecord, ErrorSeverity, ErrorType, ErrorUid};
use app_ids::{AppId, DomainId, ErrorId, InstanceId, ReleaseId, ServiceId};
use app_tls::bounded;
use capnp::message::{Builder, HeapAllocator, Reader};
use capnp::{text, text_list};
use schema::errors_capnp::{self, error};

use crate::extra::MAX_ERROR_BYTES;
use crate::framing::{Decoder, encode};
use crate::limits::Limits;

/// The most texts of a list that are read or sent, and the longest texts that are sent, in bytes.
const MAX_TEXTS: usize = 32;
const SENT_CAUSES: usize = 8;
const SENT_TAGS: usize = 8;
const SENT_MESSAGE_BYTES: usize = 1024;
const SENT_TEXT_BYTES: usize = 160;
const SENT_TAG_BYTES: usize = 48;
const SENT_CONTEXT_BYTES: usize = 768;

/// Writes a record. Nothing is left out or cut.
///
/// ```
/// use app_errors::errors::ILLEGAL_ARGUMENT;
/// use schema::errors_capnp::error;
///
/// let error = ILLEGAL_ARGUMENT.error(app_ids::ServiceId::new(7)).message("0 permits").build();
/// let mut message = capnp::message::Builder::new_default();
/// app_rpc::write_error(&error.record(), message.init_root::<error::Builder<'_>>());
/// let read = app_rpc::read_error(message.get_root_as_reader()?)?;
/// assert_eq!(read, error.record());
/// # Ok::<(), capnp::Error>(())
/// ```
pub fn write_error(record: &ErrorRecord, mut to: error::Builder<'_>) {
    to.set_message(record.message.as_str());
    write_texts(&record.causes, |count| to.reborrow().init_causes(count));
    write_texts(&record.tags, |count| to.reborrow().init_tags(count));
    to.set_error_id(record.id.as_u64());
    to.set_error_type(match record.error_type {
        ErrorType::KnownEdgeCase => errors_capnp::ErrorType::KnownEdgeCase,
        ErrorType::Config => errors_capnp::ErrorType::Config,
        _ => errors_capnp::ErrorType::Bug,
    });
    to.set_severity(match record.severity {
        ErrorSeverity::Low => errors_capnp::ErrorSeverity::Low,
        ErrorSeverity::Medium => errors_capnp::ErrorSeverity::Medium,
        ErrorSeverity::Fatal => errors_capnp::ErrorSeverity::Fatal,
        _ => errors_capnp::ErrorSeverity::High,
    });
    if !record.stack.is_empty() {
        to.set_stack(record.stack.join("\n"));
    }
    if let Some(context) = &record.context {
        to.set_context(context.to_string());
    }
    to.set_uid(record.uid.as_u64());
    to.set_time(nanos(record.time));
    to.set_service_id(record.service.as_u64());
    if !record.location.is_empty() {
        to.set_location(record.location.as_str());
    }
    if let Some(origin) = &record.origin {
        to.set_domain_id(origin.domain.as_u64());
        to.set_app_id(origin.app.as_u64());
        to.set_instance_id(origin.instance.as_u64());
        to.set_release_id(origin.release.as_u64());
        to.set_pid(origin.pid);
        to.set_hostname(origin.host.as_str());
    }
}

fn write_texts<'a>(texts: &[String], init: impl FnOnce(u32) -> text_list::Builder<'a>) {
    if texts.is_empty() {
        return;
    }
    let mut list = init(u32::try_from(texts.len()).unwrap_or(u32::MAX));
    for (at, text) in (0..list.len()).zip(texts) {
        list.set(at, text);
    }
}

/// Reads a record. Lists are cut after 32 texts. A type or a severity that this release does not know counts as a bug, or as high.
///
/// The record may come from anywhere: see [`ErrorRecord::into_error`] for what an error from it may cause. Its context is not
/// [public](ErrorRecord::context_is_public).
///
/// # Errors
/// The message is malformed, a text is not UTF-8, or the context is not JSON.
pub fn read_error(from: error::Reader<'_>) -> capnp::Result<ErrorRecord> {
    let context = owned(from.get_context()?)?;
    let context = (!context.is_empty()).then(|| serde_json::from_str(&context)).transpose();
    let context = context.map_err(|error| capnp::Error::failed(format!("context: not JSON: {error}")))?;
    let origin = ErrorOrigin::new(
        DomainId::new(from.get_domain_id()),
        AppId::new(from.get_app_id()),
        ReleaseId::new(from.get_release_id()),
        InstanceId::new(from.get_instance_id()),
        from.get_pid(),
        owned(from.get_hostname()?)?,
    );
    Ok(ErrorRecord {
        id: ErrorId::new(from.get_error_id()),
        error_type: match from.get_error_type() {
            Ok(errors_capnp::ErrorType::KnownEdgeCase) => ErrorType::KnownEdgeCase,
            Ok(errors_capnp::ErrorType::Config) => ErrorType::Config,
            Ok(errors_capnp::ErrorType::Bug) | Err(_) => ErrorType::Bug,
        },
        severity: match from.get_severity() {
            Ok(errors_capnp::ErrorSeverity::Low) => ErrorSeverity::Low,
            Ok(errors_capnp::ErrorSeverity::Medium) => ErrorSeverity::Medium,
            Ok(errors_capnp::ErrorSeverity::Fatal) => ErrorSeverity::Fatal,
            Ok(errors_capnp::ErrorSeverity::High) | Err(_) => ErrorSeverity::High,
        },
        service: ServiceId::new(from.get_service_id()),
        message: owned(from.get_message()?)?,
        causes: read_texts(from.get_causes()?)?,
        tags: read_texts(from.get_tags()?)?,
        context,
        context_is_public: false,
        uid: ErrorUid::from_u64(from.get_uid()),
        time: time(from.get_time()),
        location: owned(from.get_location()?)?,
        stack: owned(from.get_stack()?)?.lines().map(str::to_owned).collect(),
        origin: (!is_unknown(&origin)).then_some(origin),
    })
}

fn is_unknown(origin: &ErrorOrigin) -> bool {
    let ErrorOrigin { domain, app, release, instance, pid, host, .. } = origin;
    let ids = [domain.as_u64(), app.as_u64(), release.as_u64(), instance.as_u64(), u64::from(*pid)];
    ids == [0; 5] && host.is_empty()
}

fn owned(text: text::Reader<'_>) -> capnp::Result<String> {
    Ok(text.to_string()?)
}

fn read_texts(texts: text_list::Reader<'_>) -> capnp::Result<Vec<String>> {
    texts.iter().take(MAX_TEXTS).map(|text| owned(text?)).collect()
}

/// Nanoseconds since 1970. A time that does not fit becomes the nearest one that does.
fn nanos(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}

fn time(nanos: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanos.unsigned_abs());
    let time = if nanos < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    time.unwrap_or(UNIX_EPOCH)
}

/// Encodes a public record for a peer, in at most [`MAX_ERROR_BYTES`]. Long texts are cut, and a long context is left out.
pub(crate) fn encode_bounded(mut record: ErrorRecord) -> Vec<u8> {
    record.message = bounded(&record.message, SENT_MESSAGE_BYTES);
    record.causes.truncate(SENT_CAUSES);
    record.causes.iter_mut().for_each(|cause| *cause = bounded(cause, SENT_TEXT_BYTES));
    record.tags.truncate(SENT_TAGS);
    record.tags.retain(|tag| tag.len() <= SENT_TAG_BYTES);
    record.context = record.context.filter(|context| context.to_string().len() <= SENT_CONTEXT_BYTES);
    let mut message = Builder::new(HeapAllocator::new().first_segment_words(64));
    write_error(&record, message.init_root());
    let mut bytes = Vec::new();
    encode(&message.get_segments_for_output(), &mut bytes);
    bytes
}

/// Decodes the error of a peer, who may have sent anything. `None` if it is malformed.
pub(crate) fn decode_bounded(mut bytes: &[u8]) -> Option<ErrorRecord> {
    let segments = Decoder::new(MAX_ERROR_BYTES).decode(&mut bytes).ok().flatten()?;
    let options = Limits::options_for(segments.bytes());
    let message = Reader::new(segments, options);
    let mut record = read_error(message.get_root().ok()?).ok()?;
    // What a peer may not send is not taken from it.
    (record.stack, record.location) = (Vec::new(), String::new());
    record.context_is_public = true;
    Some(record)
}

#[cfg(test)]
mod tests;
