//! The suite of transports, and what only this one has: bounds, faults, wall time.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::StreamStorage;
use crate::suite::{transport_suite, with_suite};
use crate::transport::{ConsumerConfig, DeliverPolicy, Settlement, StreamConfig, Transport, WhenFull};
use crate::wire::Headers;

fn plain() -> Arc<dyn Transport> {
    Arc::new(InProcess::new(Faults::default().take_at_most(64 << 10)))
}

with_suite!(transport_suite, plain());

fn message(payload: usize) -> Outgoing {
    let payload = Bytes::from(vec![0; payload]);
    Outgoing { subject: "s.x".to_owned(), reply: None, headers: Headers::new(), payload }
}

fn stream() -> StreamConfig {
    StreamConfig {
        name: "s".to_owned(),
        subjects: vec!["s.>".to_owned()],
        max_age: Duration::ZERO,
        max_bytes: 0,
        max_messages: 0,
        duplicate_window: Duration::from_secs(120),
        storage: StreamStorage::Memory,
        replicas: 1,
        when_full: WhenFull::DropOldest,
        release: 0,
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_memory_refuses_and_says_so() {
    let transport = InProcess::new(Faults::default().hold_at_most(64 << 10));
    transport.put_stream(stream(), false).await.unwrap();
    let store = || transport.store(message(16 << 10), Duration::from_secs(1));
    for _ in 0..3 {
        store().await.unwrap();
    }
    let refused = store().await.unwrap_err().to_string();
    assert!(
        refused.contains("are full: they hold 1,000,000 messages and 65536 bytes; limit them"),
        "{refused}"
    );
    assert_eq!(InProcess::new(Faults::default()).inner.state.lock().max_bytes, 256 << 20);
}

#[tokio::test(start_paused = true)]
async fn ids_are_forgotten_after_the_window() {
    let transport = plain();
    transport.put_stream(stream(), false).await.unwrap();
    let store = async || {
        let mut message = message(1);
        message.headers.append(header::MSG_ID, "a");
        transport.store(message, Duration::from_secs(1)).await.unwrap().duplicate
    };
    assert!(!store().await);
    tokio::time::sleep(Duration::from_secs(119)).await;
    assert!(store().await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!store().await);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_subscription_leaves_nothing_behind() {
    let transport = InProcess::new(Faults::default());
    for _ in 0..10 {
        drop(transport.subscribe("a.b".to_owned(), None, 1).await.unwrap());
        drop(transport.subscribe("a.*".to_owned(), None, 1).await.unwrap());
    }
    assert!(matches!(
        transport.request(Outgoing { subject: "a.b".to_owned(), ..message(0) }, Duration::from_secs(1)).await,
        Err(TransportError::NoResponders)
    ));
}

/// Sends and handles 200 messages with these faults. Returns deliveries, and failed stores and settlements.
async fn through(faults: Faults) -> (Vec<u64>, usize) {
    let transport = InProcess::new(faults);
    while transport.put_stream(stream(), false).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let config = ConsumerConfig {
        name: "c".to_owned(),
        filter: None,
        ack_wait: Duration::from_secs(5),
        max_ack_pending: 1_000,
        deliver: DeliverPolicy::All,
        release: 0,
    };
    while transport.ensure_consumer("s", config.clone()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut failed = 0;
    for number in 0..200 {
        let mut message = message(1);
        message.headers.append(header::MSG_ID, &number.to_string());
        while transport.store(message.clone(), Duration::from_secs(1)).await.is_err() {
            failed += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let mut seen = Vec::new();
    let mut quiet = 0;
    while quiet < 3 {
        let Ok(mut pull) = transport.pull("s", "c", 10, Duration::from_secs(10)).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let before = seen.len();
        while let Ok(Some(delivered)) = pull.next().await {
            seen.push(delivered.sequence);
            let settled = transport.settle(delivered.token, Settlement::Ack, Duration::from_secs(1)).await;
            failed += usize::from(settled.is_err());
        }
        quiet = if seen.len() == before { quiet + 1 } else { 0 };
    }
    (seen, failed)
}

#[tokio::test(start_paused = true)]
async fn with_faults_every_message_still_comes_and_the_seed_repeats_them() {
    let faults = || Faults::seeded(7).deliver_twice(0.1).lose_acks(0.1).disconnect(0.02);
    let (seen, failed) = through(faults()).await;
    let different: std::collections::BTreeSet<_> = seen.iter().copied().collect();
    assert_eq!(different.len(), 200, "each is stored once");
    assert!(seen.len() > 210 && failed > 10, "{} {failed}", seen.len());
    assert_eq!(through(faults()).await, (seen, failed));
    let (calm, none) = through(Faults::default()).await;
    assert_eq!((calm, none), ((1..=200).collect(), 0));
}
