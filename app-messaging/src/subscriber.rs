//! Subscribers of events, and responders of requests.

mod answers;

use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::*;
use app_metrics::Counter;
use capnp::message::{Builder, HeapAllocator};
use capnp::traits::Owned;
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::answers::{RequestHandler, answer, publish, write_failure};
use crate::context::Context;
use crate::discovery::Responders;
use crate::errors::{AskError, AskFailure};
use crate::ids::{HANDLER_FAILED, SUBSCRIPTION_DROPS};
use crate::message::{Message, panic_text, read_payload};
use crate::pace::Pace;
use crate::traces::{self, HandlerFailure, Handling};
use crate::transport::{Incoming, Outgoing, Subscription, TransportError};
use crate::types::{EventMessage, MessageInfo, MessageType, RequestMessage};
use crate::wire::{Payload, filter, header};

/// How many messages wait for a slow handler. Newer ones are dropped, and counted.
pub const SUBSCRIPTION_CAPACITY: usize = 1024;

/// How many requests a responder handles at once.
pub const RESPONDER_MAX_IN_FLIGHT: usize = 64;

/// How long a handler of a responder may run by default. Its caller waits for less as a rule.
const RESPONDER_MAX_RUN: Duration = Duration::from_secs(600);

/// How long a stop may answer requests that did not begin.
const REFUSALS: Duration = Duration::from_secs(2);

/// How long nothing more may have come of a subscription that ended.
const QUIET: Duration = Duration::from_millis(100);

/// The first and the longest pause before a subscription is made again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// The words that an answer begins with. Most answers need no more.
const FIRST_WORDS: u32 = 64;

/// The outcome of what was handled.
const DONE: &str = "done";

/// A subscriber of one type of events, before it starts.
#[must_use = "a subscriber does nothing before `start`"]
pub struct Subscriber<T> {
    context: Arc<Context>,
    of: PhantomData<fn() -> T>,
}

impl<T: EventMessage> Subscriber<T> {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context, of: PhantomData }
    }

    /// Calls the handler for each event, one after another, until the service ends. Every instance gets every event.
    ///
    /// An error or a panic of the handler is counted, and logged every ten seconds at most. While the handler is slow, 1,024 events wait; newer ones are
    /// dropped and counted.
    ///
    /// # Errors
    /// `ServiceNotAlive` when the service is dead.
    pub fn start<H, Run>(self, service: &Service, handler: H) -> Result<(), Error>
    where
        H: Fn(Message<T>) -> Run + Send + Sync + 'static,
        Run: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let (context, me) = (self.context, service.clone());
        service.spawn(format!("subscriber {}", T::INFO.name()), async move {
            let mut listens = Listens::new(context, me, T::INFO, None, "subscriber");
            while let Some(incoming) = listens.next().await {
                listens.event::<T, _, _>(&handler, incoming).await;
            }
        })
    }
}

/// A responder for one type of requests, before it starts.
#[must_use = "a responder does nothing before `start`"]
pub struct Responder<T> {
    context: Arc<Context>,
    max_run: Duration,
    of: PhantomData<fn() -> T>,
}

impl<T: RequestMessage> Responder<T> {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context, max_run: RESPONDER_MAX_RUN, of: PhantomData }
    }

    /// How long a handler may run. Then it is cancelled, and an error is the answer. The default is 10 minutes.
    pub fn max_run(mut self, time: Duration) -> Self {
        self.max_run = time;
        self
    }

    /// Answers requests until the service ends, up to 64 at once. One instance of the service answers each request.
    ///
    /// An error or a panic of the handler is the answer; the caller gets [`AskFailure::Failed`]. So it does when the service stops
    /// before the request began.
    ///
    /// # Errors
    /// `ServiceNotAlive` when the service is dead.
    pub fn start<H, Run>(self, service: &Service, handler: H) -> Result<(), Error>
    where
        H: Fn(Message<T>) -> Run + Send + Sync + 'static,
        Run: Future<Output = Result<Answer<T>, Error>> + Send + 'static,
    {
        let (context, me, max_run) = (self.context, service.clone(), self.max_run);
        let answering = Arc::new(RequestHandler { handler, max_run, failures: Mutex::default() });
        let slots = Arc::new(Semaphore::new(RESPONDER_MAX_IN_FLIGHT));
        let listed = Responders::list(service, T::INFO);
        service.spawn(format!("responder {}", T::INFO.name()), async move {
            let queue = Some(T::INFO.of().hex());
            let mut listens = Listens::new(context, me, T::INFO, queue, "responder");
            while let Some(incoming) = listens.next().await {
                let slot = tokio::select! {
                    biased;
                    () = listens.service.dying() => None,
                    slot = Arc::clone(&slots).acquire_owned() => slot.ok(),
                };
                let Some(slot) = slot else {
                    listens.refuse(&incoming).await;
                    break;
                };
                let (context, answering) = (Arc::clone(&listens.context), Arc::clone(&answering));
                let counted = Arc::clone(&listed.responding);
                let work = async move {
                    counted.count(answer::<T, _, _>(&context, &answering, incoming)).await;
                    drop(slot);
                };
                // Only a dead service refuses it. Then the request has no answer in time.
                let _ = listens.service.spawn(format!("responder {}: request", T::INFO.name()), work);
            }
            listens.refuse_rest().await;
        })
    }
}

