//! The handle of the messaging service.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use app_core::{App, Identity, plugins::discovery::Discovery, prelude::*};
use app_ids::{MessageId, StreamId};
use capnp::traits::Owned;
use tokio::sync::Semaphore;

use crate::bucket::{Bucket, BucketError, BucketSpec};
use crate::catalog::Catalog;
use crate::config::{MessagingConfig, StreamStorage};
use crate::consumer::{
    ConsumerBuilder, Consumers, attempts_bucket, follow_pauses, pauses_bucket, waiting_streams,
};
use crate::context::Context;
use crate::discovery::{Asker, Instance, answer_requests};
use crate::errors::AskError;
use crate::ids::MESSAGING_SERVICE_ID;
use crate::lead::Leadership;
use crate::metrics::MessagingMetrics;
use crate::place::{NO_SERVER, Place};
use crate::provision::Streams;
use crate::sender::{Publisher, Sender};
use crate::subscriber::{Answer, Responder, Subscriber, ask, question};
use crate::transport::{BucketConfig, StreamConfig, StreamState, Transport, WhenFull};
use crate::types::{DEFAULT_DUPLICATE_WINDOW, EventMessage, RequestMessage, StoredMessage, StreamSpec};
use crate::wire::{Limits, dead_stream, dead_subject, filter, stream_name};

/// The pause before a stream that could not be made is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// The handle of the messaging service: `Dep<Messaging>`. Cheap to clone.
///
/// What a service starts with it belongs to that service: it ends with the service, and its tasks have names.
#[derive(Clone)]
pub struct Messaging {
    context: Arc<Context>,
    consumers: Arc<Consumers>,
    asker: Asker,
}

impl Exposed for Messaging {
    const SERVICE: ServiceId = MESSAGING_SERVICE_ID;
}

impl Messaging {
    pub(crate) async fn new(
        service: &Service,
        config: &MessagingConfig,
        catalog: Catalog,
        place: Place,
        transport: Arc<dyn Transport>,
        metrics: MessagingMetrics,
    ) -> Result<Self, Error> {
        let identity = *App::of(service).identity();
        let (streams, buckets) = wanted(&catalog, config, &identity);
        let streams = Arc::new(Streams::new(Arc::clone(&transport), config.provision, streams, buckets));
        let context = Context {
            transport,
            identity,
            place,
            limits: Limits::new(config.max_message_bytes),
            send_timeout: config.send_timeout,
            catalog,
            streams,
            metrics,
            waiting: Semaphore::new(config.max_waiting_acks),
            log: service.log().clone(),
        };
        let context = Arc::new(context);
        let asker = Asker::new(Arc::clone(&context), &config.inbox_prefix);
        let messaging = Self { context, consumers: Arc::default(), asker };
        if place != Place::NoServer {
            messaging.provide(service).await?;
        }
        Ok(messaging)
    }

    /// Provides the streams, and follows what operators decide about consumers.
    async fn provide(&self, service: &Service) -> Result<(), Error> {
        let context = &self.context;
        if context.catalog.streams().next().is_none() {
            return Ok(());
        }
        if context.place == Place::Inside {
            // In this process it fails only while a test takes the connection away.
            while !context.streams.provide(service.log()).await {
                tokio::time::sleep(PAUSE).await;
            }
        }
        let (streams, me) = (Arc::clone(&context.streams), service.clone());
        service.spawn("streams", async move { streams.keep(me).await })?;
        let (transport, consumers) = (Arc::clone(&context.transport), Arc::clone(&self.consumers));
        let (me, streams, domain) = (service.clone(), Arc::clone(&context.streams), context.identity.domain);
        service.spawn("pauses of consumers", follow_pauses(me, transport, streams, consumers, domain))
    }

    /// Lets other instances find this one, unless the config says otherwise, and this one the others.
    pub(crate) fn discover(&self, service: &Service, config: &MessagingConfig) -> Result<(), Error> {
        if config.publish_services {
            answer_requests(service, Arc::clone(&self.context), config.servers.clone())?;
        }
        Discovery::of(&App::of(service)).provide(self.asker.finder(service)?);
        Ok(())
    }

