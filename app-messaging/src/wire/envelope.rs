//! What the headers say about a message: its id, and where it comes from.

use std::time::SystemTime;

use app_ids::{AppId, InstanceId, MessageId, ReleaseId};
use smol_str::ToSmolStr as _;

use super::header;
use super::names::hex_text;
use super::{Headers, dedup_id};

/// The most bytes of a message's id.
pub const MAX_ID_BYTES: usize = 128;

/// The most bytes of a header that is read.
const MAX_VALUE_BYTES: usize = 1024;

/// The instance that sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Source {
    /// The application.
    pub app: AppId,
    /// The instance of the application.
    pub instance: InstanceId,
    /// The release of the application.
    pub release: ReleaseId,
}

impl Source {
    /// A sender with these ids.
    #[must_use]
    pub const fn new(app: AppId, instance: InstanceId, release: ReleaseId) -> Self {
        Self { app, instance, release }
    }
}

/// The meaning of a message's headers. Each part may be missing: programs that know nothing of this project may send messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) id: Option<String>,
    pub(crate) source: Option<Source>,
    pub(crate) sent_at: Option<SystemTime>,
    pub(crate) trace_parent: Option<String>,
    pub(crate) trace_state: Option<String>,
}

impl Envelope {
    /// Writes the headers of a message of this type.
    pub(crate) fn write(&self, message: MessageId) -> Headers {
        let mut headers = Headers::with_capacity(8);
        if let Some(id) = &self.id {
            headers.append(header::MSG_ID, &dedup_id(message, id));
        }
        headers.push(header::MESSAGE, hex_text(message.as_u64()));
        if let Some(source) = self.source {
            headers.push(header::APP, hex_text(source.app.as_u64()));
            headers.push(header::INSTANCE, hex_text(source.instance.as_u64()));
            headers.push(header::RELEASE, hex_text(source.release.as_u64()));
        }
        if let Some(sent_at) = self.sent_at {
            headers.push(header::SENT, humantime::format_rfc3339_nanos(sent_at).to_smolstr());
        }
        if let Some(parent) = &self.trace_parent {
            headers.append(header::TRACE_PARENT, parent);
        }
        if let Some(state) = &self.trace_state {
            headers.append(header::TRACE_STATE, state);
        }
        headers
    }

    /// Reads the headers. A header that is missing or makes no sense is as unknown: it never makes a message unusable.
    pub(crate) fn read(headers: &Headers, message: MessageId) -> Self {
        Self {
            id: id_of(headers, message).map(str::to_owned),
            source: source_of(headers),
            sent_at: sent_at_of(headers),
            trace_parent: value_of(headers, header::TRACE_PARENT).map(str::to_owned),
            trace_state: value_of(headers, header::TRACE_STATE).map(str::to_owned),
        }
    }
}

fn value_of<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.get(name).filter(|value| value.len() <= MAX_VALUE_BYTES)
}

/// The id that the sender gave a message.
pub(crate) fn id_of(headers: &Headers, message: MessageId) -> Option<&str> {
    let id = value_of(headers, header::MSG_ID)?;
    let own = id.strip_prefix(hex_text(message.as_u64()).as_str()).and_then(|rest| rest.strip_prefix('.'));
    own.or(Some(id)).filter(|id| is_good_id(id))
}

/// The instance that sent a message.
pub(crate) fn source_of(headers: &Headers) -> Option<Source> {
    let id = |name| value_of(headers, name).and_then(hex);
    let (app, instance, release) = (id(header::APP)?, id(header::INSTANCE)?, id(header::RELEASE)?);
    Some(Source::new(app.into(), instance.into(), release.into()))
}

/// When a message was sent.
pub(crate) fn sent_at_of(headers: &Headers) -> Option<SystemTime> {
    humantime::parse_rfc3339(value_of(headers, header::SENT)?).ok()
}

/// An id in hex. Zero is an id too: that of an application without one.
fn hex(text: &str) -> Option<u64> {
    let good = !text.is_empty() && text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if good { u64::from_str_radix(text, 16).ok() } else { None }
}

/// Whether a sender may give a message this id: 1 to 128 visible ASCII characters.
pub(crate) fn is_good_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A new id: 32 hex digits.
pub(crate) fn random_id() -> String {
    format!("{:032x}", app_ids::unique_u128())
}
