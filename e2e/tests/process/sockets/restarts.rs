//! Restarts under load, by each way in which a listener outlives a process: no connection is refused, no request is lost.
//!
//! The whole proof, with its figures: `cargo test -p e2e --test process -- --ignored --nocapture a_hundred_restarts`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use app_rpc::admin::APP_RPC_SERVICE_ID;
use nix::sys::signal::Signal;
use quota_client::QUOTA_RPC;
use serde_json::json;

use super::{
    load::{Load, Waits},
    passing::{listener, with_listeners},
    store::Manager,
};
use crate::{
    endpoints::{IDS, Pki},
    files::Configs,
    http::get,
    program::{Process, Program, pass, poll},
};

/// The restarts by each way when the tests run, and in the whole proof.
const FEW: usize = 6;
const MANY: usize = 100;
/// From one restart to the next. An RPC client that loses connections faster than this pauses by itself.
const APART: Duration = Duration::from_millis(1_100);
/// No wait in a restart may be longer. A restart takes a few milliseconds on an idle machine, and this is for busy ones.
const LONGEST: Duration = Duration::from_secs(20);

/// What all processes of a proof have.
struct Stand {
    pki: Pki,
    configs: Configs,
    folder: tempfile::TempDir,
}

impl Stand {
    fn new() -> Self {
        let (pki, configs) = (Pki::new(), Configs::any_port());
        // So many permits that no call is denied for the lack of them.
        for (name, id) in [("quota-rpc", QUOTA_RPC), ("rpc", APP_RPC_SERVICE_ID)] {
            let mut example = pki.example(e2e::svc_example(), name);
            example["rpcServiceSpec"]["port"] = json!(0);
            pki.seal(e2e::svc_example(), name, &example, &configs.path_of(id));
        }
        Self { pki, configs, folder: tempfile::tempdir().unwrap() }
    }

    fn service(&self, program: Program) -> Program {
        program
            .args([Path::new("--config-dir"), self.configs.path()])
            .args(IDS)
            .args(["--worker-threads", "2"])
    }

    fn handover(&self) -> PathBuf {
        self.folder.path().join("handover")
    }
}

/// Restarts a process while clients ask it, and prints what they saw.
#[expect(clippy::print_stdout, reason = "the figures are the proof")]
fn prove(
    way: &str,
    stand: &Stand,
    first: Process,
    restarts: usize,
    mut next: impl FnMut(Process) -> Process,
) {
    let (http, rpc): (SocketAddr, SocketAddr) = (first.ready(), first.address_of(QUOTA_RPC));
    let load = Load::start(&stand.pki, http, rpc);
    load.passes(50);
    let mut process = first;
    let begun = Instant::now();
    for _ in 0..restarts {
        process = next(process);
        assert_eq!((process.ready(), process.address_of(QUOTA_RPC)), (http, rpc));
        // Each kind of client was answered by this process.
        load.passes(1);
        pass(APART);
    }
    let took = begun.elapsed();
    let waits = load.stop();
    assert_eq!(get(http, "/readyz").status, 200);
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
    println!("{way}: {restarts} restarts in {:.1} s", took.as_secs_f64());
    for Waits { kind, answered, repeated, lost, longest } in waits {
        println!(
            "  {kind}: {answered} answered, {} lost, {repeated} repeated on another connection, longest wait {:.1} ms",
            lost.len(),
            longest.as_secs_f64() * 1e3
        );
        assert_eq!(lost, Vec::<String>::new(), "{way}: {kind}");
        assert!(longest < LONGEST, "{way}: {kind}: {longest:?}");
        assert!(answered > restarts, "{way}: {kind}: {answered}");
    }
}

fn stopped(process: Process) {
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

fn passed_on(restarts: usize) {
    let stand = Stand::new();
    let sockets = [listener().0, listener().0, listener().0];
    let start = || {
        stand
            .service(with_listeners("metrics:rpc:quota-rpc", &[&sockets[0], &sockets[1], &sockets[2]]))
            .start()
    };
    prove("LISTEN_FDS", &stand, start(), restarts, |process| {
        stopped(process);
        start()
    });
}

fn stored(restarts: usize) {
    let stand = Stand::new();
    let mut manager = Manager::new();
    let first = manager.starts(|program| stand.service(program));
    prove("the store of a service manager", &stand, first, restarts, |process| {
        stopped(process);
        manager.starts(|program| stand.service(program))
    });
}

fn handed_over(restarts: usize) {
    let stand = Stand::new();
    let start =
        || stand.service(Program::service()).args([Path::new("--handover"), &stand.handover()]).start();
    let first = start();
    prove("--handover", &stand, first, restarts, |process| {
        let next = start();
        process.ended().expect_code(0);
        poll("the socket of the next process", || stand.handover().exists().then_some(()));
        next
    });
}

#[test]
fn restarts_with_passed_listeners_lose_nothing() {
    passed_on(FEW);
}

#[test]
fn restarts_with_stored_listeners_lose_nothing() {
    stored(FEW);
}

#[test]
fn restarts_with_a_handover_lose_nothing() {
    handed_over(FEW);
}

#[test]
#[ignore = "takes minutes; it prints the figures"]
fn a_hundred_restarts_by_each_way_lose_nothing() {
    passed_on(MANY);
    stored(MANY);
    handed_over(MANY);
}
