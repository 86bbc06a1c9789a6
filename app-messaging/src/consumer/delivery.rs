//! One delivery: its handler, the signs of life meanwhile, and what becomes of the message.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use app_core::prelude::*;
use app_errors::ErrorType;
use futures_util::FutureExt;
use tokio::time::{Instant, timeout};

use super::lanes::Ticket;
use super::outcome::Outcome;
use super::received::{Consumed, RawMessage};
use super::running::Running;
use super::work::{Life, Work};
use crate::ids::CONSUMER_PAUSES;
use crate::message::panic_text;
use crate::traces::{self, HandlerFailure, Handling};
use crate::transport::{AckToken, Settlement, TransportError};

/// How many times a confirmation is asked for.
const CONFIRMATIONS: usize = 3;

/// How long one confirmation may take.
pub(super) const CONFIRMATION: Duration = Duration::from_secs(2);

/// The longest delay of a message that stays in its stream. One that waits there counts against `max_ack_pending`.
const LONGEST_NAK: Duration = Duration::from_secs(60);

/// The longest delay of a retry: a year. Clocks and servers count no further than some centuries.
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(365 * 86_400);

/// How the work on a delivery ended.
pub(super) enum Worked {
    Outcome(Outcome),
    /// It failed.
    Failed(Failed),
    /// The service stopped before it ended.
    Stopped,
    /// Another instance may have the message by now, since no sign of life was confirmed in time.
    Lost,
}

/// Why a handler failed.
#[derive(Debug, Clone, Default)]
pub(super) struct Failed {
    pub(super) reason: String,
    /// The error of the handler, if it returned one.
    pub(super) error: Option<Error>,
    /// Whether trying again can't help.
    pub(super) for_good: bool,
}

impl Failed {
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }
}

/// Why an attempt failed, for its span.
fn failure(worked: &Worked) -> Option<HandlerFailure<'_>> {
    match worked {
        Worked::Failed(Failed { error: Some(error), .. }) => Some(HandlerFailure::Error(error)),
        Worked::Failed(failed) => Some(HandlerFailure::Other("handler_failed", &failed.reason)),
        Worked::Outcome(Outcome::DeadLetter(reason)) => Some(HandlerFailure::Other("dead_letter", reason)),
        Worked::Outcome(_) | Worked::Stopped | Worked::Lost => None,
    }
}

/// What comes after an attempt.
enum Then {
    Again(Duration),
    /// The message is settled, or left to a later delivery.
    Over,
}

