//! Traces over processes, at a collector that is not of this project: the PyPI package `oteltap`. The other party of a message is a
//! program of this project, or a Python program with OpenTelemetry's SDK.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};

use app_messaging::MessageType as _;
use quota_schema::quota_capnp::refill;
use serde_json::Value;
use svc_example::{QUOTA, Refill};

use crate::dev::shell;
use crate::nats;
use crate::page::{Step, follow, steps};
use crate::program::{Process, Program, poll};
use crate::tools::{installed, run};

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

/// An instance of the quota service with a collector of its own and a message server.
struct Instance {
    process: Process,
    collector: Process,
    /// The line that sets the contexts of its commands.
    export: String,
    /// The URL of the collector.
    endpoint: String,
}

fn instance(server: &nats::NatsServer) -> Instance {
    let port = free_port();
    let collector =
        Program::new("oteltap").args(["--port", &port.to_string()]).env("PYTHONUNBUFFERED", "1").start();
    poll("the collector", || TcpStream::connect(("127.0.0.1", port)).ok());
    let endpoint = format!("http://127.0.0.1:{port}");
    let process = Program::service().args(["--dev=0", "--nats", &server.url()]);
    let process = process.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint).start();
    process.started();
    let tour = process.printed("that was the tour'\n");
    let export = tour.lines().find(|line| line.starts_with("export ")).unwrap().to_owned();
    Instance { process, collector, export, endpoint }
}

/// `appctl` calls an operation of one instance, which stores a message. Either instance may handle it.
#[test]
fn a_message_is_in_the_trace_of_the_call_that_sent_it() {
    if !installed("oteltap", &["--help"], "the PyPI package oteltap") {
        return;
    }
    let Some(server) = nats::NatsProgram::newest().map(|program| program.start()) else { return };
    let Instance { process: sender, collector: of_sender, export, .. } = instance(&server);
    let Instance { process: other, collector: of_other, .. } = instance(&server);
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

/// Sends a message in a span of its own, and reads one of the service in another.
const PYTHON: &str = r#"
import asyncio, sys
import nats
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

COLLECTOR, URL, STREAM, SUBJECT, PAYLOAD = sys.argv[1:]

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=COLLECTOR + "/v1/traces")))
tracer = provider.get_tracer("other party")

async def main():
    client = await nats.connect(URL)
    stream = client.jetstream()
    reads = await stream.pull_subscribe("", durable="python", stream=STREAM)
    message = (await reads.fetch(1, timeout=30))[0]
    with tracer.start_as_current_span("python reads", context=extract(message.headers)):
        await message.ack()
    with tracer.start_as_current_span("python sends"):
        headers = {}
        inject(headers)
        await stream.publish(SUBJECT, bytes.fromhex(PAYLOAD), headers=headers)
    await client.close()

asyncio.run(main())
provider.shutdown()
"#;

/// A message that asks for a full bucket, as the contract says it: one Cap'n Proto message, packed.
fn refill() -> String {
    let mut message = capnp::message::Builder::new_default();
    let mut refill = message.init_root::<refill::Builder<'_>>();
    refill.set_rule("default");
    refill.set_key("carol");
    let mut packed = Vec::new();
    capnp::serialize_packed::write_message(&mut packed, &message).unwrap();
    packed.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_trace_goes_on_in_a_program_with_the_sdk_of_opentelemetry_and_comes_back() {
    let sdk = "import nats, opentelemetry.sdk.trace, opentelemetry.exporter.otlp.proto.http";
    if !installed("oteltap", &["--help"], "the PyPI package oteltap")
        || !installed("python3", &["-c", sdk], "the PyPI packages that .ci/run names")
    {
        return;
    }
    let Some(server) = nats::NatsProgram::newest().map(|program| program.start()) else { return };
    let Instance { process, collector, export, endpoint } = instance(&server);
    let ask = "appctl do quota refill --rule default --bucket bob --reason 'a trace'";
    shell(&format!("{export}\n{ask}")).run().expect_code(0);
    let subject = format!("op.d0.{:x}.{:x}._._", QUOTA.as_u64(), Refill::INFO.id().as_u64());
    let args = ["-c", PYTHON, &endpoint, &server.url(), "OP_d0_59e39d8d10c4dfdd", &subject, &refill()];
    run("python3", args);
    let pairs = poll("spans of both parties", || {
        let spans = lines_of_json(&collector.printed(""));
        let child_of = |parent: &str, child: &str| {
            let parent = spans.iter().find(|span| name(span) == parent)?;
            let is_child = |span: &&Value| name(span) == child && span["parentSpanId"] == parent["spanId"];
            Some((parent.clone(), spans.iter().find(is_child)?.clone()))
        };
        let read = child_of("send quota_refill", "python reads")?;
        Some([read, child_of("python sends", "process quota_refill")?])
    });
    for (parent, child) in pairs {
        assert_eq!(parent["traceId"], child["traceId"], "{child:#}");
    }
    process.signal(nix::sys::signal::Signal::SIGTERM);
    process.ended().expect_code(0);
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
