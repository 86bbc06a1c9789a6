//! Many services with a command server at once: the instructions of one of them, and its misses of two caches.
//!
//! Valgrind simulates the caches. They are as large as those that most processors have for each core.

use std::process::ExitCode;

use app_core::{App, LogLevel, commands::CommandServer, prelude::*, testing::TestApp};
use tokio::runtime::{Builder, Runtime};

use crate::{Rows, valgrind};

/// The number of services at once, and of repetitions.
const CROWDS: [(u64, u64); 3] = [(100, 100), (1_000, 10), (10_000, 1)];

pub(crate) fn table() -> Rows {
    CROWDS.into_iter().flat_map(|(count, rounds)| of(count, rounds)).collect()
}

fn of(count: u64, rounds: u64) -> Vec<(String, u64)> {
    let tool = [
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        "--cache-sim=yes",
        "--D1=32768,8,64",
        "--LL=1048576,16,64",
        "--collect-atstart=no",
        "--toggle-collect=pieces::crowd::lives",
        "--toggle-collect=pieces::crowd::lives::h*",
    ];
    let output = valgrind::command(&tool, &format!("crowd/{rounds}"), count).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{count} services: {}: {text}", output.status);
    // Instructions, reads and writes; then the misses of the first cache for the three, and those of the second.
    let (_, collected) = text.split_once("Collected :").unwrap();
    let events: Vec<u64> = collected.split_whitespace().map_while(|number| number.parse().ok()).collect();
    let of_one = |event: u64| event.div_euclid(count * rounds);
    [
        ("instructions", events[0]),
        ("misses of 32 KiB", events[4] + events[5]),
        ("misses of 1 MiB", events[7] + events[8]),
    ]
    .map(|(what, event)| (format!("one of {count} at once: {what}"), of_one(event)))
    .into()
}

pub(crate) fn run(rounds: &str, count: u64) -> ExitCode {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let quiet = TestApp::builder().flags(|flags| flags.log_level = LogLevel::Error);
    let app = runtime.block_on(quiet.start());
    // The first round is not counted, because it includes one-time work.
    all(&runtime, &app, count);
    (0..rounds.parse().unwrap()).for_each(|_: u64| lives(&runtime, &app, count));
    runtime.block_on(app.stop()).expect_clean();
    ExitCode::SUCCESS
}

#[inline(never)]
fn lives(runtime: &Runtime, app: &App, count: u64) {
    all(runtime, app, count);
}

#[inline(always)]
fn all(runtime: &Runtime, app: &App, count: u64) {
    runtime.block_on(async {
        let services: Vec<(Service, CommandServer<u64>)> = (1..=count).map(|i| one(app, i)).collect();
        services.iter().for_each(|(service, _)| service.kill("enough"));
        for (service, _) in services {
            service.wait().await.unwrap();
        }
    });
}

fn one(app: &App, number: u64) -> (Service, CommandServer<u64>) {
    let id = ServiceId::new(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let service = Service::new(app, id, "one of many").unwrap();
    app.register(&service).unwrap();
    let server = CommandServer::builder("count", 16).spawn(&service, 0_u64).unwrap();
    (service, server)
}
