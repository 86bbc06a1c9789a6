//! A consumer that runs: it provides its consumers in the server, and asks for messages while there are free slots.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::*;
use app_ids::StreamId;
use app_metrics::{CounterVector, Gauge, Histogram};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::attempts::Attempts;
use super::builder::Options;
use super::feed::{Feed, FeedKind};
use super::intake::{Buffered, Intake};
use super::lanes::{Lanes, Ticket};
use super::members::{Consumers, Entered};
use super::operators;
use super::outcome::Outcome;
use super::pauses::Pause;
use super::received::Consumed;
use super::work::{Life, Work, restored};
use crate::context::Context;
use crate::ids::{CONSUMER_RESUMES, CONSUMER_WAITS};
use crate::metrics::MessagingMetrics;
use crate::provision::{self, ProvisionError};
use crate::transport::{Delivered, Pull, Settlement, TransportError};
use crate::types::MessageInfo;
use crate::wire::{Subject, header};

/// How long one pull waits for messages.
const PULL: Duration = Duration::from_secs(30);

/// The first and the longest pause after a call failed.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How long nothing may have come for a pull that is to end.
const QUIET: Duration = Duration::from_millis(100);

/// How often a pause is looked at while its pull goes on.
const LOOK_AT_PAUSE: Duration = Duration::from_secs(1);

/// How long a pull waits for more free slots.
const GATHER: Duration = Duration::from_millis(1);

/// How often the gauges of what waits are read.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// The metrics of one consumer.
pub(super) struct Meters {
    pub(super) received: CounterVector,
    pub(super) handled: CounterVector,
    pub(super) seconds: Histogram,
    pub(super) age: Histogram,
    pub(super) in_flight: Gauge,
    pending: Gauge,
    ack_pending: Gauge,
    pub(super) paused: Gauge,
}

