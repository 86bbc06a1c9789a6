//! Retries: those that wait for longer than a minute, and letters that do not fit.

use super::*;
use crate::transport::{AckToken, Settlement};
use crate::wire::{consumer_name, retry_stream};

const MINUTE: Duration = Duration::from_secs(60);

impl Shop {
    /// What the stream of retries holds.
    async fn waiting(&self) -> u64 {
        self.messaging.transport().stream_state(&retry_stream(self.app.domain())).await.unwrap().messages
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_in_hours_waits_aside_and_holds_nobody_up() {
    let shop = Shop::open().await;
    let seen = Seen::new();
    let notes = seen.clone();
    let retry = Retry::after(MINUTE * 10).doubling_to(MINUTE * 240).times(7);
    // Room for one message: what waits must not take it.
    let consumer =
        shop.messaging.consumer("c").of::<Order>().max_in_flight(1).max_ack_pending(1).retry(retry);
    consumer
        .start(&shop.service, move |message| {
            assert_eq!(message.stream_sequence(), Some(1 + u64::from(message.id() == Some("order-b"))));
            let (name, _) = notes.note(&message);
            async move { if name == "a" { Err(failed("not yet")) } else { Ok(Done) } }
        })
        .unwrap();
    let sender = shop.messaging.sender::<Order>();
    sender.send_with_id("order-a", |order| order.set_name("a")).await.unwrap();
    sleep(SECOND * 5).await;
    assert_eq!((shop.left().await, shop.waiting().await), ((0, 0), 1), "it waits aside");
    sender.send_with_id("order-b", |order| order.set_name("b")).await.unwrap();
    sleep(SECOND * 5).await;
    assert_eq!(seen.names(), ["a", "b"]);
    sleep(MINUTE * 60 * 24).await;
    let hours: Vec<_> = seen.seconds().iter().map(|seconds| seconds / 60).collect();
    assert_eq!(hours, [0, 0, 10, 30, 70, 150, 310, 550], "minutes after the start");
    let dead = shop.dead().await;
    let (letter, raw) = &dead[0];
    assert_eq!((letter.attempts, letter.sequence, letter.round, dead.len()), (7, 1, 0, 1));
    assert_eq!(letter.id.as_deref(), Some("order-a"));
    assert!(raw.message.headers.iter().all(|(name, _)| !name.starts_with("Op-Retry-")), "{raw:?}");
    assert_eq!((shop.left().await, shop.waiting().await), ((0, 0), 0), "nothing is left behind");
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_on_while_no_instance_runs_and_its_attempts_are_known() {
    let shop = Shop::open().await;
    let start = |service: &Service| {
        let seen = Seen::new();
        let notes = seen.clone();
        let consumer = shop.messaging.consumer("c").of::<Order>().retry(Retry::after(MINUTE * 5).times(3));
        consumer
            .start(service, move |message| {
                notes.note(&message);
                async move { Err(failed("not yet")) }
            })
            .unwrap();
        seen
    };
    shop.order("a").await;
    let first = start(&shop.service);
    sleep(SECOND).await;
    shop.service.kill("stops");
    shop.service.wait().await.unwrap();
    assert_eq!(first.seconds(), [0]);
    sleep(MINUTE * 60).await;
    let next = shop.app.new_service(SHOP, "shop");
    let second = start(&next);
    sleep(MINUTE * 20).await;
    assert_eq!(second.seconds(), [0, 300], "it was due");
    assert_eq!(shop.dead().await[0].0.attempts, 3);
}

#[tokio::test(start_paused = true)]
async fn a_full_stream_of_retries_costs_no_message() {
    let shop = Shop::open().await;
    let transport = shop.messaging.transport();
    let stream = retry_stream(shop.app.domain());
    let mut config = transport.stream_info(&stream).await.unwrap().config;
    config.max_messages = 1;
    transport.put_stream(config, true).await.unwrap();
    let seen = Seen::new();
    let notes = seen.clone();
    let consumer = shop.messaging.consumer("c").of::<Order>();
    consumer
        .start(&shop.service, move |message| {
            let (_, times) = notes.note(&message);
            async move { Ok(if times == 1 { RetryAfter(MINUTE * 30) } else { Done }) }
        })
        .unwrap();
    shop.orders(&["a", "b", "c"]).await;
    sleep(SECOND * 10).await;
    assert_eq!((shop.waiting().await, shop.left().await), (1, (0, 2)), "two wait in their stream");
    sleep(MINUTE * 40).await;
    assert_eq!(seen.names().len(), 6);
    assert!(
        seen.seconds()[3..].iter().all(|seconds| (1_800..1_801).contains(seconds)),
        "{:?}",
        seen.seconds()
    );
    assert_eq!((shop.waiting().await, shop.left().await), (0, (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_does_not_fit_beside_the_letter_is_left_out() {
    let shop = Shop::with(Faults::default().take_at_most(1_900)).await;
    let consumer = shop.messaging.consumer("c").of::<Order>();
    consumer.start(&shop.service, |_| async { Ok(DeadLetter("bad".to_owned())) }).unwrap();
    shop.order("small").await;
    let large: String = (0..1_500).map(|number| char::from(b'a' + (number * 7 % 26) as u8)).collect();
    shop.order(&large).await;
    sleep(SECOND).await;
    let dead = shop.dead().await;
    assert!(!dead[0].1.message.payload.is_empty() && dead[0].0.left_out_bytes.is_none());
    let (letter, raw) = &dead[1];
    assert!(
        raw.message.payload.is_empty() && letter.left_out_bytes.is_some_and(|bytes| bytes > 1_500),
        "{letter:?}"
    );
    assert_eq!((letter.sequence, letter.consumer.as_str()), (2, &*consumer_name(SHOP, "c")));
    assert_eq!(raw.message.headers.get("Op-App"), Some("a0"), "the rest is there");
    assert_eq!(shop.left().await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_comes_early_again_and_again_does_not_run_alone() {
    let shop = Shop::open().await;
    let seen = Seen::new();
    let notes = seen.clone();
    let consumer = shop.messaging.consumer("c").of::<Order>().max_in_flight(4);
    consumer
        .start(&shop.service, move |message| {
            let (name, times) = notes.note(&message);
            async move {
                if name == "long" {
                    sleep(MINUTE * 9).await;
                } else if times == 1 {
                    return Ok(RetryAfter(MINUTE * 30));
                }
                Ok(Done)
            }
        })
        .unwrap();
    shop.order("a").await;
    sleep(SECOND * 5).await;
    assert_eq!(shop.waiting().await, 1);
    // Clocks that differ, and servers that restart.
    for _ in 0..4 {
        let token = AckToken {
            stream: retry_stream(shop.app.domain()).into(),
            consumer: consumer_name(SHOP, "c").into(),
            sequence: 1,
            reply: None,
        };
        let early = Settlement::Nak(Duration::ZERO);
        shop.messaging.transport().settle(token, early, SECOND).await.unwrap();
        sleep(SECOND).await;
    }
    sleep(MINUTE * 29).await;
    shop.order("long").await;
    sleep(MINUTE * 5).await;
    assert_eq!(seen.names(), ["a", "long", "a"], "it does not wait for the other one");
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_the_longest_time_does_not_come_at_once() {
    for shape in ["any", "by key", "ordered"] {
        let shop = Shop::open().await;
        let seen = Seen::new();
        let notes = seen.clone();
        let consumer = shop.messaging.consumer("c").of::<Order>();
        let consumer = match shape {
            "any" => consumer,
            "by key" => consumer.by_key(),
            _ => consumer.ordered(),
        };
        consumer
            .start(&shop.service, move |message| {
                notes.note(&message);
                async { Ok(RetryAfter(Duration::MAX)) }
            })
            .unwrap();
        shop.order("a").await;
        sleep(MINUTE * 60).await;
        assert_eq!(seen.names(), ["a"], "{shape}");
        assert!(!shop.app.captured().text().contains("panic"), "{shape}");
    }
}