impl<Types, H, Run> Running<Types, H>
where
    Types: Consumed,
    H: Fn(Types::Received) -> Run + Send + Sync + 'static,
    Run: Future<Output = Result<Outcome, Error>> + Send + 'static,
{
    pub(super) async fn handle(&self, work: &Work, ticket: Option<Ticket>) {
        // The ticket is held until the message is settled, retries included.
        let mut ticket = ticket;
        if let Some(ticket) = &mut ticket {
            let turn = async {
                ticket.turn().await;
                Worked::Outcome(Outcome::Done)
            };
            match self.guarded(work, turn).await {
                Worked::Stopped => return self.hand_back(work).await,
                Worked::Lost => return self.ends_here(work),
                Worked::Outcome(_) | Worked::Failed(_) => {}
            }
        }
        let attempts = work.attempts();
        if work.crashed && self.options.retry.delay(attempts).is_none() {
            let reason = format!(
                "the process ended while it was handled alone, which was the last of {attempts} attempts"
            );
            return self.bury(work, &Failed::because(reason)).await;
        }
        self.work(work).await;
        drop(ticket);
    }

    /// Runs the handler until the message is settled, or left to a later delivery.
    async fn work(&self, work: &Work) {
        loop {
            let _in_flight = self.meters.in_flight.guard();
            if !self.service.alive() {
                return self.hand_back(work).await;
            }
            let Some(decoded) = self.decode(work) else {
                // A type that this consumer does not take.
                return self.settled(work).await;
            };
            let received = match decoded {
                Ok(received) => received,
                Err(reason) => {
                    return self.bury(work, &Failed::because(format!("malformed: {reason}"))).await;
                }
            };
            let began = Instant::now();
            let of = Handling {
                message: work.message(),
                headers: &work.delivered.message.headers,
                consumer: &self.durable,
                deliveries: Some(work.delivered.deliveries),
            };
            let attempt = traces::handled(of, self.attempt(received), failure);
            let worked = self.guarded(work, attempt).await;
            self.meters.seconds.observe(began.elapsed().as_secs_f64());
            let Then::Again(delay) = self.judge(work, worked).await else { return };
            let delay = delay.min(LONGEST_DELAY);
            self.count(work, "retried");
            if !self.options.by_key {
                return self.again_after(work, delay).await;
            }
            // In its lane the message waits here, so that those behind it wait too.
            self.note(work).await;
            let wait = async {
                tokio::time::sleep(delay).await;
                Worked::Outcome(Outcome::Done)
            };
            match self.guarded(work, wait).await {
                Worked::Stopped => return self.hand_back(work).await,
                Worked::Lost => return,
                Worked::Outcome(_) | Worked::Failed(_) => {}
            }
        }
    }

    /// Does what the outcome of an attempt asks for, except for a retry.
    async fn judge(&self, work: &Work, worked: Worked) -> Then {
        let sequence = work.origin.sequence;
        match worked {
            Worked::Stopped => self.hand_back(work).await,
            Worked::Lost => {
                self.count(work, "lost");
                // The handler was cancelled. Another instance may have the entry by now.
                self.ends_here(work);
                debug!(self.service.log(), "a message was left to another instance, since no sign of life was confirmed in time"; "consumer" => &self.durable, "sequence" => sequence);
            }
            Worked::Outcome(Outcome::Done) => self.finish(work, "done").await,
            Worked::Outcome(Outcome::Drop(reason)) => {
                debug!(self.service.log(), "a message was dropped"; "consumer" => &self.durable, "sequence" => sequence, "reason" => reason);
                self.finish(work, "dropped").await;
            }
            Worked::Outcome(Outcome::DeadLetter(reason)) => {
                work.known.lock().attempted();
                self.bury(work, &Failed::because(reason)).await;
            }
            Worked::Outcome(Outcome::RetryAfter(delay)) => {
                work.known.lock().attempted();
                return Then::Again(delay);
            }
            Worked::Failed(failed) => {
                work.known.lock().attempted();
                let attempts = work.attempts();
                match self.options.retry.delay(attempts).filter(|_| !failed.for_good) {
                    Some(delay) => {
                        debug!(self.service.log(), "a message is tried again"; "consumer" => &self.durable, "sequence" => sequence, "attempts" => attempts, "reason" => &failed.reason);
                        return Then::Again(delay);
                    }
                    None => self.bury(work, &failed).await,
                }
            }
        }
        Then::Over
    }

    fn decode(&self, work: &Work) -> Option<Result<Types::Received, String>> {
        let Work { delivered, origin, .. } = work;
        let now = self.context.transport.wall_clock();
        let age = now.duration_since(delivered.stored_at).unwrap_or_default();
        self.meters.age.observe(age.as_secs_f64());
        let deliveries = delivered.deliveries.max(work.attempts() + 1);
        let raw =
            RawMessage { delivered, sequence: origin.sequence, deliveries, limits: self.context.limits };
        Types::decode(&raw).map(|decoded| decoded.map_err(|error| error.to_string()))
    }

    /// One run of the handler, within its longest time.
    async fn attempt(&self, received: Types::Received) -> Worked {
        let run = AssertUnwindSafe(async { (self.handler)(received).await }).catch_unwind();
        let failed = match timeout(self.options.max_run, run).await {
            Ok(Ok(Ok(outcome))) => return Worked::Outcome(outcome),
            Ok(Ok(Err(error))) => Failed {
                for_good: matches!(error.error_type(), ErrorType::Config | ErrorType::Bug)
                    || error.is(&crate::errors::MESSAGE_MALFORMED),
                reason: error.to_string(),
                error: Some(error),
            },
            Ok(Err(panic)) => {
                Failed::because(format!("the handler panicked: {}", panic_text(panic.as_ref())))
            }
            Err(_) => Failed::because(format!(
                "the handler ran for longer than {:?}, and was cancelled",
                self.options.max_run
            )),
        };
        Worked::Failed(failed)
    }

    /// Does work on a delivery while signs of life are sent, until the grace after the service was killed is over.
    pub(super) async fn guarded(&self, work: &Work, does: impl Future<Output = Worked>) -> Worked {
        let stopped = async {
            self.service.dying().await;
            tokio::time::sleep(self.options.stop_grace).await;
        };
        tokio::select! {
            biased;
            worked = does => worked,
            () = self.signs_of_life(&work.life, &work.delivered.token) => Worked::Lost,
            () = stopped => Worked::Stopped,
        }
    }

    /// Waits for something while signs of life are sent.
    pub(super) async fn alive_while<T>(
        &self,
        life: &Life,
        token: &AckToken,
        wait: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::select! {
            biased;
            value = wait => Some(value),
            () = self.signs_of_life(life, token) => None,
        }
    }

    /// Sends a sign of life at half of the ack wait. Ends when the order could be at risk (invariant 6).
    async fn signs_of_life(&self, life: &Life, token: &AckToken) {
        loop {
            tokio::time::sleep_until(life.next()).await;
            life.sign(&*self.context.transport, token).await;
            if self.is_too_late(life) {
                return;
            }
        }
    }

    /// A message that was handled.
    async fn finish(&self, work: &Work, outcome: &str) {
        self.count(work, outcome);
        let ran_alone = {
            let mut known = work.known.lock();
            let ran_alone = known.alone;
            known.ended();
            ran_alone
        };
        if ran_alone {
            // Before the acknowledgement, which may get lost: without this the next delivery would count a crash.
            self.note(work).await;
        }
        self.settled(work).await;
        self.ended(work, false);
    }

    /// Whether a stale handler could break an order now (invariant 6).
    pub(super) fn is_too_late(&self, life: &Life) -> bool {
        self.options.keeps_an_order() && life.is_over()
    }

    /// Notes for this instance alone that the delivery has a known end.
    pub(super) fn ends_here(&self, work: &Work) {
        let mut known = work.known.lock();
        known.ended();
        self.attempts.note_here(&work.feed, &work.delivered, &known);
    }

    /// Delivers a message again after this time.
    async fn again_after(&self, work: &Work, delay: Duration) {
        if delay > LONGEST_NAK && !self.options.keeps_order() && self.store_retry(work, delay).await {
            return self.settled(work).await;
        }
        self.note(work).await;
        self.settle(work, Settlement::Nak(delay)).await;
    }

    /// Removes a message from what waits for this consumer.
    pub(super) async fn settled(&self, work: &Work) {
        let Work { feed, delivered, .. } = work;
        // In this order: what is deleted is not delivered again, whatever becomes of the acknowledgement.
        let deleted = !feed.removes() || self.delete(work).await;
        let known = *work.known.lock();
        if deleted && self.settle(work, Settlement::Ack).await {
            self.attempts.forget(feed, delivered.sequence, &known).await;
        } else {
            // It comes again, and what is known of it still counts.
            self.attempts.note_here(feed, delivered, &known);
        }
    }

    async fn delete(&self, work: &Work) -> bool {
        for _ in 0..CONFIRMATIONS {
            let deleted = self.context.transport.stream_delete(&work.feed.stream, work.delivered.sequence);
            if matches!(timeout(CONFIRMATION, deleted).await, Ok(Ok(_))) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// Says what becomes of a delivery, and returns whether that is confirmed. If it is not, the message comes again after its ack
    /// wait, which costs nothing but time.
    pub(super) async fn settle(&self, work: &Work, settlement: Settlement) -> bool {
        let began = Instant::now();
        for _ in 0..CONFIRMATIONS {
            // Invariant 6.
            if self.is_too_late(&work.life) {
                return false;
            }
            let token = work.delivered.token.clone();
            let settled = self.context.transport.settle(token, settlement, CONFIRMATION);
            match timeout(CONFIRMATION, settled).await {
                Ok(Ok(())) => return true,
                // It did not leave this process.
                Ok(Err(TransportError::NotConnected)) => {}
                _ if self.may_be_stale(settlement, began) => return false,
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// Whether another instance could have the message before this settlement arrives once more. An earlier one without an answer
    /// may have counted. A late nak would deliver the message a second time, beside the first or after those behind it.
    fn may_be_stale(&self, settlement: Settlement, began: Instant) -> bool {
        match settlement {
            Settlement::Nak(delay) => self.options.keeps_order() && began.elapsed() + CONFIRMATION >= delay,
            Settlement::Ack | Settlement::Progress | Settlement::Term => false,
        }
    }

    /// Gives a message back, so that another instance gets it at once.
    pub(super) async fn hand_back(&self, work: &Work) {
        self.count(work, "handed_back");
        if work.delivered.deliveries > 1 {
            work.known.lock().ended();
            self.note(work).await;
        } else {
            // One end may be unknown to the others.
            self.ends_here(work);
        }
        self.settle(work, Settlement::Nak(Duration::ZERO)).await;
    }

    /// Tells the other instances what is known of a message.
    pub(super) async fn note(&self, work: &Work) {
        let mut known = *work.known.lock();
        self.attempts.note(&work.feed, &work.delivered, &mut known).await;
        *work.known.lock() = known;
    }

    /// Counts for the pause.
    pub(super) fn ended(&self, work: &Work, dead: bool) {
        if self.entered.member.pauses.ended(dead, Instant::now()) {
            error!(self.service.log(), "half of the last 50 messages became dead letters: the consumer pauses for 30 s";
                "event" => CONSUMER_PAUSES.hex(), "consumer" => &self.durable, "sequence" => work.origin.sequence);
        }
    }
}
