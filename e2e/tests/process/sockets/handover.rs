//! A process takes over from another one (`--handover`). Whatever becomes of the new one, clients are answered.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use app_metrics::log_events::METRICS_HTTP_SERVER_STARTED;
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    files::Configs,
    http::{get, try_get},
    program::{Process, Program, poll},
};

const FLAPPING: &str = env!("CARGO_BIN_EXE_flapping");

/// A folder with a handover socket, and the configs of the processes.
struct Place {
    folder: TempDir,
    configs: Configs,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), configs: Configs::any_port() }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("handover")
    }

    fn handing_over(&self, program: Program) -> Program {
        program.args([Path::new("--handover"), &self.socket()])
    }

    fn service(&self) -> Program {
        self.handing_over(self.configs.service())
    }

    /// A process that can be the predecessor of another one.
    fn running(&self) -> (Process, SocketAddr) {
        let process = self.service().start();
        let address = process.ready();
        self.is_found(&process);
        (process, address)
    }

    /// Waits until the next process finds this one.
    fn is_found(&self, process: &Process) {
        process.record("a handover socket", |record| has(record, "the next process finds this one at"));
    }
}

fn has(record: &Value, text: &str) -> bool {
    record["message"].as_str().is_some_and(|message| message.contains(text))
}

fn origin(process: &Process) -> Value {
    process.event(METRICS_HTTP_SERVER_STARTED)["origin"].clone()
}

