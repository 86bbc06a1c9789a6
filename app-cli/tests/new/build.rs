//! What `appctl new` makes is built, tested and run. It takes minutes: `cargo test -p app-cli --test new -- --ignored`.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use app_core::testing::{Process, Program, Signal};
use app_metrics::METRICS_SERVICE_ID;

use crate::made;
use crate::place::{settings, target};

/// A folder for workspaces. It is removed at the end.
struct Builds {
    folder: tempfile::TempDir,
}

impl Builds {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Runs cargo in a workspace. It must succeed, without a warning.
    #[track_caller]
    fn cargo(&self, workspace: &str, args: &[&str]) {
        let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
        let mut cargo = Command::new(cargo);
        cargo.args(args).current_dir(self.folder.path().join(workspace)).envs(settings());
        if args.contains(&"clippy") {
            cargo.args(["--", "-D", "warnings"]);
        }
        let output = cargo.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let ran = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !said.contains("warning"), "{args:?}: {said}{ran}");
    }

    /// Starts the program of a workspace, on any free port.
    fn start(&self, workspace: &str) -> Process {
        let configs = self.folder.path().join("configs");
        if !configs.exists() {
            fs::create_dir(&configs).unwrap();
            let json = self.folder.path().join("metrics.json");
            fs::write(&json, r#"{ "httpPort": 0, "bindAddress": "127.0.0.1" }"#).unwrap();
            let file = configs.join(format!("0x{}", METRICS_SERVICE_ID.hex()));
            let (file, json) = (file.to_str().unwrap(), json.to_str().unwrap());
            made(
                self.folder.path(),
                &["config", "seal", "--service", "metrics", "--plain", "--output", file, json],
            );
        }
        let program = target().join("debug").join(workspace);
        Program::new(program).args([Path::new("--config-dir"), &configs]).start()
    }
}

/// The answer to a request over HTTP.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Starts the program, asks its probes and its metrics, and stops it.
#[track_caller]
fn runs(builds: &Builds, workspace: &str, metrics: &[&str]) {
    let process = builds.start(workspace);
    process.started();
    let address = process.address_of(METRICS_SERVICE_ID);
    for probe in ["/livez", "/readyz"] {
        let answer = get(address, probe);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{probe}: {answer}");
    }
    let page = get(address, "/metrics?names=readable");
    for metric in metrics {
        assert!(page.contains(&format!("\n{metric}")), "{metric}: {page}");
    }
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

#[test]
#[ignore = "builds the platform once more, for minutes"]
fn a_new_workspace_builds_tests_runs_and_grows() {
    let builds = Builds::new();
    made(builds.folder.path(), &["new", "shop"]);
    builds.cargo("shop", &["build"]);
    builds.cargo("shop", &["test"]);
    runs(&builds, "shop", &["shop_hellos"]);

    made(&builds.folder.path().join("shop"), &["new", "service", "rate-limits"]);
    builds.cargo("shop", &["build"]);
    builds.cargo("shop", &["test"]);
    builds.cargo("shop", &["clippy", "--workspace", "--all-targets"]);
    builds.cargo("shop", &["doc", "--workspace", "--no-deps"]);
    runs(&builds, "shop", &["shop_hellos", "rate_limits_hellos"]);

    made(builds.folder.path(), &["new", "tiny", "--minimal"]);
    builds.cargo("tiny", &["build"]);
    builds.cargo("tiny", &["clippy", "--all-targets"]);
    runs(&builds, "tiny", &["tiny_hellos"]);
}