    /// Sends messages of this type to their stream: stored at least once.
    #[must_use]
    pub fn sender<T: StoredMessage>(&self) -> Sender<T> {
        Sender::new(Arc::clone(&self.context))
    }

    /// Publishes events of this type: at most once, to who listens now.
    #[must_use]
    pub fn publisher<T: EventMessage>(&self) -> Publisher<T> {
        Publisher::new(Arc::clone(&self.context))
    }

    /// Calls a handler for every event of this type, in every instance.
    pub fn subscriber<T: EventMessage>(&self) -> Subscriber<T> {
        Subscriber::new(Arc::clone(&self.context))
    }

    /// Answers requests of this type; one instance answers each.
    pub fn responder<T: RequestMessage>(&self) -> Responder<T> {
        Responder::new(Arc::clone(&self.context))
    }

    /// Asks, and waits for the answer up to the `sendMillis` of the config.
    ///
    /// # Errors
    /// See [`AskFailure`](crate::AskFailure).
    pub async fn ask<T: RequestMessage>(
        &self,
        fill: impl FnOnce(&mut <T::Schema as Owned>::Builder<'_>),
    ) -> Result<Answer<T>, AskError> {
        self.ask_within(self.context.send_timeout, fill).await
    }

    /// As [`ask`](Self::ask), with another deadline.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn ask_within<T: RequestMessage>(
        &self,
        timeout: Duration,
        fill: impl FnOnce(&mut <T::Schema as Owned>::Builder<'_>),
    ) -> Result<Answer<T>, AskError> {
        let made = question::<T>(&self.context, fill);
        let answer = ask::<T>(&self.context, made, timeout).await;
        if let Err(error) = &answer {
            self.context.metrics.failed(T::INFO.name(), error.failure().word());
        }
        answer
    }

    /// A durable consumer of this name: every message is handled by one instance of the service, at least once, also those that
    /// were sent while no instance ran. Say which types it takes with [`of`](ConsumerBuilder::of).
    ///
    /// The name has 1 to 64 characters of `[a-z0-9_-]`. Together with the id of the service it is where the fleet remembers how far
    /// it is, so it stays the same over releases.
    pub fn consumer(&self, name: impl Into<String>) -> ConsumerBuilder<()> {
        ConsumerBuilder::new(Arc::clone(&self.context), Arc::clone(&self.consumers), name.into())
    }

    /// A bucket of values of the struct `S`. It is made if it is missing.
    ///
    /// # Errors
    /// See [`BucketFailure`](crate::BucketFailure).
    pub async fn bucket<S: Owned + 'static>(&self, spec: BucketSpec) -> Result<Bucket<S>, BucketError> {
        Bucket::open(Arc::clone(&self.context), spec).await
    }

    /// One leader among all instances in the domain, of this name of the service that [`run`](Leadership::run) gets.
    ///
    /// A leader that crashed is followed within twice the lease, one that stopped within a second. The lease is at least 1 s.
    pub fn lead(&self, name: impl Into<String>, lease: Duration) -> Leadership {
        Leadership::new(Arc::clone(&self.context), name.into(), lease)
    }

    /// All instances of all applications in the domain that answer within a second or so. Each tells of itself.
    ///
    /// # Errors
    /// [`DISCOVERY_FAILED`](crate::errors::DISCOVERY_FAILED): they can't be asked, such as without a connection to a server.
    pub async fn instances(&self) -> Result<Vec<Instance>, Error> {
        self.asker.all().await.map_err(|error| {
            let told = format!("instances can't be asked: {error}");
            crate::errors::DISCOVERY_FAILED.error(MESSAGING_SERVICE_ID).message(told).build()
        })
    }

    /// What the stream that stores this type holds. `None` while it can't be asked.
    pub async fn stream_held<T: StoredMessage>(&self) -> Option<Held> {
        self.held(self.stream_of(T::INFO.id(), stream_name)?).await
    }

    /// What the stream of dead letters for this type holds. `None` while it can't be asked.
    pub async fn dead_letters_held<T: StoredMessage>(&self) -> Option<Held> {
        self.held(self.stream_of(T::INFO.id(), dead_stream)?).await
    }

