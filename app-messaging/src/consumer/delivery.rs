//! One delivery: its handler, the signs of life meanwhile, and what becomes of the message.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, SystemTime};

use app_core::prelude::*;
use app_errors::ErrorType;
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::lanes::Ticket;
use super::outcome::Outcome;
use super::received::{Consumed, RawMessage};
use super::running::Running;
use crate::ids::{CONSUMER_PAUSES, DEAD_LETTERED};
use crate::message::panic_text;
use crate::transport::{Delivered, Outgoing, Settlement};
use crate::wire::{DeadLetterHeaders, Envelope, Letter, Subject, dead_letter_headers, dead_subject, header};

/// How many times a confirmation is asked for.
const CONFIRMATIONS: usize = 3;

/// How long one confirmation may take.
const CONFIRMATION: Duration = Duration::from_secs(2);

/// The first and the longest pause before a dead letter is stored again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// How the work on a delivery ended.
enum Worked {
    Outcome(Outcome),
    /// It failed: why, the id of the error, and whether trying again can't help.
    Failed {
        reason: String,
        error: Option<ErrorId>,
        for_good: bool,
    },
    /// The service stopped before it ended.
    Stopped,
    /// Another instance may have the message by now, since no sign of life was confirmed in time.
    Lost,
}

/// When signs of life of a delivery were sent. It lives as long as the delivery, so that its steps share one rhythm.
#[derive(Debug)]
pub(super) struct Life(Mutex<Signs>);

#[derive(Debug, Clone, Copy)]
struct Signs {
    sent: Instant,
    /// When the last one that is confirmed was sent.
    confirmed: Instant,
}

impl Life {
    /// The delivery itself begins the ack wait.
    pub(super) fn begins() -> Self {
        let now = Instant::now();
        Self(Mutex::new(Signs { sent: now, confirmed: now }))
    }
}