/// A subscription that is made again when it ends.
struct Listens {
    context: Arc<Context>,
    service: Service,
    info: &'static MessageInfo,
    queue: Option<String>,
    consumer: &'static str,
    subscription: Option<Subscription>,
    pause: Duration,
    drops: Pace,
    failures: Pace,
    received: Option<Counter>,
    done: Option<Counter>,
}

impl Listens {
    fn new(
        context: Arc<Context>,
        service: Service,
        info: &'static MessageInfo,
        queue: Option<String>,
        consumer: &'static str,
    ) -> Self {
        let received = context.metrics.received.with([info.name(), consumer]).ok();
        let done = context.metrics.handled.with([info.name(), consumer, DONE]).ok();
        let (drops, failures) = (Pace::default(), Pace::default());
        let (subscription, pause) = (None, PAUSES.0);
        Self { context, service, info, queue, consumer, subscription, pause, drops, failures, received, done }
    }

    /// The next message. `None` when the service is dying.
    async fn next(&mut self) -> Option<Incoming> {
        loop {
            let Some(subscription) = &mut self.subscription else {
                self.subscribe().await?;
                continue;
            };
            let incoming = tokio::select! {
                biased;
                () = self.service.dying() => return None,
                incoming = subscription.messages.recv() => incoming,
            };
            let dropped = subscription.take_dropped();
            self.report(dropped);
            match incoming {
                Some(incoming) => {
                    if let Some(received) = &self.received {
                        received.inc();
                    }
                    return Some(incoming);
                }
                None => self.subscription = None,
            }
        }
    }

    /// Subscribes, or waits before the next try. `None` when the service is dying.
    async fn subscribe(&mut self) -> Option<()> {
        let subject = filter(self.context.identity.domain, self.info.of(), self.info.id(), None);
        let made = self.context.transport.subscribe(subject, self.queue.clone(), SUBSCRIPTION_CAPACITY).await;
        if let Ok(subscription) = made {
            self.pause = PAUSES.0;
            self.subscription = Some(subscription);
            return Some(());
        }
        tokio::select! {
            () = self.service.dying() => return None,
            () = tokio::time::sleep(self.pause) => {}
        }
        self.pause = (self.pause * 2).min(PAUSES.1);
        Some(())
    }

    fn report(&mut self, dropped: u64) {
        if dropped == 0 {
            return;
        }
        if let Ok(counter) = self.context.metrics.dropped.with([self.info.name()]) {
            counter.add(dropped);
        }
        if let Some(dropped) = self.drops.take(dropped) {
            warn!(self.service.log(), "messages were dropped because the handler is too slow; make it faster, or store them in a stream";
                "event" => SUBSCRIPTION_DROPS.hex(), "type" => self.info.name(), "dropped" => dropped);
        }
    }

    async fn event<T, H, Run>(&mut self, handler: &H, incoming: Incoming)
    where
        T: EventMessage,
        H: Fn(Message<T>) -> Run,
        Run: Future<Output = Result<(), Error>>,
    {
        let failed = match Message::decode(&incoming, None, 1, self.context.limits) {
            Ok(message) => {
                let of = handling(self.info, &incoming, self.consumer);
                let handled = handled(of, self.info, async { handler(message).await }).await;
                handled.err().map(|error| error.to_string())
            }
            Err(error) => Some(error.to_string()),
        };
        let Some(failed) = failed else {
            if let Some(done) = &self.done {
                done.inc();
            }
            return;
        };
        count(&self.context, self.info, self.consumer, "failed");
        if let Some(failures) = self.failures.take(1) {
            error!(self.service.log(), "an event was not handled"; "event" => HANDLER_FAILED.hex(), "type" => self.info.name(), "failures" => failures, "reason" => failed);
        }
    }

    /// Answers a request that does not begin, so that its caller can ask another instance.
    async fn refuse(&self, incoming: &Incoming) {
        let Some(reply) = &incoming.reply else { return };
        count(&self.context, self.info, self.consumer, "dropped");
        let told = "the service stops; ask again";
        let stops = errors::SERVICE_NOT_AVAILABLE.error(self.info.of()).message(told).build();
        let mut headers = self.context.headers(self.info, None);
        let payload = write_failure(&mut headers, &stops);
        publish(&self.context, Outgoing { subject: reply.to_string(), reply: None, headers, payload }).await;
    }

    /// Ends the subscription, and answers the requests that came and did not begin.
    async fn refuse_rest(&mut self) {
        let Some(Subscription { mut messages, _guard: guard, .. }) = self.subscription.take() else { return };
        drop(guard);
        let refuses = async {
            while let Ok(Some(incoming)) = timeout(QUIET, messages.recv()).await {
                self.refuse(&incoming).await;
            }
        };
        // Those that are left have no answer in time.
        let _ = timeout(REFUSALS, refuses).await;
    }
}

