//! The headers of dead letters.

use app_ids::ErrorId;

use super::header;
use super::{Headers, dead_letter_id};

/// The most bytes of a reason.
const MAX_REASON_BYTES: usize = 1024;

/// A message that a consumer gave up, as its dead letter describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterHeaders {
    /// Why the consumer gave up.
    pub reason: String,
    /// The id of the last error, if there was one.
    pub error: Option<ErrorId>,
    /// The durable consumer that gave up.
    pub consumer: String,
    /// How many times a handler ran.
    pub attempts: u64,
    /// The sequence of the message in its stream.
    pub sequence: u64,
    /// The subject of the message.
    pub subject: String,
    /// The id of the message, if it had one.
    pub id: Option<String>,
    /// How many times the message was replayed before.
    pub round: u64,
    /// The size of a payload that was left out, since it did not fit beside these headers. The message is in its stream.
    pub left_out_bytes: Option<usize>,
}

impl DeadLetterHeaders {
    /// Reads the headers of a dead letter. `None` if they are not those of a dead letter.
    #[must_use]
    pub fn read(headers: &Headers) -> Option<Self> {
        let number = |name| headers.get(name).and_then(|value| value.parse().ok());
        let error = headers.get(header::DEAD_ERROR);
        Some(Self {
            reason: headers.get(header::DEAD_REASON)?.to_owned(),
            error: error.and_then(|error| u64::from_str_radix(error, 16).ok()).map(ErrorId::new),
            consumer: headers.get(header::DEAD_CONSUMER)?.to_owned(),
            attempts: number(header::DEAD_ATTEMPTS)?,
            sequence: number(header::DEAD_SEQUENCE)?,
            subject: headers.get(header::DEAD_SUBJECT)?.to_owned(),
            id: headers.get(header::DEAD_ID).map(str::to_owned),
            round: number(header::DEAD_ROUND)?,
            left_out_bytes: number(header::DEAD_LEFT_OUT).and_then(|bytes| usize::try_from(bytes).ok()),
        })
    }
}

/// A dead letter to write.
pub(crate) struct Letter<'a> {
    pub(crate) stream: &'a str,
    pub(crate) letter: &'a DeadLetterHeaders,
}

/// The headers of a dead letter: those of the original without `Nats-*`, and the description.
pub(crate) fn dead_letter_headers(original: &Headers, of: &Letter<'_>) -> Headers {
    let DeadLetterHeaders { reason, error, consumer, attempts, sequence, subject, id, round, left_out_bytes } =
        of.letter;
    let mut headers = Headers::new();
    headers.append(header::MSG_ID, &dead_letter_id(of.stream, consumer, *sequence, *round));
    headers.append(header::DEAD_REASON, &one_line(reason));
    if let Some(error) = error {
        headers.append(header::DEAD_ERROR, &error.hex());
    }
    headers.append(header::DEAD_CONSUMER, consumer);
    headers.append(header::DEAD_ATTEMPTS, &attempts.to_string());
    headers.append(header::DEAD_SEQUENCE, &sequence.to_string());
    headers.append(header::DEAD_SUBJECT, subject);
    if let Some(id) = id {
        headers.append(header::DEAD_ID, id);
    }
    headers.append(header::DEAD_ROUND, &round.to_string());
    if let Some(bytes) = left_out_bytes {
        headers.append(header::DEAD_LEFT_OUT, &bytes.to_string());
    }
    // After the description, so that a flood of foreign headers can't push it out. A header of an earlier letter gives way too.
    for (name, value) in original.iter() {
        let ours = ["Nats-", "Op-Dead-", "Op-Retry-"].iter().any(|prefix| name.starts_with(prefix));
        if !ours {
            headers.append(name, value);
        }
    }
    headers
}

/// The reason in one line within its limit.
fn one_line(reason: &str) -> String {
    let mut line = app_errors::one_line(reason).to_string();
    if line.len() > MAX_REASON_BYTES {
        let mut end = MAX_REASON_BYTES;
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push_str("..");
    }
    if line.trim().is_empty() { "no reason given".to_owned() } else { line }
}
