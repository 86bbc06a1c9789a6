//! The settings of a consumer, and its start.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::*;
use app_ids::{DomainId, StreamId};
use tokio::sync::Semaphore;

use super::attempts::Attempts;
use super::lanes::Lanes;
use super::outcome::Outcome;
use super::pauses::Consumers;
use super::received::Consumed;
use super::retry::Retry;
use super::running::{Meters, Running};
use crate::context::Context;
use crate::ids::MESSAGING_SERVICE_ID;
use crate::place::Place;
use crate::transport::{ConsumerConfig, DeliverPolicy};
use crate::types::{MessageInfo, StoredMessage};
use crate::wire::{consumer_name, filter, is_consumer_name, stream_name};

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
    name: String,
    pub(super) max_in_flight: usize,
    max_ack_pending: usize,
    pub(super) ack_wait: Duration,
    pub(super) max_run: Duration,
    pub(super) stop_grace: Duration,
    pub(super) retry: Retry,
    pub(super) by_key: bool,
    pub(super) ordered: bool,
    deliver: DeliverPolicy,
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
    /// `IllegalArgument` when the name is not allowed or taken, when the types are of different streams, or when a type is named
    /// twice. `ServiceNotAlive` when the service is dead.
    pub fn start<H, Run>(self, service: &Service, handler: H) -> Result<(), Error>
    where
        H: Fn(Types::Received) -> Run + Send + Sync + 'static,
        Run: Future<Output = Result<Outcome, Error>> + Send + 'static,
    {
        let Self { context, consumers, mut options, .. } = self;
        let wrong = |why: String| {
            let message =
                format!("consumer {:?} of service {}: {why}", options.name, service.id().describe());
            Err(errors::ILLEGAL_ARGUMENT.error(MESSAGING_SERVICE_ID).message(message).build())
        };
        if !is_consumer_name(&options.name) {
            return wrong("a name has 1 to 64 characters of a-z, 0-9, _ and -; choose another".to_owned());
        }
        let infos = Types::infos();
        let stream = match one_stream(&context, &infos) {
            Ok(stream) => stream,
            Err(why) => return wrong(why),
        };
        let durable = consumer_name(service.id(), &options.name);
        let Some(entered) = consumers.enter(&durable) else {
            return wrong("it runs already in this application; give one of them another name".to_owned());
        };
        if context.place == Place::NoServer {
            // It gets nothing. The service has said so, and how to change it.
            let me = service.clone();
            return service.spawn(format!("consumer {}", options.name), async move {
                me.dying().await;
                drop(entered);
            });
        }
        if options.ordered {
            // Whatever was set after `ordered`.
            (options.max_in_flight, options.max_ack_pending) = (1, 1);
        }
        options.max_ack_pending = options.max_ack_pending.max(options.max_in_flight);
        let domain = context.identity.domain;
        let config = durable_config(&options, &durable, domain, &infos);
        let meters = Meters::of(&context.metrics, &durable)?;
        let running = Arc::new(Running::<Types, H> {
            slots: Arc::new(Semaphore::new(options.max_in_flight)),
            attempts: Attempts::default(),
            lanes: Lanes::default(),
            task: format!("consumer {}", options.name),
            stream: stream_name(domain, stream),
            stream_id: stream,
            durable,
            config,
            entered,
            meters,
            options,
            context,
            service: service.clone(),
            handler,
            types: PhantomData,
        });
        let task = running.task.clone();
        service.spawn(task, running.run())
    }
}

/// What the transport provides.
fn durable_config(
    options: &Options,
    durable: &str,
    domain: DomainId,
    infos: &[&'static MessageInfo],
) -> ConsumerConfig {
    // Several types have no filter: servers before 2.10 ignore a list of filters. Other types are acknowledged unread.
    let filter = match infos {
        [one] => Some(filter(domain, one.of(), one.id(), None)),
        _ => None,
    };
    ConsumerConfig {
        name: durable.to_owned(),
        filter,
        ack_wait: options.ack_wait,
        max_ack_pending: options.max_ack_pending,
        deliver: options.deliver,
    }
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