/// What the span of a handler says.
fn handling<'a>(info: &MessageInfo, incoming: &'a Incoming, consumer: &'a str) -> Handling<'a> {
    Handling { message: info.id(), headers: &incoming.headers, consumer, deliveries: None }
}

/// Runs a handler in its span. A panic becomes an error.
async fn handled<R>(
    of: Handling<'_>,
    info: &MessageInfo,
    run: impl Future<Output = Result<R, Error>>,
) -> Result<R, Error> {
    let work = async {
        AssertUnwindSafe(run).catch_unwind().await.unwrap_or_else(|panic| {
            let told = format!("the handler panicked: {}", panic_text(panic.as_ref()));
            Err(errors::BUG.error(info.of()).message(told).build())
        })
    };
    traces::handled(of, work, |result| result.as_ref().err().map(HandlerFailure::Error)).await
}

fn count(context: &Context, info: &MessageInfo, consumer: &str, outcome: &str) {
    if let Ok(counter) = context.metrics.handled.with([info.name(), consumer, outcome]) {
        counter.inc();
    }
}

/// The answer to a request: made by a responder, or read by the caller.
pub struct Answer<T: RequestMessage> {
    content: Content<T::Answer>,
}

enum Content<S> {
    Made(Builder<HeapAllocator>),
    Read(Payload<S>),
}

impl<T: RequestMessage> Answer<T> {
    /// Makes an answer.
    ///
    /// ```
    /// # use app_core::prelude::*;
    /// # use quota_schema::quota_capnp::{quota_rule, quota_spec};
    /// # const SHOP: ServiceId = ServiceId::new(7);
    /// # app_messaging::message! {
    /// #     pub struct RulesOf(quota_rule::Owned) -> quota_spec::Owned; id: 0x881d_7968_594e_cafb, of: SHOP, name: "rules_of", kind: Request
    /// # }
    /// use app_messaging::{Answer, Messaging};
    ///
    /// fn answer_all(service: &Service, messaging: &Messaging) -> Result<(), Error> {
    ///     messaging.responder::<RulesOf>().start(service, |_ask| async {
    ///         Ok(Answer::<RulesOf>::new(|answer| drop(answer.reborrow().init_rules(3))))
    ///     })
    /// }
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn new(fill: impl FnOnce(&mut <T::Answer as Owned>::Builder<'_>)) -> Self {
        let mut message = Builder::new(HeapAllocator::new().first_segment_words(FIRST_WORDS));
        fill(&mut message.init_root::<<T::Answer as Owned>::Builder<'_>>());
        Self { content: Content::Made(message) }
    }

    /// Reads values of the answer. They have to be copied out: what the reader borrows ends with the function.
    ///
    /// # Errors
    /// [`MESSAGE_MALFORMED`](crate::errors::MESSAGE_MALFORMED), when the function returns an error.
    pub fn read<R>(
        &self,
        read: impl FnOnce(<T::Answer as Owned>::Reader<'_>) -> capnp::Result<R>,
    ) -> Result<R, Error> {
        match &self.content {
            Content::Read(payload) => read_payload(payload, T::INFO, read),
            Content::Made(message) => {
                let value = message.get_root_as_reader().and_then(read);
                value.map_err(|error| {
                    let told = format!("answer to {}: can't be read: {error}", T::INFO.describe());
                    crate::errors::MESSAGE_MALFORMED.error(T::INFO.of()).message(told).build()
                })
            }
        }
    }
}

impl<T: RequestMessage> std::fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("to", &T::INFO.name()).finish_non_exhaustive()
    }
}

/// Asks, and returns the answer.
pub(crate) async fn ask<T: RequestMessage>(
    context: &Context,
    made: Result<Outgoing, AskError>,
    within: Duration,
) -> Result<Answer<T>, AskError> {
    let asked = timeout(within, context.transport.request(made?, within)).await;
    let incoming =
        asked.unwrap_or(Err(TransportError::NoAnswer)).map_err(|error| AskError::of(&error, T::INFO))?;
    let error = incoming.headers.get(header::ERROR).and_then(|id| u64::from_str_radix(id, 16).ok());
    if error.is_some() || incoming.headers.get(header::SERVICE_ERROR).is_some() {
        let text = String::from_utf8_lossy(&incoming.payload);
        let text: String = app_errors::one_line(&text).to_string().chars().take(1024).collect();
        return Err(AskError::new(
            AskFailure::Failed(ErrorId::new(error.unwrap_or_default())),
            T::INFO,
            text,
        ));
    }
    let payload = Payload::decode(&incoming.payload, context.limits);
    let payload =
        payload.map_err(|error| AskError::new(AskFailure::Malformed, T::INFO, error.to_string()))?;
    Ok(Answer { content: Content::Read(payload) })
}

/// The question, ready to be sent.
pub(crate) fn question<T: MessageType>(
    context: &Context,
    fill: impl FnOnce(&mut <T::Schema as Owned>::Builder<'_>),
) -> Result<Outgoing, AskError> {
    let made = context.make::<T>(fill, None).map(|made| made.outgoing);
    made.map_err(|error| AskError::new(AskFailure::TooLarge, T::INFO, error.reason()))
}
