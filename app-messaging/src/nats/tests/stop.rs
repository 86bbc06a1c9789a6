//! The stop: what came is handed back, calls get their answers, and the connection is closed in time.

use super::*;
use crate::transport::TransportError;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_leaves_nothing_that_waits_for_its_ack_wait() {
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start();
    let sender = stand(&config_of(&server.url())).await;
    filled(&sender.nats, 0).await;
    for round in 0..10 {
        let stops = stand(&config_of(&server.url())).await;
        stops.connects().await;
        let pull = stops.nats.pull("s", "c", 64, SOON).await.unwrap();
        let sends = async {
            for number in 0..200 {
                sender.nats.store(message("s.x", &number.to_string()), SOON).await.unwrap();
            }
        };
        let ends = async {
            let nats = stops.nats.clone();
            for delivered in pull.close().await {
                nats.settle(delivered.token, crate::transport::Settlement::Nak(Duration::ZERO), SOON)
                    .await
                    .unwrap();
            }
            stops.ends().await;
        };
        let began = Instant::now();
        let ((), ()) = tokio::join!(sends, ends);
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 200 {
            let mut pull = sender.nats.pull("s", "c", 200, Duration::from_secs(1)).await.unwrap();
            while let Some(delivered) = pull.next().await.unwrap() {
                seen.insert(delivered.sequence);
                sender.nats.settle(delivered.token, crate::transport::Settlement::Ack, SOON).await.unwrap();
            }
        }
        // The ack wait is half a minute.
        assert!(began.elapsed() < Duration::from_secs(29), "round {round}: {:?}", began.elapsed());
    }
    sender.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_calls_that_are_under_way_and_then_closes() {
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start();
    let stand = stand(&config_of(&server.url())).await;
    filled(&stand.nats, 0).await;
    let stores: Vec<_> = (0..100).map(|_| stand.nats.store(message("s.x", "1"), SOON)).collect();
    let stores = futures_util::future::join_all(stores);
    let (stored, ()) = tokio::join!(stores, stand.ends());
    let done = stored.iter().filter(|stored| stored.is_ok()).count() as u64;
    for failed in stored.into_iter().filter_map(Result::err) {
        assert_eq!(failed, TransportError::NotConnected);
    }
    until("the messages", || server.messages_of("s") == Some(done)).await;
    assert_eq!(stand.nats.publish(message("a", "1")).await.unwrap_err(), TransportError::NotConnected);
    until("no connection", || server.json("/connz").is_some_and(|page| page["num_connections"] == 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_in_time_when_the_server_is_frozen_or_away() {
    let Some(program) = NatsProgram::newest() else { return };
    for frozen in [true, false] {
        let mut server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        let _subscription = stand.nats.subscribe("a".to_owned(), None, 1).await.unwrap();
        if frozen {
            server.signal(app_core::testing::Signal::SIGSTOP);
        } else {
            server.kill();
        }
        let began = Instant::now();
        stand.ends().await;
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }
}