impl Meters {
    pub(super) fn of(
        metrics: &MessagingMetrics,
        consumer: &str,
        messages: &[&'static MessageInfo],
    ) -> Result<Self, Error> {
        // From the start, so that the first message and the first dead letter are increases.
        for message in messages {
            metrics.received.with([message.name(), consumer])?;
            metrics.handled.with([message.name(), consumer, "dead_lettered"])?;
        }
        Ok(Self {
            received: metrics.received.clone(),
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
    pub(super) consumers: Arc<Consumers>,
    pub(super) service: Service,
    pub(super) handler: H,
    pub(super) options: Options,
    pub(super) task: String,
    pub(super) stream: String,
    pub(super) stream_id: StreamId,
    pub(super) durable: String,
    /// The types that it takes.
    pub(super) infos: Vec<&'static MessageInfo>,
    pub(super) feeds: Vec<Arc<Feed>>,
    pub(super) entered: Entered,
    pub(super) meters: Meters,
    pub(super) slots: Arc<Semaphore>,
    pub(super) attempts: Attempts,
    pub(super) lanes: Lanes,
    pub(super) types: PhantomData<fn() -> Types>,
}

/// Waits until the consumer pauses.
async fn paused(pauses: &mut watch::Receiver<Pause>) {
    // An error would mean that the consumer is gone, and this task with it.
    let _ = pauses.wait_for(|pause| !pause.is_over()).await.map(drop);
}

/// Why a pull ended.
pub(super) enum Ended {
    Dying,
    Paused,
    /// All that was asked for came, or the time is over.
    Over,
    Failed(ProvisionError),
}

impl<Types, H, Run> Running<Types, H>
where
    Types: Consumed,
    H: Fn(Types::Received) -> Run + Send + Sync + 'static,
    Run: Future<Output = Result<Outcome, Error>> + Send + 'static,
{
    pub(super) async fn run(self: Arc<Self>) {
        let domain = self.context.identity.domain;
        tokio::select! {
            () = self.service.dying() => return,
            () = operators::look(&*self.context.transport, &self.consumers, domain, &self.durable) => {}
        }
        let reads = join_all(self.feeds.iter().map(|feed| self.read(feed)));
        tokio::select! {
            biased;
            _ = reads => {}
            () = self.look() => {}
        }
    }

    /// Reads one feed until the service ends.
    async fn read(self: &Arc<Self>, feed: &Arc<Feed>) {
        let mut pause = PAUSES.0;
        let (mut provided, mut paused) = (false, false);
        while self.goes_on(feed, paused).await {
            let ended = if provided {
                self.pull(feed).await
            } else {
                let provisioning = self.context.streams.provisioning();
                let made =
                    provision::consumer(&*self.context.transport, &feed.stream, &feed.config, provisioning)
                        .await;
                provided = made.is_ok();
                made.err().map_or(Ended::Over, Ended::Failed)
            };
            paused = matches!(ended, Ended::Paused);
            let Ended::Failed(error) = ended else {
                // Only a pull shows that it works.
                if provided {
                    pause = PAUSES.0;
                    self.entered.member.waits(feed.index, None);
                }
                continue;
            };
            self.gets_nothing(feed, &error);
            // It may have been deleted: make it again.
            provided = provided && !matches!(error, ProvisionError::Transport(TransportError::NotFound(_)));
            tokio::select! {
                () = self.service.dying() => {}
                // Jitter, so that a fleet does not come back all at once.
                () = tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)) => {}
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Notes that a feed gets no messages. One record for each time, not for each try.
    fn gets_nothing(&self, feed: &Feed, error: &ProvisionError) {
        if matches!(error, ProvisionError::Transport(TransportError::NotFound(_))) {
            self.context.streams.missed();
        }
        let reason = error.to_string();
        if self.entered.member.waits(feed.index, Some(reason.clone())) && feed.index == 0 {
            warn!(self.service.log(), "the consumer gets no messages at the moment, and tries again";
                "event" => CONSUMER_WAITS.hex(), "consumer" => &self.durable, "reason" => reason);
        }
    }

    /// Waits until the consumer may ask for messages; `paused` says that it paused until now. Returns false when the service is dying.
    async fn goes_on(&self, feed: &Feed, mut paused: bool) -> bool {
        let mut pauses = self.entered.member.pauses.watch();
        loop {
            if !self.service.alive() {
                return false;
            }
            let pause = pauses.borrow_and_update().clone();
            if pause.is_over() {
                break;
            }
            paused = true;
            self.meters.paused.set(1.0);
            let until = pause.until.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                () = self.service.dying() => return false,
                () = tokio::time::sleep_until(until) => self.entered.member.pauses.expire(Instant::now()),
                _ = pauses.changed() => {}
            }
        }
        if paused {
            self.meters.paused.set(0.0);
            if feed.index == 0 {
                info!(self.service.log(), "the consumer goes on after its pause"; "event" => CONSUMER_RESUMES.hex(), "consumer" => &self.durable);
            }
        }
        if feed.kind != FeedKind::Stream {
            // Rarely has something: it takes its slot when a message came, so that it holds none meanwhile.
            return true;
        }
        // Invariant 3: one slot at least is free before anything is asked for.
        let free = async {
            let one = self.slots.acquire().await.is_ok();
            // Handlers that are quick free more in a moment. Then one pull asks for all of them.
            let some = u32::try_from(self.options.max_in_flight / 4).unwrap_or(1);
            let _ = tokio::time::timeout(GATHER, self.slots.acquire_many(some)).await;
            one
        };
        tokio::select! {
            () = self.service.dying() => false,
            one = free => one,
        }
    }

    /// Reads the gauges again and again, also while every handler hangs or the consumer pauses.
    async fn look(&self) {
        let mut pause = PAUSES.0;
        loop {
            pause = match self.held().await {
                Ok((pending, ack_pending)) => {
                    self.meters.pending.set(pending as f64);
                    self.meters.ack_pending.set(ack_pending as f64);
                    LOOK_EVERY
                }
                // It may not be provided yet.
                Err(_) => (pause * 2).min(LOOK_EVERY),
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// What waits, and what is not settled, in all feeds together.
    async fn held(&self) -> Result<(u64, u64), TransportError> {
        let (mut pending, mut ack_pending) = (0, 0);
        for feed in &self.feeds {
            let state = self.context.transport.consumer_state(&feed.stream, &feed.config.name).await?;
            (pending, ack_pending) = (pending + state.pending, ack_pending + state.ack_pending);
        }
        Ok((pending, ack_pending))
    }

    /// Asks once for as many messages as there are free slots, and begins them.
    async fn pull(self: &Arc<Self>, feed: &Arc<Feed>) -> Ended {
        // Invariant 3.
        let most =
            if feed.config.max_ack_pending == 1 || feed.removes() { 1 } else { self.options.max_in_flight };
        let batch = self.slots.available_permits().clamp(1, most);
        let opened = self.context.transport.pull(&feed.stream, &feed.config.name, batch, PULL).await;
        let mut intake = match opened {
            Ok(pull) => Intake::new(pull, self.options.ack_wait),
            Err(error) => return Ended::Failed(error.into()),
        };
        // The server answered: it works.
        self.entered.member.waits(feed.index, None);
        let mut pauses = self.entered.member.pauses.watch();
        let ended = loop {
            tokio::select! {
                biased;
                () = self.service.dying() => break Ended::Dying,
                () = paused(&mut pauses) => break Ended::Paused,
                next = intake.next() => match next {
                    Ok(arrived) => {
                        let transport = &*self.context.transport;
                        if !intake.meanwhile(self.begin(feed, arrived), transport).await {
                            break Ended::Dying;
                        }
                    }
                    Err(ended) => break ended,
                },
            }
        };
        if matches!(ended, Ended::Paused) {
            self.meters.paused.set(1.0);
        }
        let (rest, mut pull) = intake.into_rest();
        for arrived in rest {
            self.hand_back_delivery(feed, arrived).await;
        }
        if matches!(ended, Ended::Dying | Ended::Paused) {
            self.empty(feed, &mut *pull).await;
        }
        for delivered in pull.close().await {
            self.hand_back_delivery(feed, self.arrives(delivered)).await;
        }
        ended
    }

    fn arrives(&self, delivered: Delivered) -> Buffered {
        Buffered { delivered, life: Life::begins(self.options.ack_wait) }
    }

    /// Invariant 5. A server may go on sending for the pull, also what running handlers hand back. So what comes is handed back, and
    /// counted, until the handlers are over and nothing comes any more.
    async fn empty(self: &Arc<Self>, feed: &Arc<Feed>, pull: &mut dyn Pull) {
        let pauses = &self.entered.member.pauses;
        let mut changes = pauses.watch();
        while pull.lingers() {
            let alive = self.service.alive();
            pauses.expire(Instant::now());
            if alive && changes.borrow_and_update().is_over() {
                return;
            }
            let runs = self.slots.available_permits() < self.options.max_in_flight;
            tokio::select! {
                biased;
                next = pull.next() => match next {
                    Ok(Some(delivered)) => self.hand_back_delivery(feed, self.arrives(delivered)).await,
                    Ok(None) | Err(_) => return,
                },
                () = self.service.dying(), if alive => {}
                _ = changes.changed(), if alive => {}
                () = tokio::time::sleep(if alive { LOOK_AT_PAUSE } else { QUIET }) => {
                    if !alive && !runs {
                        return;
                    }
                }
            }
        }
    }

    async fn hand_back_delivery(&self, feed: &Arc<Feed>, arrived: Buffered) {
        if let Some(work) = self.work_on(feed, arrived).await {
            self.hand_back(&work).await;
        }
    }

    /// What is to do with a delivery. `None` for one that is worked on here already, and for a retry that is not due.
    async fn work_on(&self, feed: &Arc<Feed>, arrived: Buffered) -> Option<Work> {
        let Buffered { delivered, life } = arrived;
        self.attempts.leaves(feed, delivered.sequence).await;
        // Of two deliveries the first settles both.
        let here = self.attempts.enter(feed, &delivered)?;
        let left = self.waits_for(feed, &delivered);
        let known = self.attempts.of(feed, &delivered);
        let known = self.alive_while(&life, &delivered.token, known).await?;
        let (delivered, origin) = restored(feed, delivered, self.context.identity.domain, &self.infos);
        let (feed, known) = (Arc::clone(feed), Mutex::new(known));
        let mut work = Work { feed, delivered, origin, known, life, crashed: false, _here: here };
        if let Some(left) = left {
            self.not_due(&work, left).await;
            return None;
        }
        if work.delivered.message.headers.get(header::DEAD_LEFT_OUT).is_some() {
            self.fetch(&mut work.delivered, work.origin.sequence).await;
        }
        Some(work)
    }

    /// Gives a retry back until it is due. Each is delivered once before it is due; any further such delivery has a known end too.
    async fn not_due(&self, work: &Work, left: Duration) {
        if work.delivered.deliveries > 1 {
            work.known.lock().ended();
            self.note(work).await;
        }
        self.settle(work, Settlement::Nak(left)).await;
    }

    /// Reads a payload that a replay leaves out from the stream of the message. If it is gone, the message is malformed.
    async fn fetch(&self, delivered: &mut Delivered, sequence: u64) {
        let found = self.context.transport.stream_next(&self.stream, sequence, None);
        if let Ok(Ok(Some(record))) = tokio::time::timeout(super::delivery::CONFIRMATION, found).await
            && record.sequence == sequence
        {
            delivered.message.payload = record.message.payload;
        }
    }

    fn waits_for(&self, feed: &Feed, delivered: &Delivered) -> Option<Duration> {
        if feed.kind == FeedKind::Retries { self.waits(delivered) } else { None }
    }

    /// Begins a message. Returns false when the service is dying; then the message was handed back.
    async fn begin(self: &Arc<Self>, feed: &Arc<Feed>, arrived: Buffered) -> bool {
        if feed.index == 0 && feed.config.max_ack_pending > 1 {
            // In between, as of the last message.
            self.meters.pending.set(arrived.delivered.pending as f64);
        }
        let Some(mut work) = self.work_on(feed, arrived).await else { return true };
        if let Ok(counter) = self.meters.received.with([self.type_of(&work), self.durable.as_str()]) {
            counter.inc();
        }
        self.count_crash(&mut work);
        // Invariant 4: it takes every slot.
        let alone = work.known.lock().is_suspicious(work.deliveries_to_begin());
        let wanted = if alone { self.options.max_in_flight } else { 1 };
        let slots = Arc::clone(&self.slots).acquire_many_owned(u32::try_from(wanted).unwrap_or(1));
        let slots = tokio::select! {
            biased;
            () = self.service.dying() => None,
            slots = self.alive_while(&work.life, &work.delivered.token, slots) => slots.and_then(Result::ok),
        };
        // Invariant 6: it may have waited for long behind others.
        let slots = slots.filter(|_| !self.is_too_late(&work.life));
        let Some(slots) = slots else {
            if self.service.alive() {
                // Another instance may have it by now.
                self.count(&work, "lost");
                self.ends_here(&work);
                return true;
            }
            self.hand_back(&work).await;
            return false;
        };
        if alone {
            // So that a crash counts, whichever instance gets the message then.
            work.known.lock().alone = true;
            self.note(&work).await;
        }
        self.spawn(work, slots).await
    }

    /// A message that began alone, and whose end nobody knows, took a process along.
    fn count_crash(&self, work: &mut Work) {
        let mut known = work.known.lock();
        if known.alone {
            known.attempted();
            work.crashed = true;
        }
    }

    async fn spawn(self: &Arc<Self>, work: Work, slots: OwnedSemaphorePermit) -> bool {
        let ticket = self.ticket(&work);
        let (me, work) = (Arc::clone(self), Arc::new(work));
        let mine = Arc::clone(&work);
        let handles = async move {
            me.handle(&mine, ticket).await;
            drop((mine, slots));
        };
        if self.service.spawn(self.task.clone(), handles).is_err() {
            self.hand_back(&work).await;
            return false;
        }
        true
    }

    fn ticket(&self, work: &Work) -> Option<Ticket> {
        let subject = Subject::parse(&work.delivered.message.subject).filter(|_| self.options.by_key)?;
        Some(self.lanes.ticket(subject.key?.as_u64()))
    }

    /// The name of the type, for metrics. A foreign type has none of its own, so that others can't make series.
    fn type_of(&self, work: &Work) -> &'static str {
        let message = work.message();
        self.infos.iter().find(|info| info.id() == message).map_or("other", |info| info.name())
    }

    pub(super) fn count(&self, work: &Work, outcome: &str) {
        if let Ok(counter) = self.meters.handled.with([self.type_of(work), self.durable.as_str(), outcome]) {
            counter.inc();
        }
    }
}
