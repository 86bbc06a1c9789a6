//! Traces over processes, at a collector that is not of this project: the PyPI package `oteltap`.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use crate::dev::shell;
use crate::nats;
use crate::page::{Step, follow, steps};
use crate::program::{Process, Program, poll};
use crate::tools::installed;

const PAGE: &str = include_str!("../../../docs/TRACING.md");

/// The port in the examples that `config explain` prints. The test takes a free one.
const RPC_PORT: &str = "24587";
/// The page's command after which both examples are there.
const EXPLAINED: &str = "orders config explain quota-client --json > pki/quota-client.json";

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn lines_of_json(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn the_code_of_the_page_is_that_of_the_program() {
    let orders = include_str!("../../src/bin/orders.rs");
    let block = PAGE.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(orders.contains(block), "{block}");
}

#[test]
fn the_walk_through_works_as_written_and_makes_one_trace_over_two_processes() {
    if !installed("oteltap", &["--help"], "the PyPI package oteltap") {
        return;
    }
    let (tried, _) = PAGE.split_once("\n## What a trace looks like\n").unwrap();
    let mut steps = steps(tried);
    steps.retain(|step| !step.command.starts_with("pip install"));
    assert!(steps.len() > 25, "the page has lost its commands");
    for step in &mut steps {
        if step.command == "PORT=4318" {
            step.command = format!("PORT={}", free_port());
        }
    }
    let explained = steps.iter().position(|step| step.command == EXPLAINED).unwrap();
    let other_port = format!("sed -i s/{RPC_PORT}/{}/ pki/quota-rpc.json pki/quota-client.json", free_port());
    steps.insert(explained + 1, Step { command: other_port, shown: Vec::new() });
    let folder = tempfile::tempdir().unwrap();
    follow(folder.path(), "set -e; trap 'kill $(jobs -p) 2> /dev/null || true' EXIT", &steps);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let spans = lines_of_json(&read("spans.ndjson"));
    check_trace(&spans, &lines_of_json(&read("caller.log")));
}

/// The trace of the first order: place, its call as the client sees it, and as the server sees it.
fn check_trace(spans: &[Value], caller: &[Value]) {
    let record = caller.iter().find(|record| record["granted"] == Value::Bool(true)).unwrap();
    let trace = &record["trace_id"];
    let of_trace: BTreeMap<_, _> = spans
        .iter()
        .filter(|span| span["traceId"] == *trace)
        .map(|span| (span["spanId"].as_str().unwrap().to_owned(), span))
        .collect();
    let one = |wanted: &dyn Fn(&Value) -> bool| {
        let found: Vec<_> = of_trace.values().filter(|span| wanted(span)).collect();
        assert_eq!(found.len(), 1, "{of_trace:#?}");
        *found[0]
    };
    let place = one(&|span| span["name"] == "place");
    let client = one(&|span| span["kind"] == 3);
    let server = one(&|span| span["kind"] == 2);
    assert_eq!(record["span_id"], place["spanId"], "the record is of the span that it was written in");
    assert_eq!(place["parentSpanId"], "");
    assert_eq!(client["parentSpanId"], place["spanId"], "{client:#}");
    assert_eq!(server["parentSpanId"], client["spanId"], "{server:#}");
    for span in [client, server] {
        assert!(span["name"].as_str().unwrap().contains("acquire"), "{span:#}");
    }
}

/// An instance of the quota service with a collector of its own and a message server, and the line that sets the contexts of its
/// commands.
fn instance(server: &nats::NatsServer) -> (Process, Process, String) {
    let port = free_port();
    let collector =
        Program::new("oteltap").args(["--port", &port.to_string()]).env("PYTHONUNBUFFERED", "1").start();
    poll("the collector", || TcpStream::connect(("127.0.0.1", port)).ok());
    let endpoint = format!("http://127.0.0.1:{port}");
    let process = Program::service().args(["--dev=0", "--nats", &server.url()]);
    let process = process.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).start();
    process.started();
    let tour = process.printed("that was the tour'\n");
    let export = tour.lines().find(|line| line.starts_with("export ")).unwrap().to_owned();
    (process, collector, export)
}

/// `appctl` calls an operation of one instance, which stores a message. Either instance may handle it.
#[test]
fn a_message_is_in_the_trace_of_the_call_that_sent_it() {
    if !installed("oteltap", &["--help"], "the PyPI package oteltap") {
        return;
    }
    let Some(server) = nats::NatsProgram::newest().map(|program| program.start()) else { return };
    let (sender, of_sender, export) = instance(&server);
    let (other, of_other, _) = instance(&server);
    let (call, send, process) = poll("a message from one process to the other", || {
        let refill = "appctl do quota refill --rule default --bucket bob --reason 'a trace'";
        shell(&format!("{export}\n{refill}")).run().expect_code(0);
        crossed(&lines_of_json(&of_sender.printed("")), &lines_of_json(&of_other.printed("")))
    });
    // A server, a producer and a consumer.
    assert_eq!((&call["kind"], &send["kind"], &process["kind"]), (&2.into(), &4.into(), &5.into()));
    assert!(name(&call).ends_with("/callOperation"), "{call:#}");
    assert_eq!((&*name(&send), &*name(&process)), ("send quota_refill", "process quota_refill"));
    for running in [sender, other] {
        running.signal(nix::sys::signal::Signal::SIGTERM);
        running.ended().expect_code(0);
    }
}

fn name(span: &Value) -> String {
    span["name"].as_str().unwrap_or_default().to_owned()
}

/// A call, the message that it sent, and its handling in the other process. Each is the parent of the next one.
fn crossed(of_sender: &[Value], of_other: &[Value]) -> Option<(Value, Value, Value)> {
    let parent =
        |span: &Value| of_sender.iter().find(|other| other["spanId"] == span["parentSpanId"]).cloned();
    of_other.iter().filter(|span| name(span).starts_with("process ")).find_map(|process| {
        let send = parent(process)?;
        let call = parent(&send)?;
        assert!([&send, &call].iter().all(|span| span["traceId"] == process["traceId"]), "{process:#}");
        Some((call, send, process.clone()))
    })
}
