//! The settings of a consumer, and its start.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::*;
use app_ids::StreamId;
use tokio::sync::Semaphore;

use super::attempts::Attempts;
use super::feed::{Feed, FeedKind, Stand, feeds};
use super::lanes::Lanes;
use super::members::{Consumers, Entered, Entering, MemberFeed};
use super::outcome::Outcome;
use super::received::Consumed;
use super::retry::Retry;
use super::running::{Meters, Running};
use crate::context::Context;
use crate::ids::MESSAGING_SERVICE_ID;
use crate::place::Place;
use crate::transport::DeliverPolicy;
use crate::types::{MessageInfo, StoredMessage};
use crate::wire::{PARTITIONS, consumer_name, is_consumer_name, stream_name};

/// How long a message may go without an acknowledgement or a sign of life.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// How many messages the whole fleet may have without an acknowledgement.
const MAX_ACK_PENDING: usize = 1024;

/// How many handlers run at once by default.
const MAX_IN_FLIGHT: usize = 64;

/// How long a handler may run by default.
const MAX_RUN: Duration = Duration::from_secs(600);

/// How long handlers may go on after the service was killed, by default. A service has 10 s to stop.
const STOP_GRACE: Duration = Duration::from_secs(8);

/// The settings of a durable consumer. `Types` are the types that it takes.
#[must_use = "a consumer does nothing before `start`"]
pub struct ConsumerBuilder<Types> {
    context: Arc<Context>,
    consumers: Arc<Consumers>,
    options: Options,
    types: PhantomData<fn() -> Types>,
}

/// The settings.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) name: String,
    pub(super) max_in_flight: usize,
    pub(super) max_ack_pending: usize,
    pub(super) ack_wait: Duration,
    pub(super) max_run: Duration,
    pub(super) stop_grace: Duration,
    pub(super) retry: Retry,
    pub(super) by_key: bool,
    ordered: bool,
    pub(super) partitioned: bool,
    pub(super) deliver: DeliverPolicy,
}

impl Options {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the fleet keeps an order through retries, so that a message that fails must not give way to others.
    pub(super) fn keeps_order(&self) -> bool {
        self.ordered || self.partitioned
    }

    /// Whether a stale handler could break an order: of the fleet, or of a key within this instance.
    pub(super) fn keeps_an_order(&self) -> bool {
        self.keeps_order() || self.by_key
    }

    /// Whatever was set after `ordered` or `partitioned`.
    fn settled(mut self) -> Self {
        if self.ordered {
            (self.max_in_flight, self.max_ack_pending) = (1, 1);
        } else if self.partitioned {
            (self.max_in_flight, self.max_ack_pending) = (PARTITIONS.into(), 1);
        } else {
            self.max_ack_pending = self.max_ack_pending.max(self.max_in_flight);
        }
        self
    }
}

impl ConsumerBuilder<()> {
    pub(crate) fn new(context: Arc<Context>, consumers: Arc<Consumers>, name: String) -> Self {
        let options = Options {
            name,
            max_in_flight: MAX_IN_FLIGHT,
            max_ack_pending: MAX_ACK_PENDING,
            ack_wait: ACK_WAIT,
            max_run: MAX_RUN,
            stop_grace: STOP_GRACE,
            retry: Retry::default(),
            by_key: false,
            ordered: false,
            partitioned: false,
            deliver: DeliverPolicy::All,
        };
        Self { context, consumers, options, types: PhantomData }
    }

    /// Takes messages of this type.
    pub fn of<T: StoredMessage>(self) -> ConsumerBuilder<(T,)> {
        self.with_types()
    }
}

impl<A: StoredMessage> ConsumerBuilder<(A,)> {
    /// Takes messages of this type too, of the same stream. The handler gets a [`OneOf2`](crate::OneOf2).
    pub fn of<T: StoredMessage>(self) -> ConsumerBuilder<(A, T)> {
        self.with_types()
    }
}

impl<A: StoredMessage, B: StoredMessage> ConsumerBuilder<(A, B)> {
    /// Takes messages of this type too, of the same stream. The handler gets a [`OneOf3`](crate::OneOf3).
    pub fn of<T: StoredMessage>(self) -> ConsumerBuilder<(A, B, T)> {
        self.with_types()
    }
}

