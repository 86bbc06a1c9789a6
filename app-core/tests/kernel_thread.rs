//! The kernel works when every worker thread of the services is blocked, and a panic outside of a service ends the process.
//!
//! Each case is tried on a child: this very program, told what to do by an environment variable.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStderr, Command, ExitCode, Stdio},
    thread,
    time::Instant,
};

use app_core::{ExitStatus, Flags, Subcommand, clap, prelude::*, run_with};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const BESIDE: ServiceId = ServiceId::new(0x21d9_4c0f_83b6_5a17);
const BLOCKER: ServiceId = ServiceId::new(0x5b1e_77ab_19c4_0e62);
/// Says in a child what goes wrong.
const CASE: &str = "APP_CORE_KERNEL_CASE";
/// Told only when the stop gives up on all services together, since every worker is blocked.
const GIVEN_UP: &str = "app did not stop in time";

app_core::service! { id: BESIDE, name: "beside", start: start_beside, stop_timeout: Duration::from_secs(2) }
app_core::service! { id: BLOCKER, name: "blocker", start: start_blocker, start_timeout: Duration::from_secs(3), stop_timeout: Duration::from_secs(2) }

/// What the blocker needs, so that it stops after it.
struct Beside;

impl Exposed for Beside {
    const SERVICE: ServiceId = BESIDE;
}

async fn start_beside() -> Result<Beside, Error> {
    Ok(Beside)
}

async fn start_blocker(service: Service, _beside: Dep<Beside>) -> Result<(), Error> {
    match env::var(CASE).unwrap_or_default().as_str() {
        "start" | "start, then SIGTERM" => block_thread("its start function"),
        "running" => service.spawn("blocks", after_ready(service.clone(), || block_thread("a task")))?,
        "fatal" => {
            // From outside of the runtime: no worker turns over any more.
            let victim = service.clone();
            service.spawn(
                "blocks",
                after_ready(service.clone(), move || {
                    thread::spawn(move || victim.kill(fatal()));
                    block_thread("a task");
                }),
            )?;
        }
        _ => {}
    }
    Ok(())
}

fn fatal() -> Error {
    const DISK_FULL: app_errors::ErrSpec = app_errors::ErrSpec::new(
        ErrorId::new(0x77),
        app_errors::ErrorType::KnownEdgeCase,
        app_errors::ErrorSeverity::Fatal,
    );
    DISK_FULL.error(BLOCKER).message("disk full").build()
}

async fn after_ready(service: Service, then: impl FnOnce() + Send) {
    while !App::of(&service).readiness().ready() {
        tokio::task::yield_now().await;
    }
    then();
}

/// Blocks the thread as a synchronous call does that never comes back.
fn block_thread(what: &str) {
    // Not by `eprintln!`, which the test harness captures.
    std::io::stderr().write_all(format!("blocked: {what}\n").as_bytes()).unwrap();
    loop {
        thread::park();
    }
}

app_core::subcommand! { Subcommand::new(panics, panic) }

/// Also the filter by which the test program runs [`panics_as_a_subcommand`] alone.
fn panics() -> clap::Command {
    clap::Command::new("panics")
}

fn panic(_: &clap::ArgMatches) -> ExitCode {
    std::panic::panic_any("on purpose,\nin two lines")
}

/// A child that runs the app with one worker thread, and what it writes.
struct Running {
    child: Child,
    lines: BufReader<ChildStderr>,
    log: String,
    began: Instant,
}

fn running(case: &str) -> Running {
    child("runs_in_a_child", case)
}

fn child(test: &str, case: &str) -> Running {
    let mut program = Command::new(env::current_exe().unwrap());
    program.arg(test).env(CASE, case).env_remove("RUST_BACKTRACE");
    let mut child = program.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap());
    Running { child, lines, log: String::new(), began: Instant::now() }
}

