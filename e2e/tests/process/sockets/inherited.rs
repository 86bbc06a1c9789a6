//! Listeners that the process which starts the service passes on.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
};

use app_core::prelude::ServiceId;
use app_metrics::{METRICS_SERVICE_ID, log_events::METRICS_HTTP_SERVER_STARTED};
use app_rpc::admin::APP_RPC_SERVICE_ID;
use nix::sys::signal::Signal;
use quota_client::QUOTA_RPC;
use serde_json::{Value, json};

use super::passing::{listener, with_listeners};
use crate::{
    endpoints::{IDS, Pki},
    files::Configs,
    http::get,
    program::{PATIENCE, Process},
};

fn origin(process: &Process) -> Value {
    process.event(METRICS_HTTP_SERVER_STARTED)["origin"].clone()
}

#[test]
fn a_client_that_connects_between_two_processes_waits_for_the_second() {
    let (socket, address) = listener();
    let configs = Configs::any_port();
    let start =
        || with_listeners("metrics", &[&socket]).args([Path::new("--config-dir"), configs.path()]).start();
    let process = start();
    assert_eq!(process.ready(), address);
    assert_eq!(origin(&process), "inherited");
    assert_eq!(get(address, "/readyz").status, 200);
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);

    let mut waiting = TcpStream::connect(address).unwrap();
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    waiting.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let next = start();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    // Its start may go on, and then it says so.
    assert!(answer.starts_with("HTTP/1.1 200 ") || answer.contains("starting: "), "{answer}");
    next.signal(Signal::SIGTERM);
    next.ended().expect_code(0);
}

/// A config directory whose endpoints listen on these ports.
fn with_endpoints(pki: &Pki, ports: [(&str, ServiceId, u16); 2]) -> Configs {
    let configs = Configs::any_port();
    for (name, id, port) in ports {
        let mut example = pki.example(e2e::svc_example(), name);
        example["rpcServiceSpec"]["port"] = json!(port);
        if id == APP_RPC_SERVICE_ID {
            example["grants"] = json!([{ "name": "ops.example.com", "role": "operate" }]);
        }
        pki.seal(e2e::svc_example(), name, &example, &configs.path_of(id));
    }
    configs
}

#[test]
fn each_service_gets_its_listener_by_name_or_by_address_and_appctl_says_where_it_came_from() {
    let pki = Pki::new();
    let (of_metrics, metrics) = listener();
    let (of_quota, quota) = listener();
    // By its address, which the config names.
    let ports = [("quota-rpc", QUOTA_RPC, quota.port()), ("rpc", APP_RPC_SERVICE_ID, 0)];
    let configs = with_endpoints(&pki, ports);
    let process = with_listeners("metrics:svc-example.socket", &[&of_metrics, &of_quota])
        .args([Path::new("--config-dir"), configs.path()])
        .args(IDS)
        .start();
    assert_eq!(process.ready(), metrics);
    assert_eq!(process.address_of(QUOTA_RPC), quota);
    let admin = process.address_of(APP_RPC_SERVICE_ID);
    let status: Value = serde_json::from_str(&pki.appctl(admin, &["status", "--json"])).unwrap();
    let expected = json!([
        { "name": "metrics", "address": metrics.to_string(), "origin": "inherited", "stored": false },
        { "name": "quota-rpc", "address": quota.to_string(), "origin": "inherited", "stored": false },
        { "name": "rpc", "address": admin.to_string(), "origin": "bound", "stored": false },
    ]);
    assert_eq!(status["listeners"], expected);
    let shown = pki.appctl(admin, &["status"]);
    assert!(shown.contains(&format!("rpc at {admin} (bound)")), "{shown}");
    assert!(shown.contains(&format!("metrics at {metrics} (inherited)")), "{shown}");

    // A service that is restarted gets its listener again.
    pki.appctl(admin, &["restart", "quota-rpc", "--reason", "a test"]);
    process.records("it listens again", 2, |record| {
        record["message"] == "RPC endpoint listens" && record["addr"] == quota.to_string()
    });
    process.signal(Signal::SIGTERM);
    let ended = process.ended();
    ended.expect_code(0);
    let id = format!("{:x}", METRICS_SERVICE_ID.as_u64());
    assert!(
        ended.records().iter().any(|record| record["svc"] == id.as_str() && record["origin"] == "inherited")
    );
}

#[test]
fn descriptors_of_another_process_are_left_alone() {
    let configs = Configs::any_port();
    let process = configs.service().env("LISTEN_FDS", "3").env("LISTEN_PID", "1").start();
    process.ready();
    assert_eq!(origin(&process), "bound");
    process.record("a warning", |record| {
        record["level"] == "warn"
            && record["message"].as_str().is_some_and(|text| text.contains("LISTEN_FDS is for process 1"))
    });
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

#[test]
fn a_listener_of_a_service_without_a_config_makes_a_warning() {
    let ((of_metrics, metrics), (of_rpc, _)) = (listener(), listener());
    let configs = Configs::any_port();
    let process = with_listeners("metrics:rpc", &[&of_metrics, &of_rpc])
        .args([Path::new("--config-dir"), configs.path()])
        .start();
    assert_eq!(process.ready(), metrics);
    process.record("a warning", |record| {
        let text = record["message"].as_str().unwrap_or_default();
        record["level"] == "warn" && text.contains("the service \"rpc\" has no config, so it accepts nothing")
    });
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}
