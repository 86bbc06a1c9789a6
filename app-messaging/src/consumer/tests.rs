//! Consumers on the transport in this process, on paused time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use app_core::prelude::*;
use app_core::testing::TestApp;
use parking_lot::Mutex;
use quota_schema::quota_capnp::quota_rule;
use tokio::time::{Instant, sleep};

use super::Retry;
use crate::transport::{ConsumerConfig, DeliverPolicy, Delivered, Outgoing};
use crate::wire::{DeadLetterHeaders, Headers, dead_stream, stream_name, subject};
use crate::{DeadLetter, Done, Drop, Faults, MESSAGING_SERVICE_ID, Message, Messaging, OneOf2, RetryAfter};

mod faults;
mod fleet;
mod operations;
mod order;
mod outages;
mod partitions;
mod retries;
mod stop;

const SHOP: ServiceId = ServiceId::new(0x51ab_0c3e_94d7_2f68);
const SECOND: Duration = Duration::from_secs(1);

crate::message! {
    /// A message with a key.
    pub(crate) struct Order(quota_rule::Owned);
    id: 0x62bc_1d4f_a5e8_3079, of: SHOP, name: "order", kind: Stored, key: |order| order.get_name()
}
crate::message! {
    /// Another type of the same stream.
    pub(crate) struct Return(quota_rule::Owned); id: 0x73cd_2e50_b6f9_418a, of: SHOP, name: "return", kind: Stored
}
crate::message! {
    /// A type of another stream.
    pub(crate) struct Parcel(quota_rule::Owned); id: 0x84de_3f61_c70a_529b, of: SHOP, name: "parcel", kind: Stored
}
crate::stream! { pub(crate) ORDERS: id 0x95ef_4072_d81b_63ac, of: SHOP, name: "orders", stores: [Order, Return] }
crate::stream! { pub(crate) PARCELS: id 0xa6f0_5183_e92c_74bd, of: SHOP, name: "parcels", stores: [Parcel] }

/// An application with a service that consumes.
struct Shop {
    app: TestApp,
    messaging: Arc<Messaging>,
    service: Service,
}

impl Shop {
    async fn open() -> Self {
        Self::with(Faults::default()).await
    }

    async fn with(faults: Faults) -> Self {
        let app = TestApp::builder().provide(faults).linked([MESSAGING_SERVICE_ID]).start().await;
        let (messaging, service) = (app.get::<Messaging>(), app.new_service(SHOP, "shop"));
        Self { app, messaging, service }
    }

    async fn order(&self, name: &str) {
        self.messaging.sender::<Order>().send(|order| order.set_name(name)).await.unwrap();
    }

    async fn orders(&self, names: &[&str]) {
        for name in names {
            self.order(name).await;
        }
    }

    /// What waits, and what is not acknowledged, for the consumer `c`.
    async fn left(&self) -> (u64, u64) {
        let stream = stream_name(self.app.domain(), ORDERS.id());
        let state = self.messaging.transport().consumer_state(&stream, &format!("{SHOP}_c")).await.unwrap();
        (state.pending, state.ack_pending)
    }

    /// The dead letters.
    async fn dead(&self) -> Vec<(DeadLetterHeaders, Delivered)> {
        let (transport, stream) = (self.messaging.transport(), dead_stream(self.app.domain(), ORDERS.id()));
        let config = ConsumerConfig {
            name: "reads".to_owned(),
            filter: None,
            ack_wait: SECOND,
            max_ack_pending: 1_000,
            deliver: DeliverPolicy::All,
            release: 0,
        };
        transport.ensure_consumer(&stream, config).await.unwrap();
        let mut pull = transport.pull(&stream, "reads", 1_000, Duration::from_millis(1)).await.unwrap();
        let mut all = Vec::new();
        while let Some(letter) = pull.next().await.unwrap() {
            all.push((DeadLetterHeaders::read(&letter.message.headers).unwrap(), letter));
        }
        drop(pull);
        transport.delete_consumer(&stream, "reads").await.unwrap();
        all
    }
}