impl<Types, H, Run> Running<Types, H>
where
    Types: Consumed,
    H: Fn(Types::Received) -> Run + Send + Sync + 'static,
    Run: Future<Output = Result<Outcome, Error>> + Send + 'static,
{
    pub(super) async fn handle(&self, delivered: Delivered, life: Life, ticket: Option<Ticket>) {
        if let Some(mut ticket) = ticket {
            let turn = async {
                ticket.turn().await;
                Worked::Outcome(Outcome::Done)
            };
            match self.guarded(&delivered, &life, turn).await {
                Worked::Stopped => return self.hand_back(&delivered).await,
                Worked::Lost => return,
                Worked::Outcome(_) | Worked::Failed { .. } => {}
            }
            // The ticket is held until the message is settled, retries included.
            self.work(&delivered, &life).await;
            drop(ticket);
        } else {
            self.work(&delivered, &life).await;
        }
    }

    /// Runs the handler until the message is settled, or left to a later delivery.
    async fn work(&self, delivered: &Delivered, life: &Life) {
        loop {
            let _in_flight = self.meters.in_flight.guard();
            if !self.service.alive() {
                return self.hand_back(delivered).await;
            }
            let Some(decoded) = self.decode(delivered) else {
                // A type that this consumer does not take.
                return self.settle(delivered, Settlement::Ack).await;
            };
            let received = match decoded {
                Ok(received) => received,
                Err(reason) => {
                    return self.bury(delivered, life, &format!("malformed: {reason}"), None).await;
                }
            };
            let began = Instant::now();
            let worked = self.guarded(delivered, life, self.attempt(received)).await;
            self.meters.seconds.observe(began.elapsed().as_secs_f64());
            let delay = match worked {
                Worked::Stopped => return self.hand_back(delivered).await,
                Worked::Lost => return,
                Worked::Outcome(Outcome::Done) => return self.finish(delivered, "done").await,
                Worked::Outcome(Outcome::Drop(reason)) => {
                    debug!(self.service.log(), "a message was dropped"; "consumer" => &self.durable, "sequence" => delivered.sequence, "reason" => reason);
                    return self.finish(delivered, "dropped").await;
                }
                Worked::Outcome(Outcome::DeadLetter(reason)) => {
                    self.attempts.ended(delivered.sequence);
                    return self.bury(delivered, life, &reason, None).await;
                }
                Worked::Outcome(Outcome::RetryAfter(delay)) => {
                    self.attempts.ended(delivered.sequence);
                    delay
                }
                Worked::Failed { reason, error, for_good } => {
                    let attempts = self.attempts.ended(delivered.sequence);
                    match self.options.retry.delay(attempts).filter(|_| !for_good) {
                        Some(delay) => {
                            debug!(self.service.log(), "a message is tried again"; "consumer" => &self.durable, "sequence" => delivered.sequence, "attempts" => attempts, "reason" => reason);
                            delay
                        }
                        None => return self.bury(delivered, life, &reason, error).await,
                    }
                }
            };
            self.count("retried");
            if !self.options.by_key {
                return self.settle(delivered, Settlement::Nak(delay)).await;
            }
            // In its lane the message waits here, so that those behind it wait too.
            let wait = async {
                tokio::time::sleep(delay).await;
                Worked::Outcome(Outcome::Done)
            };
            match self.guarded(delivered, life, wait).await {
                Worked::Stopped => return self.hand_back(delivered).await,
                Worked::Lost => return,
                Worked::Outcome(_) | Worked::Failed { .. } => {}
            }
        }
    }

    fn decode(&self, delivered: &Delivered) -> Option<Result<Types::Received, String>> {
        let age = SystemTime::now().duration_since(delivered.stored_at).unwrap_or_default();
        self.meters.age.observe(age.as_secs_f64());
        let deliveries = delivered.deliveries.max(self.attempts.of(delivered.sequence) + 1);
        let raw = RawMessage { delivered, deliveries, limits: self.context.limits };
        Types::decode(&raw).map(|decoded| decoded.map_err(|error| error.to_string()))
    }

    /// One run of the handler, within its longest time.
    async fn attempt(&self, received: Types::Received) -> Worked {
        let run = AssertUnwindSafe(async { (self.handler)(received).await }).catch_unwind();
        match timeout(self.options.max_run, run).await {
            Ok(Ok(Ok(outcome))) => Worked::Outcome(outcome),
            Ok(Ok(Err(error))) => Worked::Failed {
                for_good: matches!(error.error_type(), ErrorType::Config | ErrorType::Bug)
                    || error.is(&crate::errors::MESSAGE_MALFORMED),
                error: Some(error.id()),
                reason: error.to_string(),
            },
            Ok(Err(panic)) => Worked::Failed {
                reason: format!("the handler panicked: {}", panic_text(panic.as_ref())),
                error: None,
                for_good: false,
            },
            Err(_) => Worked::Failed {
                reason: format!(
                    "the handler ran for longer than {:?}, and was cancelled",
                    self.options.max_run
                ),
                error: None,
                for_good: false,
            },
        }
    }

    /// Does work on a delivery while signs of life are sent, until the grace after the service was killed is over.
    async fn guarded(
        &self,
        delivered: &Delivered,
        life: &Life,
        work: impl Future<Output = Worked>,
    ) -> Worked {
        let stopped = async {
            self.service.dying().await;
            tokio::time::sleep(self.options.stop_grace).await;
        };
        tokio::select! {
            biased;
            worked = work => worked,
            () = self.signs_of_life(delivered, life) => Worked::Lost,
            () = stopped => Worked::Stopped,
        }
    }

    /// Waits for something while signs of life are sent.
    pub(super) async fn alive_while<T>(
        &self,
        delivered: &Delivered,
        life: &Life,
        wait: impl Future<Output = T>,
    ) -> T {
        let signs = async {
            self.signs_of_life(delivered, life).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            value = wait => value,
            () = signs => unreachable_value().await,
        }
    }

    /// Sends a sign of life at half of the ack wait. Ends when the order could be at risk: no sign was confirmed within the ack wait,
    /// so another instance may have the message.
    async fn signs_of_life(&self, delivered: &Delivered, life: &Life) {
        let half = self.options.ack_wait / 2;
        let keeps_order = self.options.by_key || self.options.ordered;
        loop {
            let sent = life.0.lock().sent;
            tokio::time::sleep_until(sent + half).await;
            let now = Instant::now();
            let settled = self.context.transport.settle(delivered.token.clone(), Settlement::Progress, half);
            let is_confirmed = matches!(timeout(half, settled).await, Ok(Ok(())));
            let confirmed = {
                let mut signs = life.0.lock();
                // Only now: a sign that was cut off is sent again at once.
                signs.sent = now;
                if is_confirmed {
                    signs.confirmed = now;
                }
                signs.confirmed
            };
            if keeps_order && confirmed.elapsed() >= self.options.ack_wait {
                return;
            }
        }
    }

    /// A message that was handled.
    async fn finish(&self, delivered: &Delivered, outcome: &str) {
        self.count(outcome);
        self.settle(delivered, Settlement::Ack).await;
        self.attempts.forget(delivered.sequence);
        self.ended(delivered, false);
    }

    /// Says what becomes of a delivery. If it is not confirmed, the message comes again after its ack wait, which costs nothing but time.
    pub(super) async fn settle(&self, delivered: &Delivered, settlement: Settlement) {
        for _ in 0..CONFIRMATIONS {
            let settled = self.context.transport.settle(delivered.token.clone(), settlement, CONFIRMATION);
            if matches!(timeout(CONFIRMATION, settled).await, Ok(Ok(()))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Counts for the pause.
    fn ended(&self, delivered: &Delivered, dead: bool) {
        if self.entered.pauses.ended(dead, Instant::now()) {
            error!(self.service.log(), "half of the last 50 messages became dead letters: the consumer pauses for 30 s";
                "event" => CONSUMER_PAUSES.hex(), "consumer" => &self.durable, "sequence" => delivered.sequence);
        }
    }

    /// Stores the dead letter of a message, then acknowledges the message. While it can't be stored, the consumer pauses.
    async fn bury(&self, delivered: &Delivered, life: &Life, reason: &str, error: Option<ErrorId>) {
        let attempts = self.attempts.of(delivered.sequence);
        let letter = self.letter(delivered, reason, error, attempts);
        let stores = async {
            let mut pause = PAUSES.0;
            loop {
                let why = match self.context.transport.store(letter.clone(), CONFIRMATION).await {
                    Ok(_) => return Worked::Outcome(Outcome::Done),
                    Err(why) => why.to_string(),
                };
                if self.entered.pauses.not_stored(why.clone()) {
                    error!(self.service.log(), "a dead letter can't be stored: the consumer pauses until it can";
                        "event" => CONSUMER_PAUSES.hex(), "consumer" => &self.durable, "sequence" => delivered.sequence, "reason" => why);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
        };
        match self.guarded(delivered, life, stores).await {
            Worked::Stopped => return self.hand_back(delivered).await,
            Worked::Lost => return,
            Worked::Outcome(_) | Worked::Failed { .. } => {}
        }
        self.entered.pauses.stored();
        warn!(self.service.log(), "a message became a dead letter"; "event" => DEAD_LETTERED.hex(), "consumer" => &self.durable,
            "sequence" => delivered.sequence, "attempts" => attempts, "reason" => reason);
        self.count("dead_lettered");
        // Invariant 1.
        self.settle(delivered, Settlement::Ack).await;
        self.attempts.forget(delivered.sequence);
        self.ended(delivered, true);
    }

    fn letter(&self, delivered: &Delivered, reason: &str, error: Option<ErrorId>, attempts: u64) -> Outgoing {
        let message = &delivered.message;
        let of = Subject::parse(&message.subject).map(|subject| subject.message).unwrap_or_default();
        let round = message.headers.get(header::DEAD_ROUND).and_then(|round| round.parse::<u64>().ok());
        let letter = DeadLetterHeaders {
            reason: reason.to_owned(),
            error,
            consumer: self.durable.clone(),
            attempts,
            sequence: delivered.sequence,
            subject: message.subject.to_string(),
            id: Envelope::read(&message.headers, of).id,
            round: round.map_or(0, |round| round + 1),
        };
        Outgoing {
            subject: dead_subject(self.context.identity.domain, self.stream_id, of),
            reply: None,
            headers: dead_letter_headers(&message.headers, &Letter { stream: &self.stream, letter: &letter }),
            payload: message.payload.clone(),
        }
    }
}

/// What comes after something that never ends.
async fn unreachable_value<T>() -> T {
    std::future::pending().await
}