#[track_caller]
fn goes_on(process: &Process, address: SocketAddr) {
    assert!(process.runs());
    let answer = get(address, "/readyz");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn a_process_takes_over_once_it_is_ready_and_the_other_one_stops_by_itself() {
    let place = Place::new();
    let (first, address) = place.running();
    let socket = fs::symlink_metadata(place.socket()).unwrap();
    assert!(socket.file_type().is_socket() && socket.permissions().mode() & 0o777 == 0o600, "{socket:?}");
    let second = place.service().args(["--release-id", "2"]).start();
    assert_eq!(second.ready(), address);
    assert_eq!(origin(&second), "handover");
    let ended = first.ended();
    ended.expect_code(0);
    let stopped = format!("app stopped: killed: handed over to process {} (release 2, ", second.pid());
    assert!(ended.stderr.contains(&stopped), "{}", ended.stderr);
    goes_on(&second, address);

    // And once more, from the second.
    place.is_found(&second);
    let third = place.service().start();
    assert_eq!(third.ready(), address);
    second.ended().expect_code(0);
    goes_on(&third, address);
    third.signal(Signal::SIGTERM);
    third.ended().expect_code(0);
    assert!(!place.socket().exists(), "it is removed at the end");
}

#[test]
fn a_process_that_does_not_start_is_not_missed() {
    let place = Place::new();
    let (first, address) = place.running();
    let broken = Configs::any_port().file(svc_example::QUOTA, b"no config");
    place.handing_over(broken.service()).run().expect_code(78);
    first.record("a warning", |record| has(record, "did not take over: it is gone; this process goes on"));
    goes_on(&first, address);
    // The next one is not kept out.
    let second = place.service().start();
    assert_eq!(second.ready(), address);
    first.ended().expect_code(0);
    second.signal(Signal::SIGTERM);
    second.ended().expect_code(0);
}

#[test]
fn another_app_and_another_domain_are_refused() {
    let place = Place::new();
    let (first, address) = place.running();
    for (flag, text) in
        [("--app-id", "and this process is app 7 of domain 0"), ("--domain-id", "app 0 of domain 7")]
    {
        let ended = place.service().args([flag, "7"]).run();
        ended.expect_code(1);
        assert!(
            ended.stderr.contains("the running process refuses: it is app 0 of domain 0"),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains(text), "{}", ended.stderr);
        goes_on(&first, address);
    }
}

#[test]
fn another_program_with_the_same_ids_is_refused() {
    let place = Place::new();
    let (first, address) = place.running();
    let other = Program::new(FLAPPING).without_environment();
    let ended = place.handing_over(other.args([Path::new("--config-dir"), place.configs.path()])).run();
    ended.expect_code(1);
    let text = "it is of package svc-example, and this process is of package e2e";
    assert!(ended.stderr.contains(text), "{}", ended.stderr);
    goes_on(&first, address);
}

#[test]
fn a_config_that_moves_the_address_on_the_port_of_the_running_process_is_an_error_with_the_cure() {
    let place = Place::new();
    let (first, address) = place.running();
    let everywhere = Configs::none().metrics(|mut spec| spec.set_http_port(address.port()));
    let ended = place.handing_over(everywhere.service()).run();
    ended.expect_code(1);
    let texts = [
        format!("the running process listens at {address}"),
        "stop the running process first, then start this one".to_owned(),
    ];
    for text in texts {
        assert!(ended.stderr.contains(&text), "{text}: {}", ended.stderr);
    }
    goes_on(&first, address);
}

#[test]
fn the_socket_of_a_process_that_was_killed_is_stale_and_stops_nobody() {
    let place = Place::new();
    let (first, _) = place.running();
    first.signal(Signal::SIGKILL);
    assert_eq!(first.ended().killed_by(), Some(9));
    assert!(place.socket().exists());
    let (second, address) = place.running();
    assert_eq!(origin(&second), "bound");
    second.record("the stale socket", |record| has(record, "no process listens on the handover socket"));
    goes_on(&second, address);
}

/// A process whose health a file decides.
fn flapping(place: &Place, healthy: &Path) -> Process {
    let program =
        Program::new(FLAPPING).without_environment().args([Path::new("--config-dir"), place.configs.path()]);
    let watched = program.args([Path::new("--file"), healthy]).args(["--interval-millis", "200"]);
    place.handing_over(watched).start()
}

/// Waits until the health check has passed often enough.
fn is_ready(process: &Process) -> SocketAddr {
    process.started();
    let address = process.address();
    poll("it is ready", || (get(address, "/readyz").status == 200).then_some(()));
    address
}

#[test]
fn a_process_that_is_not_ready_accepts_nothing_and_may_hang_or_be_killed() {
    let place = Place::new();
    let (healthy, never) = (place.folder.path().join("healthy"), place.folder.path().join("never"));
    fs::write(&healthy, "").unwrap();
    let first = flapping(&place, &healthy);
    let address = is_ready(&first);
    place.is_found(&first);
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let second = flapping(&place, &never);
        second.started();
        second.record("a handover", |record| has(record, "accepts until this process is ready"));
        // All answers are those of the first: the second would say no.
        for _ in 0..50 {
            goes_on(&first, address);
        }
        second.signal(Signal::SIGSTOP);
        goes_on(&first, address);
        if signal == Signal::SIGTERM {
            second.signal(Signal::SIGCONT);
        }
        second.signal(signal);
        second.ended();
    }
    first.records("two warnings", 2, |record| has(record, "did not take over: it is gone"));
    goes_on(&first, address);
    fs::write(&never, "").unwrap();
    let third = flapping(&place, &never);
    first.ended().expect_code(0);
    goes_on(&third, address);
}

#[test]
fn a_process_that_loses_its_predecessor_takes_over_all_the_same() {
    let place = Place::new();
    let (healthy, later) = (place.folder.path().join("healthy"), place.folder.path().join("later"));
    fs::write(&healthy, "").unwrap();
    let first = flapping(&place, &healthy);
    let address = is_ready(&first);
    place.is_found(&first);
    let second = flapping(&place, &later);
    second.record("a handover", |record| has(record, "accepts until this process is ready"));
    first.signal(Signal::SIGKILL);
    first.ended();
    fs::write(&later, "").unwrap();
    second.record("it took over", |record| has(record, "took over from process"));
    assert_eq!(try_get(address, "/livez").unwrap().status, 200);
}
