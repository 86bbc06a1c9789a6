//! A server of another project: pycapnp ignores what travels beside a call, and answers as ever.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use app_core::testing::TestApp;
use app_core::trace::TraceContext;
use app_rpc::RpcClient;
use quota_schema::quota_capnp::quota;
use tracing::{Instrument, info_span};

use crate::pki::{AUTHORITY, Leaf};
use crate::request;
use crate::sink::{off, on, spans};
use crate::stand::{self, NAME, client_of, config};

/// Whether it is installed. With `REQUIRE_TOOLS=1` it has to be.
fn is_there() -> bool {
    let found = Command::new("python3").args(["-c", "import capnp"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    assert!(found || std::env::var("REQUIRE_TOOLS").as_deref() != Ok("1"), "pycapnp (PyPI) is not installed");
    if !found {
        eprintln!("SKIPPED: pycapnp (PyPI) is not installed");
    }
    found
}

/// A server in Python. It ends with this value.
struct Python(Child, #[expect(dead_code, reason = "its drop removes the files")] tempfile::TempDir);

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the server. Returns it with a client of it.
fn serve(app: &TestApp) -> (Python, RpcClient<quota::Client>) {
    let issued = AUTHORITY.issue(Leaf::server(&NAME.to_string()));
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = Command::new("python3");
    command.arg(format!("{root}/tests/tracing/quota_server.py"));
    command.arg(format!("{root}/../quota-schema/capnp/quota.capnp"));
    command.args([
        file("cert.pem", &issued.cert),
        file("key.pem", &issued.key),
        file("ca.pem", &AUTHORITY.pem()),
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = format!("127.0.0.1:{}", line.trim()).parse().unwrap();
    (Python(child, dir), client_of(app, "client of python", config(&[address], &AUTHORITY)))
}

/// Makes calls in both ways, until requests have had time for their own connection, and some more.
async fn all_are_answered(client: &RpcClient<quota::Client>) {
    for permits in 0..50 {
        assert_eq!(client.call(move |quota| stand::ask(quota, "echo", permits)).await, Ok(permits));
        assert_eq!(request::ask(client, "echo").await, Ok(7));
    }
    tokio::time::timeout(Duration::from_secs(60), request::ask(client, "echo")).await.unwrap().unwrap();
    let failed = request::ask(client, "fail").await.unwrap_err();
    assert!(failed.to_string().contains("on purpose"), "{failed}");
}

#[tokio::test]
async fn pycapnp_answers_calls_with_a_context_as_those_without() {
    if !is_there() {
        return;
    }
    {
        let _off = off().await;
        let app = TestApp::empty().await;
        let (_python, client) = serve(&app);
        all_are_answered(&client).await;
        let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let caller = TraceContext::parse(caller, Some("vendor=a value that takes some words")).unwrap();
        caller.scope(all_are_answered(&client)).await;
        app.stop().await.expect_clean();
    }
    let _on = on().await;
    let app = TestApp::empty().await;
    let (_python, client) = serve(&app);
    let caller = info_span!(parent: None, "caller");
    let id = caller.in_scope(|| TraceContext::current().unwrap().trace_id());
    all_are_answered(&client).instrument(caller).await;
    // One span for each call, and none of the server.
    assert_eq!(spans(id, 103).await.len(), 103);
    app.stop().await.expect_clean();
}
