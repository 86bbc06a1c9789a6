//! Subjects, and the names of streams, consumers and buckets. Ids are in lower-case hex, without padding.

use app_ids::{BucketId, DomainId, MessageId, ServiceId, StreamId};
use smol_str::SmolStr;

use super::KeyHash;

/// How many partitions keys have: one for each first hex digit of their hash.
pub(crate) const PARTITIONS: u8 = 16;

/// The most characters of a consumer's name.
const MAX_CONSUMER_NAME: usize = 64;

/// The subject of a message: `op.{domain}.{service}.{message}.{k1}.{k15}`.
///
/// The last two tokens are the first digit and the other 15 digits of the key's hash. A type without a key has `_._`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Subject {
    /// The domain of the application.
    pub domain: DomainId,
    /// The service that the type of the message belongs to.
    pub service: ServiceId,
    /// The type of the message.
    pub message: MessageId,
    /// The hash of the key, if the type has a key.
    pub key: Option<KeyHash>,
}

impl Subject {
    /// Reads a subject in exactly the form of the contract. `None` for any other text.
    ///
    /// ```
    /// use app_messaging::Subject;
    ///
    /// let subject = Subject::parse("op.d0.ce1f32c680e1ef0b.86afee450feaf860.c.21eb846cc96c11e").unwrap();
    /// assert_eq!(subject.key.unwrap().partition(), 0xc);
    /// assert!(Subject::parse("op.d0.ce1f32c680e1ef0b.86afee450feaf860._._").unwrap().key.is_none());
    /// assert_eq!(Subject::parse("op.d0.CE1F.86._._"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut tokens = text.split('.');
        let mut next = || tokens.next();
        if next()? != "op" {
            return None;
        }
        let (domain, service, message) = (hex(next()?)?, hex(next()?)?, hex(next()?)?);
        let key = match (next()?, next()?) {
            ("_", "_") => None,
            (first, rest) if first.len() == 1 && rest.len() == 15 => {
                Some(KeyHash::new(digits(first)? << 60 | digits(rest)?))
            }
            _ => return None,
        };
        let subject = Self { domain: domain.into(), service: service.into(), message: message.into(), key };
        tokens.next().is_none().then_some(subject)
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&subject(self.domain, self.service, self.message, self.key))
    }
}

/// An id as it is printed: no padding, except the single digit 0.
fn hex(token: &str) -> Option<u64> {
    let padded = token.len() > 1 && token.starts_with('0');
    if padded { None } else { digits(token) }
}

/// 1 to 16 lower-case hex digits.
fn digits(token: &str) -> Option<u64> {
    let good = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if token.is_empty() || token.len() > 16 || !token.bytes().all(good) {
        return None;
    }
    u64::from_str_radix(token, 16).ok()
}

/// The subject of a message.
pub(crate) fn subject(
    domain: DomainId,
    service: ServiceId,
    message: MessageId,
    key: Option<KeyHash>,
) -> String {
    let mut text = String::with_capacity(MAX_SUBJECT);
    text.push_str("op.");
    for id in [domain.as_u64(), service.as_u64(), message.as_u64()] {
        text.push_str(&hex_text(id));
        text.push('.');
    }
    match key {
        None => text.push_str("_._"),
        Some(key) => {
            let hash = key.to_string();
            let (first, rest) = hash.split_at(1);
            text.extend([first, ".", rest]);
        }
    }
    text
}

/// The bytes of the longest subject of a message: three ids and a hash, and what separates them.
const MAX_SUBJECT: usize = "op".len() + 4 * 16 + 5;

/// An id in lower-case hex, without memory of its own.
pub(crate) fn hex_text(id: u64) -> SmolStr {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'0'; 16];
    let mut rest = id;
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[(rest & 0xf) as usize];
        rest >>= 4;
    }
    let zeros = (id.leading_zeros() as usize / 4).min(text.len() - 1);
    // The digits are ASCII.
    SmolStr::new(std::str::from_utf8(&text[zeros..]).unwrap_or_default())
}

/// The filter for all messages of a type, or for one of its 16 partitions.
pub(crate) fn filter(
    domain: DomainId,
    service: ServiceId,
    message: MessageId,
    partition: Option<u8>,
) -> String {
    match partition {
        None => format!("op.{domain}.{service}.{message}.*.*"),
        Some(partition) => format!("op.{domain}.{service}.{message}.{:x}.*", partition & 0xf),
    }
}

/// The filter for one partition of every type with a key.
pub(crate) fn partition_filter(domain: DomainId, partition: u8) -> String {
    format!("op.{domain}.*.*.{:x}.*", partition & 0xf)
}

/// The name of a stream in NATS.
pub(crate) fn stream_name(domain: DomainId, stream: StreamId) -> String {
    format!("OP_{domain}_{stream}")
}

/// The stream of the dead letters of a stream.
pub(crate) fn dead_stream(domain: DomainId, stream: StreamId) -> String {
    format!("OP_{domain}_{stream}_DEAD")
}

/// The subject of the dead letters of a type.
pub(crate) fn dead_subject(domain: DomainId, stream: StreamId, message: MessageId) -> String {
    format!("op.{domain}.dead.{stream}.{message}")
}

/// The stream of replays.
pub(crate) fn replay_stream(domain: DomainId) -> String {
    format!("OP_{domain}_REPLAY")
}

/// The subject of the replays for one consumer.
pub(crate) fn replay_subject(domain: DomainId, service: ServiceId, consumer: &str) -> String {
    format!("op.{domain}.replay.{service}.{consumer}")
}

/// The stream of retries that wait for longer than a minute.
pub(crate) fn retry_stream(domain: DomainId) -> String {
    format!("OP_{domain}_RETRY")
}

/// The subject of the retries of one consumer.
pub(crate) fn retry_subject(domain: DomainId, service: ServiceId, consumer: &str) -> String {
    format!("op.{domain}.retry.{service}.{consumer}")
}

/// The name of a bucket in NATS.
///
/// ```
/// use app_messaging::bucket_name;
///
/// assert_eq!(bucket_name(0xd0.into(), 0xb1.into()), "OP_d0_b1");
/// ```
#[must_use]
pub fn bucket_name(domain: DomainId, bucket: BucketId) -> String {
    format!("OP_{domain}_{bucket}")
}

/// The name of a durable consumer in NATS.
pub(crate) fn consumer_name(service: ServiceId, name: &str) -> String {
    format!("{service}_{name}")
}

/// The durable consumer of one partition.
pub(crate) fn partition_name(durable: &str, partition: u8) -> String {
    format!("{durable}_{:x}", partition & 0xf)
}

/// The hex of a text: the key of a bucket, since a subject can't have every character.
pub(crate) fn hex_of(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The text whose bytes have this hex.
pub(crate) fn text_of(hex: &str) -> Option<String> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    String::from_utf8(pairs.iter().map(byte).collect::<Option<_>>()?).ok()
}

/// Whether a consumer may have this name: 1 to 64 of `[a-z0-9_-]`.
pub(crate) fn is_consumer_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    (1..=MAX_CONSUMER_NAME).contains(&name.len()) && name.bytes().all(good)
}

/// The id by which a stream finds duplicates. The type is part of it, since a stream has several types.
pub(crate) fn dedup_id(message: MessageId, id: &str) -> String {
    format!("{message}.{id}")
}

/// The id of a dead letter. A replay that fails again is another round, and so another letter.
pub(crate) fn dead_letter_id(stream: &str, consumer: &str, sequence: u64, round: u64) -> String {
    format!("{stream}.{consumer}.{sequence}.{round}")
}
