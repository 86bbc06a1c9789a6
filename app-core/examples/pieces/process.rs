//! A whole process: its start with many services, and its stop by SIGTERM. Each service is one task that waits for the stop.

use std::{
    io::{BufRead, BufReader},
    process::ExitCode,
};

use app_core::{events, prelude::*};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    Rows,
    valgrind::{self, TIMES},
};

ids! {
    /// Makes the services.
    pub MAKER: ServiceId = 0xa3d1_5e77_02c4_9b18, "maker";
}

app_core::service! { id: MAKER, name: "maker", start: start }

pub(crate) fn table() -> Rows {
    let [none, thousand, four_thousand] = [0, 1_000, 4_000].map(instructions);
    [
        ("start and stop without services", none),
        ("with 1,000 services", thousand),
        ("with 4,000 services", four_thousand),
        ("each of 1,000", (thousand - none) / 1_000),
        ("each of the 3,000 more", (four_thousand - thousand) / 3_000),
    ]
    .map(|(what, count)| (what.to_owned(), count))
    .into()
}

fn instructions(services: u64) -> u64 {
    let tool = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let mut process = valgrind::command(&tool, "process/", services).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(process.id()).unwrap());
    let (ready, mut report) = (format!("\"event\":\"{}\"", events::APP_STARTED), String::new());
    for line in BufReader::new(process.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains(&ready) {
            kill(pid, Signal::SIGTERM).unwrap();
        }
        if line.starts_with("==") {
            report.push_str(&line);
            report.push('\n');
        }
    }
    let status = process.wait().unwrap();
    assert!(status.success(), "{services} services: {status}: {report}");
    valgrind::number(&report, "Collected :").unwrap()
}

/// Runs the application, with its log on standard error.
pub(crate) fn run() -> ExitCode {
    app_core::run()
}

async fn start(app: App) -> Result<(), Error> {
    let services: u64 = std::env::var(TIMES).ok().and_then(|count| count.parse().ok()).unwrap_or_default();
    for i in 0..services {
        let service =
            Service::new(&app, ServiceId::new((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)), "idle")?;
        app.register(&service)?;
        let me = service.clone();
        service.spawn("waits", async move { me.dying().await })?;
    }
    Ok(())
}
