//! The headers of messages that wait in the stream of retries, and what retries and replays say about their message.

use std::time::Duration;

use super::{Headers, header};

/// Where a message of a retry or a replay comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Its sequence in its stream.
    pub(crate) sequence: u64,
    /// The id that its sender gave it.
    pub(crate) id: Option<String>,
    /// The round of the dead letter that it was replayed from.
    pub(crate) round: Option<u64>,
    /// How many attempts it had before.
    pub(crate) attempts: u64,
    /// Its subject.
    pub(crate) subject: Option<String>,
}

impl Origin {
    /// Reads the headers of a retry, or of a replay. `None` for others.
    pub(crate) fn read(headers: &Headers) -> Option<Self> {
        let number = |name| headers.get(name).and_then(|value| value.parse::<u64>().ok());
        let text = |name| headers.get(name).map(str::to_owned);
        let round = number(header::DEAD_ROUND);
        if let Some(sequence) = number(header::RETRY_SEQUENCE) {
            let attempts = number(header::RETRY_ATTEMPTS).unwrap_or_default();
            let (id, subject) = (text(header::RETRY_ID), text(header::RETRY_SUBJECT));
            return Some(Self { sequence, id, round, attempts, subject });
        }
        let (id, subject) = (text(header::DEAD_ID), text(header::DEAD_SUBJECT));
        Some(Self { sequence: number(header::DEAD_SEQUENCE)?, id, round, attempts: 0, subject })
    }
}

/// A retry to write.
pub(crate) struct RetryOf<'a> {
    pub(crate) stream: &'a str,
    pub(crate) consumer: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) sequence: u64,
    pub(crate) id: Option<&'a str>,
    pub(crate) round: Option<u64>,
    pub(crate) attempts: u64,
    pub(crate) delay: Duration,
}

/// The headers of a retry: the description, and those of the original without `Nats-*`.
pub(crate) fn retry_headers(original: &Headers, of: &RetryOf<'_>) -> Headers {
    let RetryOf { stream, consumer, subject, sequence, id, round, attempts, delay } = of;
    let round = round.map_or_else(|| "_".to_owned(), |round| round.to_string());
    let mut headers = Headers::new();
    headers.append(header::MSG_ID, &format!("{stream}.{consumer}.{sequence}.{round}.{attempts}"));
    headers.append(header::RETRY_SUBJECT, subject);
    headers.append(header::RETRY_SEQUENCE, &sequence.to_string());
    if let Some(id) = id {
        headers.append(header::RETRY_ID, id);
    }
    headers.append(header::RETRY_ATTEMPTS, &attempts.to_string());
    headers.append(header::RETRY_DELAY, &delay.as_millis().to_string());
    // Of a replay, its letter. A later letter counts its round on.
    for (name, value) in original.iter() {
        if !name.starts_with("Nats-") && !name.starts_with("Op-Retry-") {
            headers.append(name, value);
        }
    }
    headers
}

/// The headers of a replay: those of the dead letter, or of the message, with another id. So a reader recognises the message.
pub(crate) fn replay_headers(from: &Headers, id: &str) -> Headers {
    let mut headers = Headers::new();
    headers.append(header::MSG_ID, id);
    for (name, value) in from.iter() {
        let goes =
            name.starts_with("Nats-") || name.starts_with("Op-Retry-") || name == header::DEAD_LEFT_OUT;
        if !goes {
            headers.append(name, value);
        }
    }
    headers
}
