//! What goes wrong around a consumer: a bad release, dead letters that can't be stored, and a bad network.

use super::*;
use crate::StreamStorage;
use crate::transport::{StreamConfig, WhenFull};

/// The most bytes that the streams of a test hold.
const MEMORY: usize = 64 << 10;

#[tokio::test(start_paused = true)]
async fn a_bad_release_pauses_before_it_moved_the_backlog() {
    let shop = Shop::open().await;
    for number in 0..60 {
        shop.order(&number.to_string()).await;
    }
    let consumer = shop.messaging.consumer("c").of::<Order>().max_in_flight(1);
    consumer.start(&shop.service, |_| async { Ok(DeadLetter("bad release".to_owned())) }).unwrap();
    sleep(SECOND * 10).await;
    assert_eq!(shop.dead().await.len(), 25);
    let notes = app_health::notes(&shop.app);
    assert!(
        notes.iter().any(|note| note.contains("_c is paused: half of its last 50 messages")),
        "{notes:?}"
    );
    assert!(shop.app.captured().text().contains("the consumer pauses for 30 s"));
    sleep(SECOND * 25).await;
    assert_eq!(shop.dead().await.len(), 50, "it goes on after 30 s");
    sleep(SECOND * 30).await;
    assert_eq!(shop.dead().await.len(), 60);
    assert!(app_health::notes(&shop.app).is_empty());
}

#[tokio::test(start_paused = true)]
async fn while_dead_letters_cannot_be_stored_the_consumer_pauses_and_keeps_the_message() {
    let shop = Shop::with(Faults::default().hold_at_most(MEMORY as u64)).await;
    // Fills the memory of the transport for a minute.
    let fill = StreamConfig {
        name: "fill".to_owned(),
        subjects: vec!["fill.>".to_owned()],
        max_age: SECOND * 60,
        max_bytes: 0,
        max_messages: 0,
        duplicate_window: Duration::ZERO,
        storage: StreamStorage::Memory,
        replicas: 1,
        when_full: WhenFull::DropOldest,
        release: 0,
    };
    let transport = shop.messaging.transport();
    transport.put_stream(fill, false).await.unwrap();
    shop.orders(&["a", "b"]).await;
    let fill = |bytes: usize| {
        let (subject, payload) = ("fill.x".to_owned(), vec![0; bytes].into());
        transport.store(Outgoing { subject, reply: None, headers: Headers::new(), payload }, SECOND)
    };
    fill(MEMORY - 2_000).await.unwrap();
    while fill(100).await.is_ok() {}
    let consumer = shop.messaging.consumer("c").of::<Order>().max_in_flight(1);
    consumer.start(&shop.service, |_| async { Ok(DeadLetter("bad".to_owned())) }).unwrap();
    sleep(SECOND * 40).await;
    let notes = app_health::notes(&shop.app);
    assert!(
        notes.iter().any(|note| note.contains("its dead letters can't be stored: the server refused it")),
        "{notes:?}"
    );
    assert_eq!(shop.left().await, (1, 1), "the message is not acknowledged, and no other began");
    sleep(SECOND * 60).await;
    assert_eq!(shop.dead().await.len(), 2);
    assert_eq!(shop.left().await, (0, 0));
    assert!(app_health::notes(&shop.app).is_empty());
}

#[tokio::test(start_paused = true)]
async fn over_a_bad_network_every_message_is_stored_once_and_handled_at_least_once() {
    for seed in 0..3 {
        let faults = Faults::seeded(seed).deliver_twice(0.05).lose_acks(0.05).disconnect(0.01);
        let shop = Shop::with(faults).await;
        let seen = Seen::new();
        let notes = seen.clone();
        let consumer = shop.messaging.consumer("c").of::<Order>().ack_wait(SECOND * 5);
        consumer
            .start(&shop.service, move |message| {
                let (_, times) = notes.note(&message);
                async move { if times == 1 { Err(failed("once")) } else { Ok(Done) } }
            })
            .unwrap();
        let sender = shop.messaging.sender::<Order>().deadline(SECOND * 30);
        for number in 0..100_u32 {
            let id = format!("order-{number}");
            // Not sent, or maybe stored: with its id it is safe to send again.
            while sender.send_with_id(&id, |order| order.set_name(number.to_string().as_str())).await.is_err()
            {
                sleep(Duration::from_millis(300)).await;
            }
        }
        sleep(SECOND * 300).await;
        let names = seen.names();
        for number in 0..100_u32 {
            let times = names.iter().filter(|name| **name == number.to_string()).count();
            assert!(times >= 2, "seed {seed}: order {number} was seen {times} times");
        }
        assert_eq!(
            shop.messaging.stream_held::<Order>().await.map_or(100, |held| held.messages),
            100,
            "seed {seed}"
        );
        shop.app.stop().await.expect_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_is_handled_whatever_the_network_does() {
    let shapes = ["any", "by key", "ordered", "parts"];
    for (seed, shape) in [1, 2, 7].into_iter().flat_map(|seed| shapes.map(|shape| (seed, shape))) {
        let faults = Faults::seeded(seed).deliver_twice(0.2).lose_acks(0.1).disconnect(0.001);
        let shop = Shop::with(faults).await;
        let seen = Seen::new();
        let notes = seen.clone();
        let consumer = shop.messaging.consumer("c").of::<Order>();
        let consumer = match shape {
            "any" => consumer,
            "by key" => consumer.by_key(),
            "ordered" => consumer.ordered(),
            _ => consumer.partitioned(),
        };
        consumer
            .start(&shop.service, move |message| {
                notes.note(&message);
                async { Ok(Done) }
            })
            .unwrap();
        let sender = shop.messaging.sender::<Order>();
        let mut acknowledged = Vec::new();
        for number in 0..100_u32 {
            let name = number.to_string();
            while sender.send(|order| order.set_name(name.as_str())).await.is_err() {
                sleep(Duration::from_millis(300)).await;
            }
            acknowledged.push(name);
        }
        sleep(SECOND * 3_600).await;
        let names = seen.names();
        let lost: Vec<_> = acknowledged.iter().filter(|name| !names.contains(name)).collect();
        let log = shop.app.captured().text();
        assert!(
            lost.is_empty(),
            "{shape}, seed {seed}: {} of {}: {lost:?}; {log}",
            lost.len(),
            acknowledged.len()
        );
        assert!(shop.dead().await.is_empty(), "{shape}, seed {seed}: {log}");
        shop.app.stop().await.expect_clean();
    }
}
