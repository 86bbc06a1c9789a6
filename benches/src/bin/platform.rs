//! Whole processes, measured from outside: from exec to ready, from SIGTERM to exit, and the memory in between, with
//! 10 to 10,000 services.
//!
//! `cargo run --release -p benches` prints the table. The program starts itself: with `BENCH_SERVICES` set it is the
//! application that is measured, with config, metrics and health linked and that many services more.
#![expect(clippy::print_stdout, reason = "its output is the table")]

use std::{
    env, error, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use app_core::{events, prelude::*};
use app_health as _;
use app_metrics as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

ids! {
    /// Makes the services of the measured process.
    pub LOAD: ServiceId = 0xa3d1_5e77_02c4_9b18, "load";
}

app_core::service! { id: LOAD, name: "load", start: start }

/// How many services the measured process makes.
const SERVICES: &str = "BENCH_SERVICES";
/// How often each size is measured; the table has the median.
const RUNS: usize = 9;

type Failure = Box<dyn error::Error>;

/// What a start function of a service costs is the kernel's: these do nothing but wait for their end.
async fn start(app: App) -> Result<(), Error> {
    let services = env::var(SERVICES).ok().and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
    for i in 0..services {
        let service =
            Service::new(&app, ServiceId::new((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)), "idle")?;
        app.register(&service)?;
        let me = service.clone();
        service.spawn("waits", async move { me.dying().await })?;
    }
    Ok(())
}

struct Run {
    ready: Duration,
    exit: Duration,
    resident_kilobytes: u64,
}

fn main() -> ExitCode {
    if env::var_os(SERVICES).is_some() {
        return app_core::run();
    }
    match table() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn table() -> Result<(), Failure> {
    let config_dir = tempfile::tempdir()?;
    any_port(config_dir.path())?;
    println!("| services | exec to ready, ms | SIGTERM to exit, ms | resident set, MB |\n|---|---|---|---|");
    for services in [0, 10, 100, 1_000, 10_000] {
        let mut runs =
            (0..RUNS).map(|_| measure(services, config_dir.path())).collect::<Result<Vec<_>, _>>()?;
        let ready = median(&mut runs, |run| run.ready);
        let exit = median(&mut runs, |run| run.exit);
        let resident = median(&mut runs, |run| run.resident_kilobytes);
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!("| {services} | {:.1} | {:.1} | {:.1} |", ms(ready), ms(exit), resident as f64 / 1024.0);
    }
    Ok(())
}

fn median<T: Ord>(runs: &mut [Run], key: impl Fn(&Run) -> T) -> T {
    runs.sort_by_key(&key);
    key(&runs[runs.len() / 2])
}

/// A config of the metrics service that says "any free port", so that runs don't wait for each other's.
fn any_port(dir: &Path) -> Result<(), Failure> {
    let mut message = capnp::message::Builder::new_default();
    message.init_root::<schema::metrics_capnp::metrics_service_spec::Builder<'_>>().set_http_port(0);
    let mut file = Vec::new();
    app_config::marshal(&message, &mut file)?;
    fs::write(dir.join(format!("{:#x}", app_metrics::METRICS_SERVICE_ID)), file)?;
    Ok(())
}

fn measure(services: u64, config_dir: &Path) -> Result<Run, Failure> {
    let begun = Instant::now();
    let mut process = Command::new(env::current_exe()?)
        .env(SERVICES, services.to_string())
        .args(["--log-level=INFO", "--config-dir"])
        .arg(config_dir)
        .stderr(Stdio::piped())
        .spawn()?;
    let ready = wait_until_ready(&mut process, begun)?;
    let resident_kilobytes = resident(process.id())?;
    let asked = Instant::now();
    kill(Pid::from_raw(i32::try_from(process.id())?), Signal::SIGTERM)?;
    let status = process.wait()?;
    let exit = asked.elapsed();
    if !status.success() {
        return Err(format!("the measured process ended with {status}").into());
    }
    Ok(Run { ready, exit, resident_kilobytes })
}

/// Reads the log up to the event of readiness, and goes on reading in a thread, so that the pipe never fills.
fn wait_until_ready(process: &mut Child, begun: Instant) -> Result<Duration, Failure> {
    let log = process.stderr.take().ok_or("no log")?;
    let mut lines = BufReader::new(log).lines();
    let event = format!("\"event\":\"{}\"", events::APP_STARTED);
    while let Some(line) = lines.next().transpose()? {
        if line.contains(&event) {
            let ready = begun.elapsed();
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(ready);
        }
    }
    Err("the measured process ended before it was ready".into())
}

fn resident(process: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no resident set")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