impl Running {
    /// Reads on until a line has this in it.
    fn until(&mut self, part: &str) {
        let mut line = String::new();
        while !line.contains(part) {
            line.clear();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "{part:?} is missing in {}", self.log);
            self.log.push_str(&line);
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// The exit status and the log of a child that ends by itself, in time.
    fn ended(mut self) -> (i32, String) {
        std::io::Read::read_to_string(&mut self.lines, &mut self.log).unwrap();
        let status = self.child.wait().unwrap().code().unwrap_or(-1);
        // The stop of an app whose workers turn over takes 130 s when every service hangs.
        assert!(self.began.elapsed() < Duration::from_secs(60), "{:?}: {}", self.began.elapsed(), self.log);
        (status, self.log)
    }
}

#[test]
fn runs_in_a_child() {
    if env::var_os(CASE).is_none() {
        return;
    }
    exit_after(Duration::from_secs(120));
    let mut flags = Flags::with_config_dir("/nonexistent");
    flags.worker_threads = Some(1);
    let exit = run_with(flags);
    let all = [ExitStatus::Clean, ExitStatus::StartFailed, ExitStatus::Abandoned, ExitStatus::Fatal];
    let status = all.into_iter().find(|status| ExitCode::from(*status) == exit);
    std::process::exit(status.map_or(99, |status| i32::from(status.code())));
}

/// A child that hangs fails its test, and does not outlive it.
fn exit_after(time: Duration) {
    thread::spawn(move || {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
        }
        std::process::exit(98);
    });
}

#[test]
fn panics_as_a_subcommand() {
    if env::var_os(CASE).is_none() {
        return;
    }
    assert_eq!(app_core::run(), ExitCode::from(ExitStatus::Internal));
    std::process::exit(i32::from(ExitStatus::Internal.code()));
}

#[test]
fn the_start_timeout_holds_when_a_start_function_blocks_the_only_worker() {
    let (status, log) = running("start").ended();
    assert_eq!(status, 1, "{log}");
    let named =
        "service blocker (5b1e77ab19c40e62) did not start: its start function did not return within 3s";
    assert!(log.contains(named), "{log}");
    assert!(log.contains(GIVEN_UP), "{log}");
}

#[test]
fn a_signal_ends_a_start_whose_only_worker_is_blocked() {
    let mut running = running("start, then SIGTERM");
    running.until("blocked: its start function");
    running.signal(Signal::SIGTERM);
    let (status, log) = running.ended();
    assert_eq!(status, 3, "{log}");
    assert!(log.contains("app stopping: signal SIGTERM"), "{log}");
    assert!(log.contains(GIVEN_UP), "{log}");
    assert!(!log.contains("did not come back"), "the signal came first: {log}");
}

#[test]
fn a_signal_ends_an_app_whose_only_worker_is_blocked() {
    let mut running = running("running");
    running.until("blocked: a task");
    running.signal(Signal::SIGTERM);
    let (status, log) = running.ended();
    assert_eq!(status, 3, "{log}");
    assert!(log.contains("blocker (5b1e77ab19c40e62; tasks: blocks)"), "{log}");
    assert!(log.contains(GIVEN_UP), "{log}");
}

#[test]
fn supervision_goes_on_when_the_only_worker_is_blocked() {
    let (status, log) = running("fatal").ended();
    assert_eq!(status, 4, "{log}");
    assert!(log.contains("disk full"), "{log}");
}

#[tokio::test]
async fn a_main_function_inside_of_a_runtime_is_refused_with_the_cure() {
    assert_eq!(run_with(Flags::default()), ExitCode::from(ExitStatus::StartFailed));
    assert!(app_core::parse::<Cli>().is_err());
}

#[derive(clap::Parser)]
struct Cli {}

#[test]
fn a_panic_of_the_main_thread_is_one_line_and_status_70() {
    let (status, text) = child("panics", "panics").ended();
    assert_eq!(status, 70, "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("internal error: thread "), "{text}");
    assert!(
        text.contains("app-core/tests/kernel_thread.rs") && text.contains("on purpose, in two lines"),
        "{text}"
    );
}