impl<A: StoredMessage, B: StoredMessage, C: StoredMessage> ConsumerBuilder<(A, B, C)> {
    /// Takes messages of this type too, of the same stream. The handler gets a [`OneOf4`](crate::OneOf4).
    pub fn of<T: StoredMessage>(self) -> ConsumerBuilder<(A, B, C, T)> {
        self.with_types()
    }
}

impl<Types> ConsumerBuilder<Types> {
    fn with_types<More>(self) -> ConsumerBuilder<More> {
        let Self { context, consumers, options, .. } = self;
        ConsumerBuilder { context, consumers, options, types: PhantomData }
    }

    /// How many handlers of this instance run at once, 1 to 1024. The default is 64.
    pub fn max_in_flight(mut self, handlers: usize) -> Self {
        self.options.max_in_flight = handlers.clamp(1, 1024);
        self
    }

    /// How many messages the whole fleet may have without an acknowledgement, those that wait for a retry included. The default is
    /// 1024. With a limit near [`max_in_flight`](Self::max_in_flight), one instance may starve the others.
    pub fn max_ack_pending(mut self, messages: usize) -> Self {
        self.options.max_ack_pending = messages.max(1);
        self
    }

    /// When a message whose handler failed is tried again. The default is [`Retry::default`].
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = retry;
        self
    }

    /// How long a handler may run. Then it is cancelled, and the message is retried. The default is 10 minutes.
    pub fn max_run(mut self, time: Duration) -> Self {
        self.options.max_run = time;
        self
    }

    /// How long a message may go without a sign of life of this instance before another one gets it. At least 1 s; the default is
    /// 30 s. Handlers may run longer: a sign of life is sent at half of it.
    pub fn ack_wait(mut self, time: Duration) -> Self {
        self.options.ack_wait = time.max(Duration::from_secs(1));
        self
    }

    /// How long handlers may go on after the service was killed. Then they are cancelled, and their messages are handed back. Keep it
    /// below the stop timeout of the service. The default is 8 s.
    pub fn stop_grace(mut self, time: Duration) -> Self {
        self.options.stop_grace = time;
        self
    }

    /// Messages of one key run one after another in this instance, through their retries. Keys whose hashes are the same wait for
    /// each other. Messages of a type without a key do not wait.
    pub fn by_key(mut self) -> Self {
        self.options.by_key = true;
        self
    }

    /// One message at a time over the whole fleet, in the order of the stream, through retries. Other limits do not count then.
    pub fn ordered(mut self) -> Self {
        self.options.ordered = true;
        self
    }

    /// Messages of one key one after another over the whole fleet, in the order of the stream, through retries. Keys are in 16
    /// partitions by their hashes. Each partition has one message in flight, so a message that is retried stops its partition.
    /// Other limits do not count then. Messages of a type without a key are in no partition, so such a type is refused.
    ///
    /// The fleet reads the partitions by consumers of their own. So the name stands for a new consumer, which begins at the start.
    pub fn partitioned(mut self) -> Self {
        self.options.partitioned = true;
        self
    }

    /// Where a consumer that does not exist yet begins: at this sequence of the stream, in place of the oldest message.
    pub fn from_sequence(mut self, sequence: u64) -> Self {
        self.options.deliver = DeliverPolicy::FromSequence(sequence);
        self
    }

    /// Where a consumer that does not exist yet begins: at the first message that was stored at this time or later.
    pub fn from_time(mut self, time: std::time::SystemTime) -> Self {
        self.options.deliver = DeliverPolicy::FromTime(time);
        self
    }
}

