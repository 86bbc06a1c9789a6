//! Ours: the messaging service of a test app.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use app_core::{LogLevel, prelude::*, testing::TestApp};
use app_messaging::{Answer, Done, MESSAGING_SERVICE_ID, Messaging, Sender, StoredMessage};
use quota_schema::quota_capnp::{exhausted, remaining_answer, remaining_ask};
use schema::messaging_capnp::messaging_spec;
use tokio::sync::Notify;

use super::{
    IN_FLIGHT, WAITING, concurrently,
    content::{self, LOAD},
    gate::Gate,
};
use crate::rounds::Failure;

app_messaging::message! {
    struct Noticed(exhausted::Owned);
    id: 0xb1c5_0f6e_92d3_7a48, of: LOAD, name: "bench_noticed", kind: Event
}
app_messaging::message! {
    struct Kept(exhausted::Owned);
    id: 0x9d27_e3a8_41fb_605c, of: LOAD, name: "bench_kept", kind: Stored
}
app_messaging::message! {
    struct Handed(exhausted::Owned);
    id: 0xc83e_1d94_f0a7_2b65, of: LOAD, name: "bench_handed", kind: Stored
}
app_messaging::message! {
    struct Asked(remaining_ask::Owned) -> remaining_answer::Owned;
    id: 0xa46f_80d2_37be_c915, of: LOAD, name: "bench_asked", kind: Request
}
app_messaging::stream! {
    KEPT: id 0xd2b9_4c07_e861_fa35, of: LOAD, name: "bench_kept", stores: [Kept], max_bytes: 64 << 20
}
app_messaging::stream! {
    HANDED: id 0x8f51_a6e2_0d3c_974b, of: LOAD, name: "bench_handed", stores: [Handed], max_bytes: 64 << 20
}

/// Fewer than wait for a slow subscriber, so none is dropped.
const ROOM: u64 = app_messaging::SUBSCRIPTION_CAPACITY as u64 - 64;

/// How long a stream may take to be there.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Ours {
    _app: TestApp,
    service: Service,
    messaging: Arc<Messaging>,
    received: Arc<Received>,
}

/// What the subscriber got.
#[derive(Default)]
struct Received {
    count: AtomicU64,
    wanted: AtomicU64,
    all: Notify,
}

impl Ours {
    /// Messages go over this server.
    pub(super) async fn over(url: &str) -> Result<Self, Failure> {
        let ours = Self::start(Some(url)).await?;
        ours.messaging.responder::<Asked>().start(&ours.service, |ask| async move {
            let good = ask.read(content::read_ask)?;
            Ok(Answer::new(|answer| {
                if good {
                    content::fill_answer(answer)
                }
            }))
        })?;
        // Streams and subscriptions are made in the background.
        let until = Instant::now() + PATIENCE;
        loop {
            let made = async {
                sends(&ours.messaging.sender::<Kept>()).await?;
                ours.ask(1, 1).await
            };
            match made.await {
                Err(_) if Instant::now() < until => tokio::time::sleep(Duration::from_millis(50)).await,
                made => return made.map(|()| ours),
            }
        }
    }

