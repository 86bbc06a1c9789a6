//! Files of pycapnp (PyPI), and of the program `capnp` (Debian package `capnproto`) with zlib, are read here, and the reverse.
//!
//! Without the tools the tests say that they were skipped. With `REQUIRE_TOOLS=1` they fail then.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::{env, fs};

use app_config::codec::Message;
use app_config::codec::{decode, marshal, unmarshal};
use capnp::message::{Builder, HeapAllocator};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use quota_schema::quota_capnp::quota_spec;
use schema::metrics_capnp::metrics_service_spec;

const SCHEMAS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/capnp");

/// Whether the tool can be used. If not, the test says so, or fails.
fn has(tool: &str, probe: &mut Command) -> bool {
    let found =
        probe.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !found {
        assert!(
            env::var("REQUIRE_TOOLS").as_deref() != Ok("1"),
            "REQUIRE_TOOLS=1, and {tool} is not installed"
        );
        eprintln!("SKIPPED: {tool} is not installed");
    }
    found
}

fn has_pycapnp() -> bool {
    has("pycapnp (PyPI)", Command::new("python3").args(["-c", "import capnp"]))
}

fn has_capnp() -> bool {
    has("the capnp program (Debian: capnproto)", Command::new("capnp").arg("--version"))
}

/// Runs a program to its end with `input` on standard input, and returns its output.
fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Small inputs fit into the pipe, so writing them does not wait.
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    output.stdout
}

fn pycapnp(action: &str, file: &std::path::Path) -> Vec<u8> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop.py");
    let schema = format!("{SCHEMAS}/metrics.capnp");
    run(Command::new("python3").args([script, action, &schema]).arg(file), b"")
}

fn metrics() -> Builder<HeapAllocator> {
    let mut message = Builder::new_default();
    let mut spec = message.init_root::<metrics_service_spec::Builder<'_>>();
    spec.set_http_port(9999);
    spec.set_bind_address("127.0.0.1");
    let mut specs = spec.init_metric_specs();
    let mut counter = specs.reborrow().init_counter_specs(1).get(0);
    counter.set_service_id(0xce1f_32c6_80e1_ef0b);
    counter.set_metric_id(u64::MAX);
    counter.set_help("Grüße.");
    let mut vector = specs.init_histogram_vector_specs(1).get(0);
    let mut metric = vector.reborrow().init_metric_spec();
    metric.set_service_id(1);
    metric.set_metric_id(2);
    metric.set_help("Seconds.");
    let mut buckets = metric.init_buckets(3);
    for (index, bound) in (0..).zip([0.005, 0.1, 2.5]) {
        buckets.set(index, bound);
    }
    let mut labels = vector.init_label_names(2);
    labels.set(0, "method");
    labels.set(1, "outcome");
    message
}

fn text_of(message: &Message) -> String {
    format!("{:?}", message.get_root::<metrics_service_spec::Reader<'_>>().unwrap())
}

fn ours<A: capnp::message::Allocator>(message: &Builder<A>) -> Vec<u8> {
    let mut file = Vec::new();
    marshal(message, &mut file).unwrap();
    file
}

#[test]
fn a_file_of_pycapnp_is_read_here() {
    if !has_pycapnp() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    pycapnp("write", &path);
    let theirs = unmarshal(fs::File::open(&path).unwrap()).unwrap();
    assert_eq!(text_of(&theirs), text_of(&decode(&ours(&metrics())).unwrap()));
}

#[test]
fn pycapnp_reads_a_file_of_ours() {
    if !has_pycapnp() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (our_path, their_path) = (dir.path().join("ours"), dir.path().join("theirs"));
    fs::write(&our_path, ours(&metrics())).unwrap();
    pycapnp("write", &their_path);
    let ours_as_json = String::from_utf8(pycapnp("read", &our_path)).unwrap();
    assert_eq!(ours_as_json, String::from_utf8(pycapnp("read", &their_path)).unwrap());
    assert!(ours_as_json.contains("\"metricId\": 18446744073709551615"), "{ours_as_json}");
}

#[test]
fn a_message_of_the_capnp_program_is_read_here() {
    if !has_capnp() {
        return;
    }
    let text =
        br#"(rules = [(name = "default", permits = 7), (name = "slow", permits = 1, periodMillis = 60000)])"#;
    let packed = capnp_program("encode", text);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(&packed).unwrap();
    let message = decode(&zlib.finish().unwrap()).unwrap();
    let rules = message.get_root::<quota_spec::Reader<'_>>().unwrap().get_rules().unwrap();
    let read: Vec<_> = rules
        .iter()
        .map(|rule| {
            (rule.get_name().unwrap().to_string().unwrap(), rule.get_permits(), rule.get_period_millis())
        })
        .collect();
    assert_eq!(read, [("default".to_owned(), 7, 1000), ("slow".to_owned(), 1, 60_000)]);
}

#[test]
fn the_capnp_program_reads_a_file_of_ours() {
    if !has_capnp() {
        return;
    }
    let mut message = Builder::new_default();
    let mut rule = message.init_root::<quota_spec::Builder<'_>>().init_rules(1).get(0);
    rule.set_name("default");
    rule.set_permits(7);
    let mut packed = Vec::new();
    ZlibDecoder::new(&ours(&message)[..]).read_to_end(&mut packed).unwrap();
    let text = String::from_utf8(capnp_program("decode", &packed)).unwrap();
    assert!(text.contains("name = \"default\"") && text.contains("permits = 7"), "{text}");
}

fn capnp_program(action: &str, input: &[u8]) -> Vec<u8> {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../quota-schema/capnp/quota.capnp");
    run(Command::new("capnp").args([action, "--packed", schema, "QuotaSpec"]).env_remove("PWD"), input)
}