    fn stream_of(
        &self,
        message: MessageId,
        name: fn(app_ids::DomainId, StreamId) -> String,
    ) -> Option<String> {
        let stream = self.context.catalog.stream_of(message)?;
        Some(name(self.context.identity.domain, stream.id()))
    }

    async fn held(&self, stream: String) -> Option<Held> {
        let StreamState { messages, bytes, first_sequence, last_sequence } =
            self.context.transport.stream_state(&stream).await.ok()?;
        Some(Held { messages, bytes, first_sequence, last_sequence })
    }

    /// What `/readyz` says.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = self.context.streams.notes();
        notes.extend(self.context.streams.warnings());
        notes.extend(self.consumers.notes());
        if self.context.place == Place::NoServer {
            notes.push(format!("messaging: {NO_SERVER}"));
        }
        notes
    }

    /// What is wrong with streams and consumers.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let mut troubles = self.context.streams.notes();
        troubles.extend(self.consumers.troubles());
        troubles
    }

    pub(crate) fn consumers(&self) -> &Consumers {
        &self.consumers
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(crate) fn transport(&self) -> &Arc<dyn Transport> {
        &self.context.transport
    }
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// How many messages.
    pub messages: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The sequence of the oldest message; one above the last sequence in an empty stream.
    pub first_sequence: u64,
    /// The sequence of the newest message, 0 if there never was one.
    pub last_sequence: u64,
}

/// Every stream and bucket that the application needs.
fn wanted(
    catalog: &Catalog,
    config: &MessagingConfig,
    identity: &Identity,
) -> (Vec<StreamConfig>, Vec<BucketConfig>) {
    let domain = identity.domain;
    let mut all: Vec<_> =
        catalog.streams().flat_map(|stream| stream_configs(stream, config, identity)).collect();
    let Some(like) = all.first() else { return (all, Vec::new()) };
    let like = StreamConfig { storage: StreamStorage::File, replicas: 0, ..like.clone() };
    all.extend(waiting_streams(domain, window(DEFAULT_DUPLICATE_WINDOW, config), &like));
    (all, vec![attempts_bucket(domain), pauses_bucket(domain)])
}

/// A window that is too short for the retries of a send is made longer.
fn window(declared: Duration, config: &MessagingConfig) -> Duration {
    declared.max(config.send_timeout * 2)
}

/// The stream and its dead letters, as declared and as the config changes them.
fn stream_configs(stream: &StreamSpec, config: &MessagingConfig, identity: &Identity) -> [StreamConfig; 2] {
    let settings = config.streams.get(&stream.id()).copied().unwrap_or_default();
    let domain = identity.domain;
    let (max_age, max_bytes, declared) = stream.limits();
    let max_age = settings.max_age.unwrap_or(max_age);
    let window = window(settings.duplicate_window.unwrap_or(declared), config);
    // A window that was declared for another age is brought into its bounds.
    let within = |age: Duration| if age.is_zero() { window } else { window.min(age) };
    let (dead_age, dead_bytes) = stream.dead_limits();
    let stores = || stream.stores().iter();
    let own = StreamConfig {
        name: stream_name(domain, stream.id()),
        subjects: stores().map(|message| filter(domain, message.of(), message.id(), None)).collect(),
        max_age,
        max_bytes: settings.max_bytes.unwrap_or(max_bytes),
        max_messages: 0,
        duplicate_window: within(max_age),
        storage: settings.storage.unwrap_or_default(),
        replicas: settings.replicas.unwrap_or_default(),
        when_full: WhenFull::DropOldest,
        release: identity.release.as_u64(),
    };
    let dead = StreamConfig {
        name: dead_stream(domain, stream.id()),
        subjects: stores().map(|message| dead_subject(domain, stream.id(), message.id())).collect(),
        max_age: dead_age,
        max_bytes: dead_bytes,
        duplicate_window: within(dead_age),
        ..own.clone()
    };
    [own, dead]
}

impl fmt::Debug for Messaging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messaging").field("place", &self.context.place).finish_non_exhaustive()
    }
}
