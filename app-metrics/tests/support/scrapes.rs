//! Scrapes over HTTP, and other people's parsers of what they get.
#![allow(dead_code, clippy::print_stderr, reason = "each test uses a part; a test that is skipped says so")]

use app_core::testing::TestApp;
use app_metrics::Metrics;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::net::Ipv4Addr;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The whole answer to a GET, as text.
pub(crate) async fn ask(app: &TestApp, path: &str, accept: &str) -> String {
    let answer = ask_with(app, path, &format!("accept: {accept}\r\n")).await;
    String::from_utf8(answer).unwrap()
}

/// The whole answer to a GET with these headers.
pub(crate) async fn ask_with(app: &TestApp, path: &str, headers: &str) -> Vec<u8> {
    let port = app.get::<Metrics>().bound_address().expect("it listens").port();
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), client.read_to_end(&mut answer)).await;
    read.expect("an answer in time").unwrap();
    answer
}

/// What follows the head of an answer, without the lengths of chunks.
pub(crate) fn body(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(!head.contains("chunked"), "{head}");
    body.to_owned()
}

/// Runs a tool on a text; `None` if it is not installed.
fn run(tool: &mut Command, text: &str, package: &str) -> Option<Output> {
    let started = tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut process = match started {
        Err(error) if error.kind() == ErrorKind::NotFound => return skipped(package),
        started => started.unwrap(),
    };
    let mut stdin = process.stdin.take().expect("it is piped");
    let text = text.to_owned();
    let writing = std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    let output = process.wait_with_output().unwrap();
    writing.join().unwrap();
    Some(output)
}

fn skipped<T>(package: &str) -> Option<T> {
    let required = std::env::var_os("REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(!required, "{package} is not installed, and REQUIRE_TOOLS=1 asks for it");
    eprintln!("SKIPPED: {package} is not installed");
    None
}

/// Asserts that `promtool check metrics` has no remark on a text in format 0.0.4.
#[track_caller]
pub(crate) fn promtool_is_clean(text: &str) {
    let mut tool = Command::new("promtool");
    let Some(output) = run(tool.args(["check", "metrics"]), text, "promtool (Debian package prometheus)")
    else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{}: {said}\n{text}", output.status);
}

/// A sample: its name, its labels, its value.
pub(crate) type PythonSample = (String, BTreeMap<String, String>, f64);

/// The samples that Python's `prometheus_client` reads. Each family stands once, or the parser is told to fail.
#[track_caller]
pub(crate) fn python(format: &str, text: &str) -> Option<Vec<PythonSample>> {
    const SCRIPT: &str = "\
import json, sys
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
parse = {'text': parser, 'openmetrics': openmetrics}[sys.argv[1]].text_string_to_metric_families
families = list(parse(sys.stdin.buffer.read().decode()))
names = [family.name for family in families]
assert len(names) == len(set(names)), [name for name in names if names.count(name) > 1]
series = [(s.name, sorted(s.labels.items())) for f in families for s in f.samples]
keys = set(map(repr, series))
assert len(keys) == len(series), [s for s in series if series.count(s) > 1]
json.dump([[s.name, s.labels, repr(s.value)] for family in families for s in family.samples], sys.stdout)
";
    const PACKAGE: &str = "prometheus_client (PyPI package prometheus-client)";
    let installed = run(Command::new("python3").args(["-c", "import prometheus_client"]), "", PACKAGE)?;
    if !installed.status.success() {
        return skipped(PACKAGE);
    }
    let output = run(Command::new("python3").args(["-c", SCRIPT, format]), text, PACKAGE)?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{format}: {said}\n{text}");
    let samples: Vec<(String, BTreeMap<String, String>, String)> =
        serde_json::from_slice(&output.stdout).unwrap();
    Some(samples.into_iter().map(|(name, labels, value)| (name, labels, value.parse().unwrap())).collect())
}
