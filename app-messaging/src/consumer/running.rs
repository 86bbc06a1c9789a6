//! A consumer that runs: it provides the consumer, and asks for messages while there are free slots.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::*;
use app_ids::StreamId;
use app_metrics::{Counter, CounterVector, Gauge, Histogram};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::attempts::Attempts;
use super::builder::Options;
use super::delivery::Life;
use super::lanes::{Lanes, Ticket};
use super::outcome::Outcome;
use super::pauses::{Entered, Pause};
use super::received::Consumed;
use crate::context::Context;
use crate::ids::{CONSUMER_RESUMES, CONSUMER_WAITS};
use crate::metrics::MessagingMetrics;
use crate::transport::{ConsumerConfig, Delivered, Pull, Settlement, TransportError};
use crate::wire::Subject;

/// How long one pull waits for messages.
const PULL: Duration = Duration::from_secs(30);

/// The first and the longest pause after a call failed.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How often the gauges of what waits are read.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// The metrics of one consumer.
pub(super) struct Meters {
    pub(super) received: Counter,
    pub(super) handled: CounterVector,
    pub(super) seconds: Histogram,
    pub(super) age: Histogram,
    pub(super) in_flight: Gauge,
    pending: Gauge,
    ack_pending: Gauge,
    pub(super) paused: Gauge,
}

impl Meters {
    pub(super) fn of(metrics: &MessagingMetrics, consumer: &str) -> Result<Self, Error> {
        // From the start, so that the first dead letter is an increase.
        metrics.handled.with([consumer, "dead_lettered"])?;
        Ok(Self {
            received: metrics.received.with([consumer])?,
            handled: metrics.handled.clone(),
            seconds: metrics.handle_seconds.with([consumer])?,
            age: metrics.age_seconds.with([consumer])?,
            in_flight: metrics.in_flight.with([consumer])?,
            pending: metrics.pending.with([consumer])?,
            ack_pending: metrics.ack_pending.with([consumer])?,
            paused: metrics.paused.with([consumer])?,
        })
    }
}

/// A consumer that runs.
pub(super) struct Running<Types, H> {
    pub(super) context: Arc<Context>,
    pub(super) service: Service,
    pub(super) handler: H,
    pub(super) options: Options,
    pub(super) task: String,
    pub(super) stream: String,
    pub(super) stream_id: StreamId,
    pub(super) durable: String,
    pub(super) config: ConsumerConfig,
    pub(super) entered: Entered,
    pub(super) meters: Meters,
    pub(super) slots: Arc<Semaphore>,
    pub(super) attempts: Attempts,
    pub(super) lanes: Lanes,
    pub(super) types: PhantomData<fn() -> Types>,
}

/// Waits until the consumer pauses.
async fn paused(pauses: &mut watch::Receiver<Option<Pause>>) {
    // An error would mean that the consumer is gone, and this task with it.
    let _ = pauses.wait_for(Option::is_some).await.map(drop);
}

/// Why a pull ended.
enum Ended {
    Dying,
    Paused,
    /// All that was asked for came, or the time is over.
    Over,
    Failed(TransportError),
}

