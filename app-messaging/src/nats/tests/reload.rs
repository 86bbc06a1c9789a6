//! A config that changes while the application runs, with certificates that change too.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose,
};

use super::*;
use crate::config::TlsConfig;
use crate::transport::{Settlement, TransportError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_config_moves_to_another_server_and_loses_nothing_on_the_way() {
    let Some(program) = NatsProgram::newest() else { return };
    // The same streams from two addresses: a cluster.
    let cluster = program.start_cluster();
    let urls: Vec<_> = cluster.servers.iter().map(NatsServer::url).collect();
    let stand = stand(&config_of(&urls[0])).await;
    stand.connects().await;
    filled(&stand.nats, 0).await;
    let mut events = stand.nats.subscribe("event.*".to_owned(), None, 10_000).await.unwrap();
    let mut queue = stand.nats.subscribe("queue.*".to_owned(), Some("q".to_owned()), 10_000).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let works = async {
        let mut stored = 0_u64;
        while !stop.is_cancelled() {
            stand.nats.store(message("s.x", &stored.to_string()), SOON).await.unwrap();
            stand.nats.publish(message("event.x", &stored.to_string())).await.unwrap();
            stand.nats.publish(message("queue.x", &stored.to_string())).await.unwrap();
            stored += 1;
        }
        stored
    };
    let reloads = async {
        for round in 1..=4 {
            stand.config.send(settings_of(&config_of(&urls[round % 3]))).unwrap();
            let all = || stand.log().matches("goes on with a new connection").count() == round;
            until("the new connection", all).await;
        }
        stop.cancel();
    };
    let (stored, ()) = tokio::join!(works, reloads);
    assert!(!stand.log().contains("the connection to NATS is lost"), "{}", stand.log());
    let state = stand.nats.stream_state("s").await.unwrap();
    assert_eq!(state.messages, stored, "every acknowledged message, once");
    let handles_all = async || {
        // A server may learn late of the consumer.
        let mut pull = stand.nats.pull("s", "c", stored as usize, SOON).await?;
        while let Some(delivered) = pull.next().await? {
            stand.nats.settle(delivered.token, Settlement::Ack, SOON).await?;
            let state = stand.nats.consumer_state("s", "c").await?;
            if state.pending + state.ack_pending == 0 {
                return Ok(());
            }
        }
        Err(TransportError::NoAnswer)
    };
    until_ok("all messages", handles_all).await;
    // Events at most once each, in order.
    stand.nats.publish(message("event.last", "last")).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let event = tokio::time::timeout(PATIENCE, events.messages.recv()).await.unwrap().unwrap();
        if &*event.subject == "event.last" {
            break;
        }
        seen.push(String::from_utf8_lossy(&event.payload).parse::<u64>().unwrap());
    }
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
    assert_eq!(seen.len() as u64, stored, "no event is lost");
    let mut queued = std::collections::BTreeSet::new();
    while let Ok(event) = queue.messages.try_recv() {
        assert!(queued.insert(String::from_utf8_lossy(&event.payload).into_owned()), "twice");
    }
    // A server that learns late that a member of the group has left loses what it sends there.
    assert!(queued.len() as u64 + 4 >= stored, "{} of {stored}", queued.len());
    stand.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_subscribed_while_connections_change_is_subscribed_once() {
    let Some(program) = NatsProgram::newest() else { return };
    let servers = [program.start(), program.start()];
    let stand = stand(&config_of(&servers[0].url())).await;
    stand.connects().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let subscribes = async {
        let mut all = Vec::new();
        while !stop.is_cancelled() && all.len() < 5_000 {
            all.push(stand.nats.subscribe(format!("late.{}", all.len()), None, 10).await.unwrap());
        }
        all
    };
    let reloads = async {
        for round in 1..=6 {
            stand.config.send(settings_of(&config_of(&servers[round % 2].url()))).unwrap();
            let all = || stand.log().matches("goes on with a new connection").count() == round;
            until("the new connection", all).await;
        }
        stop.cancel();
    };
    let (mut all, ()) = tokio::join!(subscribes, reloads);
    for _ in 0..2 {
        for number in 0..all.len() {
            stand.nats.publish(message(&format!("late.{number}"), &number.to_string())).await.unwrap();
        }
        for (number, subscription) in all.iter_mut().enumerate() {
            let event = tokio::time::timeout(PATIENCE, subscription.messages.recv()).await;
            let event = event.unwrap_or_else(|_| panic!("nothing came to subscription {number}")).unwrap();
            assert_eq!(event.payload, number.to_string());
        }
    }
    stand.nats.link().unwrap().round_trip(SOON).await.unwrap();
    for subscription in &mut all {
        assert!(subscription.messages.try_recv().is_err(), "an event came twice");
    }
    stand.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_that_does_not_work_keeps_the_old_connection_and_says_so() {
    let Some(program) = NatsProgram::newest() else { return };
    let (server, mut other) = (program.start(), program.start());
    let stand = stand(&config_of(&server.url())).await;
    filled(&stand.nats, 0).await;
    other.stop();
    stand.config.send(settings_of(&config_of(&other.url()))).unwrap();
    until("record", || stand.log().contains("messaging keeps its old connection")).await;
    assert!(stand.trouble().contains("the new config does not work"), "{}", stand.trouble());
    stand.nats.store(message("s.x", "1"), SOON).await.unwrap();
    // When it works after all, it is taken.
    other.restart();
    until("the new connection", || stand.log().contains("goes on with a new connection")).await;
    assert_eq!(stand.nats.trouble(), None);
    let there = stand.nats.stream_state("s").await.unwrap_err();
    assert!(matches!(there, TransportError::NotFound(_)), "{there}");
    // With the new server gone and the old one back in the config, it goes back.
    stand.config.send(settings_of(&config_of(&server.url()))).unwrap();
    until("the first connection", || stand.log().matches("goes on with a new connection").count() == 2).await;
    assert_eq!(stand.nats.stream_state("s").await.unwrap().messages, 1);
    stand.ends().await;
}

/// A server that takes connections and says nothing.
async fn silent() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    (listener, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_server_of_a_new_config_that_says_nothing() {
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start();
    let stand = stand(&config_of(&server.url())).await;
    let (listener, url) = silent().await;
    let slow = MessagingConfig { connect_timeout: PATIENCE * 10, ..config_of(&url) };
    stand.config.send(settings_of(&slow)).unwrap();
    let _socket = listener.accept().await.unwrap();
    stand.ends().await;
    // Otherwise the keeper is cut off at the stop timeout.
    assert!(stand.log().contains("the connection to NATS is closed"), "{}", stand.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_lost_while_a_new_config_is_tried_is_noticed_and_made_again() {
    let Some(program) = NatsProgram::newest() else { return };
    let mut server = program.start();
    let stand = stand(&config_of(&server.url())).await;
    let (listener, url) = silent().await;
    let slow = MessagingConfig { connect_timeout: PATIENCE * 10, ..config_of(&url) };
    stand.config.send(settings_of(&slow)).unwrap();
    let socket = listener.accept().await.unwrap();
    server.kill();
    until("gauge", || stand.connected.get() < 0.5).await;
    assert!(!stand.is_connected() && stand.trouble().contains("no NATS server can be used"));
    server.restart();
    // The new config is tried first. When it fails, the last one that worked is in use again.
    drop((listener, socket));
    stand.connects().await;
    stand.ends().await;
}

/// An authority for tests.
struct Authority(CertifiedIssuer<'static, rcgen::KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate and its key, PEM.
    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = rcgen::KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// The TLS of a client that trusts this authority, and shows a certificate of another one.
    fn tls(&self, client: Option<&Self>) -> TlsConfig {
        let key_pair = client.map(|client| {
            let (certificate, key) = client.issue("client.test", ExtendedKeyUsagePurpose::ClientAuth);
            app_tls::KeyPair::from_pem(key.as_bytes(), certificate.as_bytes()).unwrap()
        });
        let servers = app_tls::Authorities::from_pem(self.0.pem().as_bytes(), &[]).unwrap();
        TlsConfig { servers, key_pair, first: false }
    }

    /// Writes the files of a server, and returns the text for its config.
    fn server(&self, folder: &std::path::Path, clients: &Self, more: &str) -> String {
        let (certificate, key) = self.issue("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        format!(
            "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true, timeout: 10 {more} }}",
            file("server.pem", &certificate),
            file("server.key", &key),
            file("clients.pem", &clients.0.pem())
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_both_sides_change_while_it_runs_and_each_refusal_has_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new, stranger) = (Authority::new("old"), Authority::new("new"), Authority::new("stranger"));
    for program in NatsProgram::all() {
        let mut server = program.start_with(&old.server(folder.path(), &old, ""));
        let with = |tls: TlsConfig| MessagingConfig { tls: Some(tls), ..config_of(&server.url()) };
        // Wrong certificates, each with its reason.
        for (config, reason) in [
            (with(stranger.tls(Some(&old))), "the certificate of the server is refused"),
            (with(old.tls(Some(&stranger))), "alert"),
            (with(old.tls(None)), "alert"),
            (config_of(&server.url()), "the server asks for TLS; set caCert"),
        ] {
            let refused = stand(&config).await;
            assert!(
                !refused.is_connected() && refused.trouble().contains(reason),
                "{reason}: {}",
                refused.trouble()
            );
            refused.ends().await;
        }
        let right = with(old.tls(Some(&old)));
        let changed = with(new.tls(Some(&new)));
        let stand = stand(&right).await;
        assert!(stand.is_connected(), "{}", stand.trouble());
        filled(&stand.nats, 1).await;
        // The server gets others. The new config does not work before, and does after.
        stand.config.send(settings_of(&changed)).unwrap();
        until("record", || stand.log().contains("messaging keeps its old connection")).await;
        stand.nats.store(message("s.x", "1"), SOON).await.unwrap();
        server.set_config(&new.server(folder.path(), &new, ""));
        server.reload();
        let done = || stand.is_connected() && stand.nats.trouble().is_none();
        until("the new connection", done).await;
        until_ok("store", async || stand.nats.store(message("s.x", "2"), SOON).await).await;
        stand.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_may_begin_before_the_server_says_anything_and_no_certificate_may_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("authority");
    for program in NatsProgram::all().into_iter().filter(|program| program.version >= (2, 10, 4)) {
        let text = authority
            .server(folder.path(), &authority, ", handshake_first: true")
            .replace("verify: true", "verify: false");
        let server = program.start_with(&text);
        let tls = TlsConfig { first: true, ..authority.tls(None) };
        let stand = stand(&MessagingConfig { tls: Some(tls), ..config_of(&server.url()) }).await;
        assert!(stand.is_connected(), "{}", stand.trouble());
        filled(&stand.nats, 1).await;
        stand.ends().await;
    }
}