impl<Types: Consumed> ConsumerBuilder<Types> {
    /// Calls the handler for every message, until the service ends.
    ///
    /// It does not wait for a server: it is fine to start while none can be reached. The tasks of the service are named after the
    /// consumer.
    ///
    /// # Errors
    /// `IllegalArgument` when the name is not allowed or taken, when the types are of different streams, when a type is named
    /// twice, or when a type of a `partitioned` consumer has no key. `ServiceNotAlive` when the service is dead.
    pub fn start<H, Run>(self, service: &Service, handler: H) -> Result<(), Error>
    where
        H: Fn(Types::Received) -> Run + Send + Sync + 'static,
        Run: Future<Output = Result<Outcome, Error>> + Send + 'static,
    {
        let Self { context, consumers, options, .. } = self;
        let infos = Types::infos();
        let named = options.name.clone();
        let admitted = admit(&context, &consumers, options, service.id(), &infos).map_err(|why| {
            let message = format!("consumer {named:?} of service {}: {why}", service.id().describe());
            errors::ILLEGAL_ARGUMENT.error(MESSAGING_SERVICE_ID).message(message).build()
        })?;
        let Admitted { options, durable, stream_id, stream, feeds, entered } = admitted;
        if context.place == Place::NoServer {
            // It gets nothing. The service has said so, and how to change it.
            let me = service.clone();
            return service.spawn(format!("consumer {}", options.name), async move {
                me.dying().await;
                drop(entered);
            });
        }
        let running = Arc::new(Running::<Types, H> {
            slots: Arc::new(Semaphore::new(options.max_in_flight)),
            attempts: Attempts::new(
                Arc::clone(&context.transport),
                Arc::clone(&context.streams),
                context.identity.domain,
            ),
            lanes: Lanes::default(),
            task: format!("consumer {}", options.name),
            meters: Meters::of(&context.metrics, &durable, &infos)?,
            stream,
            stream_id,
            durable,
            infos,
            feeds,
            entered,
            options,
            context,
            consumers,
            service: service.clone(),
            handler,
            types: PhantomData,
        });
        let task = running.task.clone();
        service.spawn(task, running.run())
    }
}

/// A consumer that may run.
struct Admitted {
    options: Options,
    durable: String,
    stream_id: StreamId,
    stream: String,
    feeds: Vec<Arc<Feed>>,
    entered: Entered,
}

/// Checks what was asked for, and enters the consumer. The error says what is wrong, with the cure.
fn admit(
    context: &Context,
    consumers: &Arc<Consumers>,
    options: Options,
    service: ServiceId,
    infos: &[&'static MessageInfo],
) -> Result<Admitted, String> {
    if !is_consumer_name(&options.name) {
        return Err("a name has 1 to 64 characters of a-z, 0-9, _ and -; choose another".to_owned());
    }
    let stream_id = one_stream(context, infos)?;
    if options.ordered && options.partitioned {
        return Err("it is ordered and partitioned; choose one".to_owned());
    }
    if let Some(info) = infos.iter().find(|info| options.partitioned && !info.has_key()) {
        return Err(format!(
            "it is partitioned, and message {} has no key; declare the type with `key`, or use `ordered`",
            info.describe()
        ));
    }
    let options = options.settled();
    let domain = context.identity.domain;
    let durable = consumer_name(service, &options.name);
    let stream = stream_name(domain, stream_id);
    let release = context.identity.release.as_u64();
    let stand = Stand { domain, service, release, stream: stream.clone() };
    let feeds: Vec<_> = feeds(&options, &stand, infos).into_iter().map(Arc::new).collect();
    let entering = Entering {
        durable: durable.clone(),
        stream_id,
        infos: infos.to_vec(),
        feeds: feeds.iter().map(|feed| member_feed(feed)).collect(),
    };
    let entered = consumers.enter(entering).map_err(|taken| match taken {
        None => "it runs already in this application; give one of them another name".to_owned(),
        Some(taken) => format!(
            "another consumer of this application has {taken} in the server; give one of them another name"
        ),
    })?;
    Ok(Admitted { options, durable, stream_id, stream, feeds, entered })
}

fn member_feed(feed: &Feed) -> MemberFeed {
    let is_aside = feed.kind != FeedKind::Stream;
    MemberFeed { stream: feed.stream.clone(), name: feed.config.name.clone(), is_aside }
}

/// The stream of all types.
fn one_stream(context: &Context, infos: &[&'static MessageInfo]) -> Result<StreamId, String> {
    let mut found: Option<StreamId> = None;
    for (index, info) in infos.iter().enumerate() {
        if infos[..index].iter().any(|other| other.id() == info.id()) {
            return Err(format!("it takes message {} twice; name it once", info.describe()));
        }
        let Some(stream) = context.catalog.stream_of(info.id()) else {
            return Err(format!(
                "no stream stores message {}; link the crate of its stream",
                info.describe()
            ));
        };
        if found.is_some_and(|found| found != stream.id()) {
            return Err(format!(
                "message {} is in another stream, {}; start a consumer of its own for it",
                info.describe(),
                stream.describe()
            ));
        }
        found = Some(stream.id());
    }
    found.ok_or_else(|| "it takes no type; name one with `of`".to_owned())
}

impl<Types> fmt::Debug for ConsumerBuilder<Types> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}