impl<Types, H, Run> Running<Types, H>
where
    Types: Consumed,
    H: Fn(Types::Received) -> Run + Send + Sync + 'static,
    Run: Future<Output = Result<Outcome, Error>> + Send + 'static,
{
    pub(super) async fn run(self: Arc<Self>) {
        let mut pause = PAUSES.0;
        let mut provided = false;
        let mut looked: Option<Instant> = None;
        let mut told = false;
        while self.goes_on().await {
            let ended = if provided {
                self.look(&mut looked).await;
                self.pull().await
            } else {
                let made = self.context.transport.ensure_consumer(&self.stream, self.config.clone()).await;
                provided = made.is_ok();
                made.err().map_or(Ended::Over, Ended::Failed)
            };
            let Ended::Failed(error) = ended else {
                (pause, told) = (PAUSES.0, false);
                continue;
            };
            // It may have been deleted: make it again.
            provided = provided && !matches!(error, TransportError::NotFound(_));
            if !std::mem::replace(&mut told, true) {
                warn!(self.service.log(), "the consumer gets no messages at the moment, and tries again";
                    "event" => CONSUMER_WAITS.hex(), "consumer" => &self.durable, "reason" => error.to_string());
            }
            tokio::select! {
                () = self.service.dying() => {}
                // Jitter, so that a fleet does not come back all at once.
                () = tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)) => {}
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Waits until the consumer may ask for messages. Returns false when the service is dying.
    async fn goes_on(&self) -> bool {
        let mut pauses = self.entered.pauses.watch();
        let mut paused = false;
        loop {
            if !self.service.alive() {
                return false;
            }
            let pause = pauses.borrow_and_update().clone();
            let until = match pause {
                None => break,
                Some(Pause::DeadLetters(until)) => until,
                Some(Pause::NotStored(_)) => Instant::now() + Duration::from_secs(3600),
            };
            paused = true;
            self.meters.paused.set(1.0);
            tokio::select! {
                () = self.service.dying() => return false,
                () = tokio::time::sleep_until(until) => self.entered.pauses.expire(Instant::now()),
                _ = pauses.changed() => {}
            }
        }
        if paused {
            self.meters.paused.set(0.0);
            info!(self.service.log(), "the consumer goes on after its pause"; "event" => CONSUMER_RESUMES.hex(), "consumer" => &self.durable);
        }
        // Invariant 3: one slot at least is free before anything is asked for.
        tokio::select! {
            () = self.service.dying() => false,
            slot = self.slots.acquire() => slot.is_ok(),
        }
    }

    async fn look(&self, looked: &mut Option<Instant>) {
        if looked.is_some_and(|when| when.elapsed() < LOOK_EVERY) {
            return;
        }
        *looked = Some(Instant::now());
        let state = self.context.transport.consumer_state(&self.stream, &self.durable).await;
        if let Ok(state) = state {
            self.meters.pending.set(state.pending as f64);
            self.meters.ack_pending.set(state.ack_pending as f64);
        }
    }

    /// Asks once for as many messages as there are free slots, and begins them.
    async fn pull(self: &Arc<Self>) -> Ended {
        // Only this task takes slots, so those that are free now stay free.
        let free = self.slots.available_permits();
        let opened = self.context.transport.pull(&self.stream, &self.durable, free, PULL).await;
        let mut pull = match opened {
            Ok(pull) => pull,
            Err(error) => return Ended::Failed(error),
        };
        let mut pauses = self.entered.pauses.watch();
        let ended = loop {
            tokio::select! {
                biased;
                () = self.service.dying() => break Ended::Dying,
                () = paused(&mut pauses) => break Ended::Paused,
                next = pull.next() => match next {
                    Ok(Some(delivered)) => {
                        if !self.begin(delivered).await {
                            break Ended::Dying;
                        }
                    }
                    Ok(None) => break Ended::Over,
                    Err(error) => break Ended::Failed(error),
                },
            }
        };
        self.hand_back_rest(pull).await;
        ended
    }

    /// Invariant 5.
    async fn hand_back_rest(&self, pull: Box<dyn Pull>) {
        for delivered in pull.close().await {
            self.hand_back(&delivered).await;
        }
    }

    /// Begins a message. Returns false when the service is dying; then the message was handed back.
    async fn begin(self: &Arc<Self>, delivered: Delivered) -> bool {
        self.meters.received.inc();
        self.meters.pending.set(delivered.pending as f64);
        let alone = self.attempts.is_suspicious(delivered.sequence, delivered.deliveries);
        // Invariant 4: it takes every slot.
        let wanted = if alone { u32::try_from(self.options.max_in_flight).unwrap_or(1) } else { 1 };
        let life = Life::begins();
        let slots = Arc::clone(&self.slots).acquire_many_owned(wanted);
        let slots = tokio::select! {
            biased;
            () = self.service.dying() => None,
            slots = self.alive_while(&delivered, &life, slots) => slots.ok(),
        };
        let Some(slots) = slots else {
            self.hand_back(&delivered).await;
            return false;
        };
        let ticket = self.ticket(&delivered);
        let (me, for_later) = (Arc::clone(self), delivered.clone());
        let work = async move {
            me.handle(delivered, life, ticket).await;
            drop(slots);
        };
        if self.service.spawn(self.task.clone(), work).is_err() {
            self.hand_back(&for_later).await;
            return false;
        }
        true
    }

    fn ticket(&self, delivered: &Delivered) -> Option<Ticket> {
        let subject = Subject::parse(&delivered.message.subject).filter(|_| self.options.by_key)?;
        Some(self.lanes.ticket(subject.key?.as_u64()))
    }

    /// Gives a message back, so that another instance gets it at once.
    pub(super) async fn hand_back(&self, delivered: &Delivered) {
        self.attempts.handed_back(delivered.sequence);
        self.count("handed_back");
        self.settle(delivered, Settlement::Nak(Duration::ZERO)).await;
    }

    pub(super) fn count(&self, outcome: &str) {
        if let Ok(counter) = self.meters.handled.with([self.durable.as_str(), outcome]) {
            counter.inc();
        }
    }
}
