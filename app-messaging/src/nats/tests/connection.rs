//! Servers that are away at the start, come, go, freeze and come back empty.

use super::*;
use crate::transport::{Settlement, TransportError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_the_start_goes_on_and_says_so_once() {
    let Some(program) = NatsProgram::newest() else { return };
    let mut server = program.start();
    server.stop();
    let stand = stand(&config_of(&server.url())).await;
    assert!(!stand.is_connected() && stand.connected.get() < 0.5);
    assert!(
        stand.trouble().contains("no NATS server can be used") && stand.trouble().contains("refused"),
        "{}",
        stand.trouble()
    );
    let failed = stand.nats.store(message("s.x", "1"), SOON).await.unwrap_err();
    assert_eq!(failed, TransportError::NotConnected);
    assert_eq!(stand.nats.publish(message("s.x", "1")).await.unwrap_err(), TransportError::NotConnected);
    // What is subscribed without a connection is subscribed on the first one.
    let mut subscription = stand.nats.subscribe("a.*".to_owned(), None, 8).await.unwrap();
    server.restart();
    stand.connects().await;
    stand.nats.publish(message("a.b", "here")).await.unwrap();
    let got = tokio::time::timeout(PATIENCE, subscription.messages.recv()).await.unwrap().unwrap();
    assert_eq!(&got.payload[..], b"here");
    until("gauge", || stand.connected.get() > 0.5).await;
    assert_eq!(stand.nats.trouble(), None);
    assert_eq!(stand.log().matches("no NATS server can be used").count(), 1, "{}", stand.log());
    assert_eq!(stand.log().matches("connected to NATS").count(), 1, "{}", stand.log());
    stand.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_loss_and_return_is_one_record_and_nothing_has_to_be_subscribed_again() {
    for program in NatsProgram::all() {
        let mut server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        let mut plain = stand.nats.subscribe("a.*".to_owned(), None, 8).await.unwrap();
        let mut queue = stand.nats.subscribe("b".to_owned(), Some("q".to_owned()), 8).await.unwrap();
        for round in 1..=3 {
            server.kill();
            until("loss", || !stand.is_connected()).await;
            until("gauge", || stand.connected.get() < 0.5).await;
            assert!(stand.trouble().contains("no NATS server can be used"), "{}", stand.trouble());
            server.restart();
            stand.connects().await;
            for (subject, subscription) in [("a.b", &mut plain), ("b", &mut queue)] {
                stand.nats.publish(message(subject, &round.to_string())).await.unwrap();
                let got =
                    tokio::time::timeout(PATIENCE, subscription.messages.recv()).await.unwrap().unwrap();
                assert_eq!(&got.payload[..], round.to_string().as_bytes(), "once, and in order");
            }
            until("record", || stand.log().matches("connected to NATS").count() == round + 1).await;
            assert_eq!(stand.log().matches("the connection to NATS is lost").count(), round);
        }
        assert!(plain.messages.is_empty() && queue.messages.is_empty());
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_when_the_connection_is_lost_end_at_once_and_not_at_their_deadline() {
    let Some(program) = NatsProgram::newest() else { return };
    let mut server = program.start();
    let stand = stand(&config_of(&server.url())).await;
    let _silent = stand.nats.subscribe("a".to_owned(), None, 8).await.unwrap();
    let began = Instant::now();
    let asks = stand.nats.request(message("a", "?"), PATIENCE * 10);
    let kills = async {
        until("the call", || stand.nats.link().is_ok_and(|link| link.replies().calls() == 1)).await;
        server.kill();
    };
    let (failed, ()) = tokio::join!(asks, kills);
    assert_eq!(failed.unwrap_err(), TransportError::NoAnswer);
    assert!(began.elapsed() < PATIENCE);
    stand.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_delays_nothing_beyond_its_deadline() {
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start();
    let stand = stand(&config_of(&server.url())).await;
    filled(&stand.nats, 1).await;
    server.signal(app_core::testing::Signal::SIGSTOP);
    let began = Instant::now();
    let short = Duration::from_millis(300);
    let stored = stand.nats.store(message("s.x", "1"), short).await;
    let asked = stand.nats.request(message("a", "1"), short).await;
    assert_eq!(
        (stored.unwrap_err(), asked.unwrap_err()),
        (TransportError::NoAnswer, TransportError::NoAnswer)
    );
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    server.signal(app_core::testing::Signal::SIGCONT);
    until_ok("store", async || stand.nats.store(message("s.x", "2"), short).await).await;
    assert_eq!(stand.nats.link().unwrap().replies().calls(), 0, "nothing is left of calls without an answer");
    stand.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lost_its_streams_says_not_found_and_goes_on_when_they_are_there_again() {
    for program in NatsProgram::all() {
        let mut server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        filled(&stand.nats, 1).await;
        server.kill();
        server.wipe();
        server.restart();
        until("loss", || stand.log().contains("the connection to NATS is lost")).await;
        stand.connects().await;
        let failed = stand.nats.store(message("s.x", "1"), Duration::from_millis(500)).await.unwrap_err();
        assert!(matches!(failed, TransportError::NotFound(_)), "{failed}");
        let gone = stand.nats.consumer_state("s", "c").await.unwrap_err();
        assert!(matches!(gone, TransportError::NotFound(_)), "{gone}");
        let mut pull = stand.nats.pull("s", "c", 1, SOON).await.unwrap();
        assert!(matches!(pull.next().await, Err(TransportError::NotFound(_))));
        filled(&stand.nats, 2).await;
        let mut pull = stand.nats.pull("s", "c", 2, SOON).await.unwrap();
        for _ in 0..2 {
            let delivered = pull.next().await.unwrap().unwrap();
            stand.nats.settle(delivered.token, Settlement::Ack, SOON).await.unwrap();
        }
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_several_servers_one_that_is_there_is_enough() {
    let Some(program) = NatsProgram::newest() else { return };
    let (mut one, mut other) = (program.start(), program.start());
    let stand = stand(&config_of(&format!("{},{}", one.url(), other.url()))).await;
    for _ in 0..2 {
        one.kill();
        until_ok("answer", async || round_trip(&stand).await).await;
        one.restart();
        other.kill();
        until_ok("answer", async || round_trip(&stand).await).await;
        other.restart();
    }
    stand.ends().await;
}

async fn round_trip(stand: &Stand) -> Result<(), TransportError> {
    stand.nats.link()?.round_trip(Duration::from_secs(1)).await
}