    /// Messages stay inside of this process.
    pub(super) async fn inside() -> Result<Self, Failure> {
        let ours = Self::start(None).await?;
        let received = Arc::clone(&ours.received);
        ours.messaging.subscriber::<Noticed>().start(&ours.service, move |event| {
            let good = event.read(content::read);
            let received = Arc::clone(&received);
            async move {
                let count = received.count.fetch_add(u64::from(good?), Ordering::Relaxed) + 1;
                if count == received.wanted.load(Ordering::Relaxed) {
                    received.all.notify_one();
                }
                Ok(())
            }
        })?;
        // The subscription is made in the background. What is published before it is lost.
        let publisher = ours.messaging.publisher::<Noticed>();
        let until = Instant::now() + PATIENCE;
        while ours.received.count.load(Ordering::Relaxed) == 0 {
            if Instant::now() > until {
                return Err(format!("no event arrived within {PATIENCE:?}").into());
            }
            publisher.publish(content::fill).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(ours)
    }

    async fn start(url: Option<&str>) -> Result<Self, Failure> {
        let builder = TestApp::builder()
            .linked([MESSAGING_SERVICE_ID])
            .flags(|flags| flags.log_level = LogLevel::Error);
        if let Some(url) = url {
            configure(url, builder.config_dir())?;
        }
        let app = builder.start().await;
        let (messaging, service) = (app.get::<Messaging>(), app.new_service(LOAD, "message-load"));
        Ok(Self { _app: app, service, messaging, received: Arc::default() })
    }

    /// Publishes, and waits until the server has all of it: it answers a later request on the same connection.
    pub(super) async fn publish(&self, count: u64) -> Result<(), Failure> {
        let publisher = self.messaging.publisher::<Noticed>();
        for _ in 0..count {
            publisher.publish(content::fill).await?;
        }
        self.ask(1, 1).await
    }

    /// Publishes to the subscriber, no faster than it takes.
    pub(super) async fn to_a_subscriber(&self, count: u64) -> Result<(), Failure> {
        let (publisher, received) = (self.messaging.publisher::<Noticed>(), Arc::clone(&self.received));
        received.count.store(0, Ordering::Relaxed);
        received.wanted.store(count, Ordering::Relaxed);
        let publishes = tokio::spawn(async move {
            for sent in 0..count {
                while sent - received.count.load(Ordering::Relaxed) >= ROOM {
                    tokio::task::yield_now().await;
                }
                publisher.publish(content::fill).await?;
            }
            Ok::<_, Failure>(())
        });
        self.received.all.notified().await;
        publishes.await?
    }

    pub(super) async fn send(&self, count: u64) -> Result<(), Failure> {
        stores(self.messaging.sender::<Kept>(), count).await
    }

    /// Stores messages for the consumer.
    pub(super) async fn fill(&self, count: u64) -> Result<(), Failure> {
        stores(self.messaging.sender::<Handed>(), count).await
    }

    /// Starts a consumer behind a gate.
    pub(super) async fn consume(&self) -> Result<Arc<Gate>, Failure> {
        let gate = Gate::closed();
        let passes = Arc::clone(&gate);
        let consumer = self.messaging.consumer("bench").of::<Handed>().max_in_flight(IN_FLIGHT as usize);
        consumer.start(&self.service, move |message| {
            let (good, passes) = (message.read(content::read), Arc::clone(&passes));
            async move {
                good?;
                passes.pass().await;
                Ok(Done)
            }
        })?;
        Ok(gate)
    }

    pub(super) async fn ask(&self, in_flight: u64, count: u64) -> Result<(), Failure> {
        let messaging = Arc::clone(&self.messaging);
        let asks = move || {
            let messaging = Arc::clone(&messaging);
            async move {
                let answer = messaging.ask::<Asked>(content::fill_ask).await?;
                content::expect(
                    "an answer",
                    answer.read(|answer| Ok(answer.get_remaining()))? == content::REMAINING,
                )
            }
        };
        concurrently(in_flight, count, asks).await
    }
}

async fn stores<T>(sender: Sender<T>, count: u64) -> Result<(), Failure>
where
    T: StoredMessage<Schema = exhausted::Owned>,
{
    let sends = move || {
        let sender = sender.clone();
        async move { sends(&sender).await }
    };
    concurrently(WAITING, count, sends).await
}

async fn sends<T>(sender: &Sender<T>) -> Result<(), Failure>
where
    T: StoredMessage<Schema = exhausted::Owned>,
{
    sender.send(content::fill).await?;
    Ok(())
}

fn configure(url: &str, dir: &Path) -> Result<(), Failure> {
    let mut message = capnp::message::Builder::new_default();
    let spec = message.init_root::<messaging_spec::Builder<'_>>();
    spec.init_servers(1).set(0, url);
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content)?;
    let file = dir.join(app_config::compat::service_config_id(MESSAGING_SERVICE_ID));
    fs::write(&file, content)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