/// What handlers saw, with the time since the start.
#[derive(Clone)]
struct Seen(Arc<Mutex<Vec<(String, Duration)>>>, Instant);

impl Seen {
    fn new() -> Self {
        Self(Arc::default(), Instant::now())
    }

    /// Notes a message, and returns its name and how many times it was seen.
    fn note(&self, message: &Message<Order>) -> (String, usize) {
        let name = message.read(|order| Ok(order.get_name()?.to_string()?)).unwrap();
        let mut seen = self.0.lock();
        seen.push((name.clone(), self.1.elapsed()));
        let times = seen.iter().filter(|(other, _)| *other == name).count();
        (name, times)
    }

    fn names(&self) -> Vec<String> {
        self.0.lock().iter().map(|(name, _)| name.clone()).collect()
    }

    fn seconds(&self) -> Vec<u64> {
        self.0.lock().iter().map(|(_, time)| time.as_secs()).collect()
    }
}

fn failed(message: &str) -> Error {
    errors::SERVICE_NOT_AVAILABLE.error(SHOP).message(message).build()
}

#[tokio::test(start_paused = true)]
async fn messages_are_handled_and_acknowledged_also_those_from_before() {
    let shop = Shop::open().await;
    shop.orders(&["a", "b"]).await;
    let seen = Seen::new();
    let notes = seen.clone();
    let consumer = shop.messaging.consumer("c").of::<Order>();
    consumer
        .start(&shop.service, move |message| {
            notes.note(&message);
            async move { Ok(Done) }
        })
        .unwrap();
    assert_eq!(shop.service.tasks(), ["consumer c"]);
    shop.order("c").await;
    sleep(SECOND).await;
    let mut names = seen.names();
    names.sort();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(shop.left().await, (0, 0));
    assert!(shop.dead().await.is_empty());
    shop.app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_is_retried_by_the_policy_and_then_a_dead_letter() {
    let shop = Shop::open().await;
    let seen = Seen::new();
    let notes = seen.clone();
    let retry = Retry::after(SECOND).doubling_to(SECOND * 4).times(4);
    let consumer = shop.messaging.consumer("c").of::<Order>().retry(retry);
    consumer
        .start(&shop.service, move |message| {
            let (_, times) = notes.note(&message);
            assert_ne!(times, 2, "a panic is as an error");
            async move { Err(failed("no stock")) }
        })
        .unwrap();
    shop.messaging.sender::<Order>().send_with_id("order-7", |order| order.set_name("a")).await.unwrap();
    sleep(SECOND * 20).await;
    assert_eq!(seen.seconds(), [0, 1, 3, 7]);
    assert_eq!(shop.left().await, (0, 0), "acknowledged after its dead letter");
    let dead = shop.dead().await;
    let (letter, raw) = &dead[0];
    assert_eq!(dead.len(), 1);
    assert_eq!((letter.attempts, letter.sequence, letter.round), (4, 1, 0));
    assert_eq!((letter.reason.as_str(), letter.id.as_deref()), ("no stock", Some("order-7")));
    assert_eq!(letter.error, Some(errors::SERVICE_NOT_AVAILABLE.id));
    assert_eq!(letter.consumer, format!("{SHOP}_c"));
    assert_eq!(
        letter.subject,
        subject(shop.app.domain(), SHOP, 0x62bc_1d4f_a5e8_3079.into(), Some(crate::KeyHash::of(b"a")))
    );
    assert_eq!(raw.message.headers.get("Op-App"), Some("a0"));
    assert!(shop.app.captured().text().contains("a message became a dead letter"));
}

#[tokio::test(start_paused = true)]
async fn what_trying_again_cannot_help_is_a_dead_letter_at_once() {
    let shop = Shop::open().await;
    let consumer = shop.messaging.consumer("c").of::<Order>();
    consumer
        .start(&shop.service, move |message| async move {
            let name = message.read(|order| Ok(order.get_name()?.to_string()?))?;
            match name.as_str() {
                "bug" => Err(errors::BUG.error(SHOP).message("a bug").build()),
                "config" => Err(errors::CONFIG_FAILURE.error(SHOP).message("a config").build()),
                "dead" => Ok(DeadLetter("asked for".to_owned())),
                "unneeded" => Ok(Drop("not needed".to_owned())),
                _ => Ok(Done),
            }
        })
        .unwrap();
    shop.orders(&["bug", "config", "dead", "unneeded", "good"]).await;
    let subject = subject(shop.app.domain(), SHOP, 0x62bc_1d4f_a5e8_3079.into(), None);
    let raw = Outgoing { subject, reply: None, headers: Headers::new(), payload: "no message".into() };
    shop.messaging.transport().store(raw, SECOND).await.unwrap();
    sleep(SECOND).await;
    let mut reasons: Vec<_> =
        shop.dead().await.into_iter().map(|(letter, _)| (letter.reason, letter.attempts)).collect();
    reasons.sort();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    assert_eq!(
        reasons[..3],
        [("a bug".to_owned(), 1), ("a config".to_owned(), 1), ("asked for".to_owned(), 1)]
    );
    assert!(reasons[3].0.starts_with("malformed: payload: ") && reasons[3].1 == 0, "{reasons:?}");
    assert_eq!(shop.left().await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_ask_for_a_retry_as_often_as_it_likes() {
    let shop = Shop::open().await;
    let seen = Seen::new();
    let notes = seen.clone();
    let consumer = shop.messaging.consumer("c").of::<Order>().retry(Retry::after(SECOND).times(2));
    consumer
        .start(&shop.service, move |message| {
            let (_, times) = notes.note(&message);
            async move { Ok(if times < 5 { RetryAfter(SECOND * 3) } else { Done }) }
        })
        .unwrap();
    shop.order("a").await;
    sleep(SECOND * 30).await;
    assert_eq!(seen.seconds(), [0, 3, 6, 9, 12]);
    assert!(shop.dead().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_take_longer_than_the_ack_wait() {
    let shop = Shop::open().await;
    let seen = Seen::new();
    let notes = seen.clone();
    let consumer = shop.messaging.consumer("c").of::<Order>().ack_wait(SECOND);
    consumer
        .start(&shop.service, move |message| {
            notes.note(&message);
            async move {
                sleep(SECOND * 20).await;
                Ok(Done)
            }
        })
        .unwrap();
    shop.order("a").await;
    sleep(SECOND * 60).await;
    assert_eq!(seen.names(), ["a"]);
    assert_eq!(shop.left().await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_cancelled_and_its_message_retried() {
    let shop = Shop::open().await;
    let seen = Seen::new();
    let notes = seen.clone();
    let retry = Retry::after(SECOND).times(2);
    let consumer = shop.messaging.consumer("c").of::<Order>().max_run(SECOND * 5).retry(retry);
    consumer
        .start(&shop.service, move |message| {
            notes.note(&message);
            std::future::pending()
        })
        .unwrap();
    shop.order("a").await;
    sleep(SECOND * 60).await;
    assert_eq!(seen.seconds(), [0, 6]);
    assert!(shop.dead().await[0].0.reason.contains("ran for longer than 5s"));
}

#[tokio::test(start_paused = true)]
async fn no_more_handlers_run_than_allowed() {
    let shop = Shop::open().await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (running, peak) = (Arc::clone(&now), Arc::clone(&most));
    let consumer = shop.messaging.consumer("c").of::<Order>().max_in_flight(3);
    consumer
        .start(&shop.service, move |_| {
            let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
            async move {
                peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(SECOND).await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(Done)
            }
        })
        .unwrap();
    for number in 0..30 {
        shop.order(&number.to_string()).await;
    }
    sleep(Duration::from_millis(500)).await;
    assert_eq!(shop.left().await.1, 3, "no more is asked for than can begin");
    sleep(SECOND * 11).await;
    assert_eq!((most.load(Ordering::SeqCst), now.load(Ordering::SeqCst)), (3, 0));
    assert_eq!(shop.left().await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_takes_two_types_in_their_order() {
    let shop = Shop::open().await;
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let notes = Arc::clone(&seen);
    let consumer = shop.messaging.consumer("c").of::<Order>().of::<Return>().ordered();
    consumer
        .start(&shop.service, move |message| {
            let text = match &message {
                OneOf2::First(order) => {
                    order.read(|order| Ok(format!("order {}", order.get_name()?.to_str()?)))
                }
                OneOf2::Second(back) => {
                    back.read(|back| Ok(format!("return {}", back.get_name()?.to_str()?)))
                }
            };
            notes.lock().push(text.unwrap());
            async move { Ok(Done) }
        })
        .unwrap();
    for name in ["a", "b"] {
        shop.order(name).await;
        shop.messaging.sender::<Return>().send(|back| back.set_name(name)).await.unwrap();
    }
    sleep(SECOND).await;
    assert_eq!(*seen.lock(), ["order a", "return a", "order b", "return b"]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_cannot_be_is_refused_with_the_cure() {
    let shop = Shop::open().await;
    let start = |name: &str| {
        let consumer = shop.messaging.consumer(name).of::<Order>();
        consumer.start(&shop.service, |_| async { Ok(Done) })
    };
    for bad in ["", "Mailer", "a.b"] {
        let told = start(bad).unwrap_err().to_string();
        assert!(told.contains("a name has 1 to 64 characters of a-z"), "{told}");
    }
    start("c").unwrap();
    let told = start("c").unwrap_err().to_string();
    assert!(told.contains("it runs already in this application; give one"), "{told}");
    let two = shop.messaging.consumer("d").of::<Order>().of::<Parcel>();
    let told = two.start(&shop.service, |_| async { Ok(Done) }).unwrap_err().to_string();
    assert!(told.contains("message parcel (84de3f61c70a529b) is in another stream, parcels"), "{told}");
    let twice = shop.messaging.consumer("d").of::<Order>().of::<Order>();
    let told = twice.start(&shop.service, |_| async { Ok(Done) }).unwrap_err().to_string();
    assert!(told.contains("takes message order (62bc1d4fa5e83079) twice"), "{told}");
    // A restarted service may take its name again.
    shop.service.kill("restarts");
    shop.service.wait().await.unwrap();
    let again = shop.app.new_service(SHOP, "shop");
    shop.messaging.consumer("c").of::<Order>().start(&again, |_| async { Ok(Done) }).unwrap();
}

#[tokio::test(start_paused = true)]
async fn metrics_count_what_became_of_messages() {
    use crate::ids::{MESSAGES_HANDLED, MESSAGES_RECEIVED, MESSAGES_SENT};
    use app_metrics::testing::TestMetrics as _;
    let shop = Shop::open().await;
    let consumer = shop.messaging.consumer("c").of::<Order>().retry(Retry::after(SECOND).times(2));
    consumer
        .start(&shop.service, |message| async move {
            match message.read(|order| Ok(order.get_name()?.to_string()?))?.as_str() {
                "good" => Ok(Done),
                _ => Err(failed("bad")),
            }
        })
        .unwrap();
    shop.orders(&["good", "bad", "good"]).await;
    sleep(SECOND * 5).await;
    let name = format!("{SHOP}_c");
    let of =
        |outcome| shop.app.metric(MESSAGING_SERVICE_ID, MESSAGES_HANDLED, ["order", name.as_str(), outcome]);
    assert_eq!((of("done"), of("retried"), of("dead_lettered")), (2.0, 1.0, 1.0));
    assert_eq!(shop.app.metric(MESSAGING_SERVICE_ID, MESSAGES_RECEIVED, ["order", name.as_str()]), 4.0);
    assert_eq!(shop.app.metric(MESSAGING_SERVICE_ID, MESSAGES_SENT, ["order"]), 3.0);
}
