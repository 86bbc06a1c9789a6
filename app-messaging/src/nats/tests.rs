//! The transport on real servers, each that is installed: see `tests/support/nats.rs`.

mod accounts;
mod broken;
mod calls;
mod connection;
mod made_anew;
mod reload;
mod server_facts;
mod stop;
mod suite;

use std::time::Duration;

use app_core::testing::TestApp;
use app_metrics::{METRICS_SERVICE_ID, Metrics};
use bytes::Bytes;

use super::*;
use crate::config::StreamStorage;
use crate::config::{MessagingConfig, ServerAddress};
use crate::metrics::MessagingMetrics;
use crate::suite::servers::{NatsProgram, NatsServer};
use crate::transport::{ConsumerConfig, DeliverPolicy, StreamConfig, Transport as _, WhenFull};
use crate::wire::Headers;

/// How long anything may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// The timeout of calls that have an answer.
const SOON: Duration = Duration::from_secs(20);

/// A transport with its app.
struct Stand {
    app: TestApp,
    service: Service,
    nats: Nats,
    config: latest::Sender<Arc<Settings>>,
    connected: Gauge,
}

/// The config for the servers at these addresses.
fn config_of(urls: &str) -> MessagingConfig {
    MessagingConfig {
        servers: urls.split(',').map(|url| ServerAddress::parse(url).unwrap()).collect(),
        ..MessagingConfig::without_config()
    }
}

fn settings_of(config: &MessagingConfig) -> Arc<Settings> {
    Arc::new(Settings::of(config, "test".to_owned()).unwrap_or_else(|wrong| panic!("{wrong}")))
}

async fn stand(config: &MessagingConfig) -> Stand {
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    let service = app.new_service(crate::MESSAGING_SERVICE_ID, "messaging");
    let metrics = MessagingMetrics::register(&app.get::<Metrics>()).unwrap();
    let (connected, dropped) = (metrics.connected, metrics.dropped.with(["other"]).unwrap());
    let meters = LinkMeters { connected: connected.clone(), dropped };
    let (config, wanted) = latest::channel(settings_of(config));
    let nats = Nats::start(&service, wanted, meters, SOON).await.unwrap();
    Stand { app, service, nats, config, connected }
}

impl Stand {
    fn is_connected(&self) -> bool {
        self.nats.link().is_ok()
    }

    async fn connects(&self) {
        until("a connection", || self.is_connected()).await;
    }

    fn log(&self) -> String {
        self.app.captured().text()
    }

    /// What is wrong.
    fn trouble(&self) -> String {
        self.nats.trouble().unwrap_or_default()
    }

    /// Ends the service, and waits until everything of it is over.
    async fn ends(&self) {
        self.service.kill("the test is over");
        until("the end of every task", || self.service.is_dead()).await;
    }
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    let waits = async {
        while !is_so() {
            looks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}"));
}

/// Repeats a call until it succeeds.
async fn until_ok<T, E: std::fmt::Debug>(what: &str, call: impl AsyncFn() -> Result<T, E>) -> T {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let calls = async {
        loop {
            looks.tick().await;
            if let Ok(done) = call().await {
                return done;
            }
        }
    };
    tokio::time::timeout(PATIENCE, calls).await.unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}"))
}

fn message(subject: &str, payload: &str) -> Outgoing {
    Outgoing {
        subject: subject.to_owned(),
        reply: None,
        headers: Headers::new(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }
}

fn stream(name: &str) -> StreamConfig {
    StreamConfig {
        name: name.to_owned(),
        subjects: vec![format!("{name}.>")],
        max_age: Duration::ZERO,
        max_bytes: 0,
        max_messages: 0,
        duplicate_window: Duration::from_secs(10),
        storage: StreamStorage::File,
        replicas: 0,
        when_full: WhenFull::DropOldest,
        release: 0,
    }
}

fn consumer(name: &str) -> ConsumerConfig {
    ConsumerConfig {
        name: name.to_owned(),
        filter: None,
        ack_wait: Duration::from_secs(30),
        max_ack_pending: 1_000,
        deliver: DeliverPolicy::All,
        release: 0,
    }
}

/// A stream `s` with a consumer `c`.
async fn filled(nats: &Nats, messages: usize) {
    until_ok("stream", async || nats.put_stream(stream("s"), false).await).await;
    nats.ensure_consumer("s", consumer("c")).await.unwrap();
    for number in 0..messages {
        nats.store(message("s.x", &number.to_string()), SOON).await.unwrap();
    }
}
