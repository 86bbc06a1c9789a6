//! One trace over two processes: the server of this test is this program, started once more.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};

use app_core::testing::TestApp;
use app_core::threads::spawn_thread;
use app_core::trace::TraceContext;
use tracing::{Instrument, info_span};

use crate::pki::{AUTHORITY, Issued, Leaf};
use crate::request;
use crate::sink::{on, spans};
use crate::stand::{self, NAME, PATIENCE, Spec, Stand, client_of, config, eventually};

/// The variable with the directory of the server's certificate.
const DIRECTORY: &str = "TRACING_TEST_SERVER";

/// The other process. It serves until its standard input ends, and prints the context of each call.
#[tokio::test]
#[ignore = "another test starts it in a process of its own"]
async fn the_other_process_serves() {
    let _on = on().await;
    let directory = std::env::var(DIRECTORY).unwrap();
    let read = |name: &str| std::fs::read_to_string(Path::new(&directory).join(name)).unwrap();
    let server = Issued { cert: read("cert.pem"), key: read("key.pem") };
    let ca = read("ca.pem");
    let stand = Stand::of(Spec { server: &server, ca: &ca, crl: "", change: &|_| {} }).await;
    say(&format!("address {}", stand.address()));
    let (ended, end) = tokio::sync::oneshot::channel();
    let input = spawn_thread("input", move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    let seen = std::sync::Arc::clone(&stand.seen);
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(2));
    let print = async {
        loop {
            ticks.tick().await;
            for context in seen.contexts.lock().unwrap().drain(..) {
                say(&format!("handled {} {}", context.traceparent(), context.tracestate().unwrap_or("-")));
            }
        }
    };
    tokio::select! {
        () = print => {}
        _ = end => {}
    }
    input.unwrap().join().unwrap();
    stand.app.stop().await.expect_clean();
}

/// A line for the process that started this one.
fn say(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}

struct OtherProcess(Child);

impl Drop for OtherProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the other process. Its lines arrive on the channel.
fn start(directory: &Path) -> (OtherProcess, Receiver<String>) {
    let issued = AUTHORITY.issue(Leaf::server(&NAME.to_string()));
    for (name, content) in
        [("cert.pem", &issued.cert), ("key.pem", &issued.key), ("ca.pem", &AUTHORITY.pem())]
    {
        std::fs::write(directory.join(name), content).unwrap();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", "two::the_other_process_serves"]);
    command.env(DIRECTORY, directory).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = sync_channel(1024);
    let reads = move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    };
    spawn_thread("output", reads).unwrap();
    (OtherProcess(child), lines)
}

/// The rest of the next line with this beginning. The test harness of the other process prints lines, too.
fn next(lines: &Receiver<String>, what: &str) -> String {
    loop {
        let line = lines.recv_timeout(PATIENCE).unwrap();
        if let Some((_, rest)) = line.split_once(what) {
            return rest.trim().to_owned();
        }
    }
}

#[tokio::test]
async fn a_call_to_another_process_is_in_the_trace_of_its_caller_there() {
    let _on = on().await;
    let directory = tempfile::tempdir().unwrap();
    let (mut other, lines) = start(directory.path());
    let address = next(&lines, "address ").parse().unwrap();
    let app = TestApp::empty().await;
    let client = client_of(&app, "client", config(&[address], &AUTHORITY));
    eventually("connected", || {
        client.instances().iter().any(|instance| instance.state == app_rpc::InstanceState::Connected)
    })
    .await;
    for way in ["call", "request"] {
        for sampled in [true, false] {
            let flags = u8::from(sampled);
            let id = app_ids::random_u64();
            let remote = format!("00-{id:016x}{id:016x}-b7ad6b7169203331-0{flags}");
            let remote = TraceContext::parse(&remote, Some("a=1")).unwrap().verified();
            let caller = remote.clone().run(|| info_span!("caller"));
            let call = async {
                match way {
                    "request" => request::ask(&client, "echo").await,
                    _ => client.call(|quota| stand::ask(quota, "echo", 7)).await,
                }
            };
            assert_eq!(call.instrument(caller).await, Ok(7));
            let handled = next(&lines, "handled ");
            let (parent, state) = handled.split_once(' ').unwrap();
            let there = TraceContext::parse(parent, Some(state)).unwrap();
            assert_eq!((there.trace_id(), there.sampled()), (remote.trace_id(), sampled), "{way}");
            assert_eq!(there.tracestate(), Some("a=1"));
            if sampled {
                let here = spans(remote.trace_id(), 2).await;
                assert!(here.iter().all(|span| span.context().span_id() != there.span_id()), "its own span");
            }
        }
    }
    drop(other.0.stdin.take());
    assert!(other.0.wait().unwrap().success());
    app.stop().await.expect_clean();
}
