//! The support for tests with real servers: they start, come back with what they stored, and make a cluster.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use nats::NatsProgram;

#[path = "support/nats.rs"]
mod nats;

#[test]
fn each_server_comes_back_on_its_port_with_its_files() {
    for program in NatsProgram::all() {
        let mut server = program.start();
        let url = server.url();
        let page = server.json("/varz").unwrap();
        let (major, minor, patch) = program.version;
        assert_eq!(page["version"], format!("{major}.{minor}.{patch}"));
        assert!(page["jetstream"]["config"]["store_dir"].is_string(), "{page}");
        let id = page["server_id"].clone();
        server.kill();
        assert!(!server.is_ready());
        server.restart();
        assert_eq!(server.url(), url);
        assert_ne!(server.json("/varz").unwrap()["server_id"], id, "another process");
        server.stop();
        server.wipe();
    }
}

#[test]
fn a_text_of_the_config_counts() {
    for program in NatsProgram::all() {
        let mut server = program.start_with("max_payload: 4096");
        assert_eq!(server.json("/varz").unwrap()["max_payload"], 4096);
        server.set_config("max_payload: 8192");
        server.restart();
        assert_eq!(server.json("/varz").unwrap()["max_payload"], 8192);
    }
}

#[test]
fn three_servers_make_a_cluster_that_one_may_leave() {
    let Some(program) = NatsProgram::newest() else { return };
    let mut cluster = program.start_cluster();
    assert_eq!(cluster.url().split(',').count(), 3);
    cluster.servers[0].kill();
    let leads = |cluster: &nats::NatsCluster| {
        cluster.servers[1]
            .json("/jsz")
            .and_then(|page| page["meta_cluster"]["leader"].as_str().map(str::to_owned))
    };
    let until = Instant::now() + Duration::from_secs(60);
    while leads(&cluster).is_none_or(|leader| leader == "n1") {
        assert!(Instant::now() < until, "no leader: {:?}", cluster.servers[1].page("/jsz"));
        std::thread::park_timeout(Duration::from_millis(20));
    }
    cluster.servers[0].restart();
}
