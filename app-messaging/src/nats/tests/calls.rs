//! Calls: sizes, floods, order, and what is left after them.

use super::*;
use crate::transport::{Settlement, TransportError};
use crate::wire::header;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_over_the_limit_of_the_server_is_refused_and_the_connection_stays() {
    for program in NatsProgram::all() {
        let server = program.start_with("max_payload: 1000");
        let stand = stand(&config_of(&server.url())).await;
        filled(&stand.nats, 0).await;
        assert_eq!(stand.nats.max_bytes(), 1_000);
        let with_headers = |headers: usize, payload: usize| {
            let mut message = message("s.x", &"m".repeat(payload));
            message.headers.append("A", &"h".repeat(headers));
            message
        };
        // `NATS/1.0`, `A: h`, two line ends more: 17 bytes around the value.
        for (headers, payload, fits) in
            [(100, 883, true), (100, 884, false), (0, 1_000, false), (900, 83, true)]
        {
            let bytes = with_headers(headers, payload).headers.wire_bytes() + payload;
            let stored = stand.nats.store(with_headers(headers, payload), SOON).await;
            match stored {
                Ok(_) => assert!(fits, "{headers} {payload}"),
                Err(error) => {
                    assert!(!fits, "{headers} {payload}: {error}");
                    assert_eq!(error, TransportError::TooLarge { bytes, limit: 1_000 });
                }
            }
        }
        let large = stand.nats.publish(with_headers(0, 2_000)).await.unwrap_err();
        assert!(matches!(large, TransportError::TooLarge { .. }), "{large}");
        let large = stand.nats.request(with_headers(0, 2_000), SOON).await.unwrap_err();
        assert!(matches!(large, TransportError::TooLarge { .. }), "{large}");
        assert!(stand.is_connected() && !stand.log().contains("lost"));
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_get_their_own_answers_and_leave_nothing_behind() {
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start();
    let stand = stand(&config_of(&server.url())).await;
    filled(&stand.nats, 0).await;
    let stores = (0..1_000).map(|number: u64| {
        let nats = stand.nats.clone();
        async move {
            let mut message = message("s.x", &number.to_string());
            message.headers.append(header::MSG_ID, &number.to_string());
            nats.store(message, SOON).await.unwrap().sequence
        }
    });
    let mut sequences = futures_util::future::join_all(stores).await;
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=1_000).collect::<Vec<_>>());
    // Calls whose futures are dropped.
    for _ in 0..100 {
        let call = stand.nats.store(message("s.x", "m"), SOON);
        let _ = tokio::time::timeout(Duration::from_nanos(1), call).await;
    }
    assert_eq!(stand.nats.link().unwrap().replies().calls(), 0);
    stand.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_to_a_slow_subscriber_is_bounded_and_counted_exactly() {
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start();
    let stand = stand(&config_of(&server.url())).await;
    let mut slow = stand.nats.subscribe("flood.*".to_owned(), None, 16).await.unwrap();
    const SENT: u64 = 20_000;
    for number in 0..SENT {
        stand.nats.publish(message(&format!("flood.{number}"), "m")).await.unwrap();
        if number % 1_000 == 0 {
            stand.nats.link().unwrap().round_trip(SOON).await.unwrap();
        }
    }
    let (mut kept, mut dropped) = (0, 0);
    until("the last one", || {
        while slow.messages.try_recv().is_ok() {
            kept += 1;
        }
        dropped += slow.take_dropped();
        kept + dropped == SENT
    })
    .await;
    assert!(kept >= 16 && dropped > 0, "{kept} {dropped}");
    stand.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_that_ends_early_gives_everything_back_at_once() {
    for program in NatsProgram::all() {
        let server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        // The ack wait is half a minute: nothing here waits for it.
        filled(&stand.nats, 10).await;
        let began = Instant::now();
        let mut pull = stand.nats.pull("s", "c", 10, SOON).await.unwrap();
        let first = pull.next().await.unwrap().unwrap();
        stand.nats.settle(first.token, Settlement::Ack, SOON).await.unwrap();
        for delivered in pull.close().await {
            stand.nats.settle(delivered.token, Settlement::Nak(Duration::ZERO), SOON).await.unwrap();
        }
        // One that is dropped with room for more, before anything comes.
        drop(stand.nats.pull("s", "c", 100, SOON).await.unwrap());
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 9 {
            let mut pull = stand.nats.pull("s", "c", 3, Duration::from_secs(2)).await.unwrap();
            while let Some(delivered) = pull.next().await.unwrap() {
                seen.insert(delivered.sequence);
                stand.nats.settle(delivered.token, Settlement::Ack, SOON).await.unwrap();
            }
        }
        assert_eq!(seen, (2..=10).collect());
        assert!(began.elapsed() < Duration::from_secs(29), "{:?}", began.elapsed());
        let state = stand.nats.consumer_state("s", "c").await.unwrap();
        assert_eq!((state.pending, state.ack_pending), (0, 0));
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_goes_on_over_a_lost_connection_and_misses_nothing() {
    use crate::transport::{BucketConfig, Expected};
    for program in NatsProgram::all() {
        let mut server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        let config = BucketConfig {
            name: "b".to_owned(),
            history: 5,
            max_value_bytes: 100,
            max_age: Duration::ZERO,
            max_bytes: 0,
        };
        until_ok("bucket", async || stand.nats.ensure_bucket(config.clone()).await).await;
        let put = async |value: &str| {
            let value = Some(Bytes::copy_from_slice(value.as_bytes()));
            stand.nats.bucket_put("b", "k", value, Expected::Any, SOON).await
        };
        put("1").await.unwrap();
        let mut watch = stand.nats.bucket_watch("b", None).await.unwrap();
        let mut next = async || {
            let entry = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap().unwrap().unwrap();
            String::from_utf8_lossy(&entry.value.unwrap()).into_owned()
        };
        assert_eq!(next().await, "1");
        for round in ["2", "3"] {
            server.kill();
            until("loss", || !stand.is_connected()).await;
            server.restart();
            stand.connects().await;
            until_ok("put", async || put(round).await).await;
            let mut got = next().await;
            while got != round {
                got = next().await;
            }
        }
        stand.ends().await;
    }
}
