//! What a consumer stores about a message: its dead letter, and its retry.

use std::time::Duration;

use app_core::prelude::*;
use bytes::Bytes;

use super::delivery::{CONFIRMATION, Failed, LONGEST_DELAY, Worked};
use super::outcome::Outcome;
use super::received::Consumed;
use super::running::Running;
use super::work::Work;
use crate::ids::{CONSUMER_PAUSES, DEAD_LETTERED};
use crate::transport::{Outgoing, TransportError};
use crate::wire::{
    DeadLetterHeaders, Headers, Letter, RetryOf, dead_letter_headers, dead_subject, header, retry_headers,
    retry_subject,
};

/// The first and the longest pause before a dead letter is stored again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

impl<Types, H, Run> Running<Types, H>
where
    Types: Consumed,
    H: Fn(Types::Received) -> Run + Send + Sync + 'static,
    Run: Future<Output = Result<Outcome, Error>> + Send + 'static,
{
    /// Stores the dead letter of a message, then acknowledges the message. While it can't be stored, the consumer pauses.
    pub(super) async fn bury(&self, work: &Work, failed: &Failed) {
        let attempts = work.attempts();
        let letter = self.letter(work, failed, attempts);
        let pauses = &self.entered.member.pauses;
        let stores = async {
            let mut pause = PAUSES.0;
            loop {
                let stored = self.context.transport.store(letter.clone(), CONFIRMATION);
                let why = match tokio::time::timeout(CONFIRMATION * 2, stored).await {
                    Ok(Ok(_)) => return Worked::Outcome(Outcome::Done),
                    Ok(Err(why)) => {
                        if matches!(why, TransportError::NotFound(_)) {
                            // The stream of dead letters is lost: it is made again.
                            self.context.streams.missed();
                        }
                        why.to_string()
                    }
                    Err(_) => "no answer came in time".to_owned(),
                };
                if pauses.not_stored(why.clone()) {
                    error!(self.service.log(), "a dead letter can't be stored: the consumer pauses until it can";
                        "event" => CONSUMER_PAUSES.hex(), "consumer" => &self.durable, "sequence" => work.origin.sequence, "reason" => why);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
        };
        match self.guarded(work, stores).await {
            Worked::Stopped => {
                pauses.stored();
                return self.hand_back(work).await;
            }
            Worked::Lost => {
                self.ends_here(work);
                return pauses.stored();
            }
            Worked::Outcome(_) | Worked::Failed(_) => {}
        }
        pauses.stored();
        warn!(self.service.log(), "a message became a dead letter"; "event" => DEAD_LETTERED.hex(), "consumer" => &self.durable,
            "sequence" => work.origin.sequence, "attempts" => attempts, "reason" => &failed.reason);
        self.count(work, "dead_lettered");
        // Invariant 1.
        self.settled(work).await;
        self.ended(work, true);
    }

    fn letter(&self, work: &Work, failed: &Failed, attempts: u64) -> Outgoing {
        let message = &work.delivered.message;
        let mut letter = DeadLetterHeaders {
            reason: failed.reason.clone(),
            error: failed.error.as_ref().map(Error::id),
            consumer: self.durable.clone(),
            attempts,
            sequence: work.origin.sequence,
            subject: message.subject.to_string(),
            id: work.origin.id.clone(),
            round: work.origin.round.map_or(0, |round| round.saturating_add(1)),
            left_out_bytes: None,
        };
        let headers = |letter: &DeadLetterHeaders| {
            dead_letter_headers(&message.headers, &Letter { stream: &self.stream, letter })
        };
        let mut outgoing = Outgoing {
            subject: dead_subject(self.context.identity.domain, self.stream_id, work.message()),
            reply: None,
            headers: headers(&letter),
            payload: message.payload.clone(),
        };
        let limit = self.context.transport.max_bytes();
        if size(&outgoing) > limit {
            letter.left_out_bytes = Some(message.payload.len());
            (outgoing.payload, outgoing.headers) = (Bytes::new(), headers(&letter));
        }
        if size(&outgoing) > limit {
            // The headers of the original alone are too much. What is left says where the message is.
            outgoing.headers =
                dead_letter_headers(&Headers::new(), &Letter { stream: &self.stream, letter: &letter });
        }
        outgoing
    }

    /// Stores a message in the stream of retries, where it waits for longer. Returns whether it is there.
    pub(super) async fn store_retry(&self, work: &Work, delay: Duration) -> bool {
        let Work { delivered, origin, .. } = work;
        let message = &delivered.message;
        let retry = RetryOf {
            stream: &self.stream,
            consumer: &self.durable,
            subject: &message.subject,
            sequence: origin.sequence,
            id: origin.id.as_deref(),
            round: origin.round,
            attempts: work.attempts(),
            delay,
        };
        let outgoing = Outgoing {
            subject: retry_subject(self.context.identity.domain, self.service.id(), self.options.name()),
            reply: None,
            headers: retry_headers(&message.headers, &retry),
            payload: message.payload.clone(),
        };
        if size(&outgoing) > self.context.transport.max_bytes() {
            return false;
        }
        let stored = self.context.transport.store(outgoing, CONFIRMATION);
        let stored = tokio::time::timeout(CONFIRMATION * 2, stored).await;
        match stored {
            Ok(Ok(_)) => true,
            failed => {
                let reason = failed.map_or_else(
                    |_| "no answer came in time".to_owned(),
                    |failed| failed.err().map(|error| error.to_string()).unwrap_or_default(),
                );
                debug!(self.service.log(), "a message waits for its retry in its stream, since the stream of retries did not take it"; "consumer" => &self.durable, "sequence" => origin.sequence, "reason" => reason);
                false
            }
        }
    }

    /// How long a message of the stream of retries has to wait still.
    pub(super) fn waits(&self, delivered: &crate::transport::Delivered) -> Option<Duration> {
        // Earlier releases wrote longer ones too.
        let millis: u128 = delivered.message.headers.get(header::RETRY_DELAY)?.parse().ok()?;
        let delay = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).min(LONGEST_DELAY);
        let due = delivered.stored_at.checked_add(delay)?;
        due.duration_since(self.context.transport.wall_clock()).ok().filter(|left| !left.is_zero())
    }
}

/// How many bytes a server counts.
fn size(message: &Outgoing) -> usize {
    message.headers.wire_bytes() + message.payload.len()
}
