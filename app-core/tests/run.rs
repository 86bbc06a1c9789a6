//! The process around an app. What ends a process is tried on a child: this very program, told what to do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use app_core::{ExitStatus, Flags, Restart, Subcommand, clap, prelude::*, run_with};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const SEVEN: ServiceId = ServiceId::new(0x9d0b_61f4_33e7_2c58);
/// The argument with which the service fails whenever the app is ready: the filter of a test.
const FAILS: &str = "fails_for_ever";
/// Set in a child.
const CHILD: &str = "APP_CORE_TEST_CHILD";

const POLICY: Restart = Restart::on_failure().max_restarts(2).backoff(Duration::ZERO, Duration::ZERO);

app_core::service! { id: SEVEN, name: "seven", start: start, restart: POLICY }

async fn start(service: Service) -> Result<(), Error> {
    if !env::args().any(|arg| arg == FAILS) {
        return Ok(());
    }
    let me = service.clone();
    service.spawn("fails", async move {
        while !App::of(&me).readiness().ready() {
            tokio::task::yield_now().await;
        }
        Err::<(), _>(errors::SERVICE_NOT_AVAILABLE.error(SEVEN).message("disk full").build())
    })
}

app_core::subcommand! { Subcommand::new(waits, wait) }

/// Also the filter by which the test program runs [`waits_as_a_subcommand`] alone.
fn waits() -> clap::Command {
    clap::Command::new("waits")
}

fn wait(_: &clap::ArgMatches) -> ExitCode {
    io::stderr().write_all(b"it waits\n").unwrap();
    thread::park_timeout(Duration::from_secs(60));
    ExitCode::FAILURE
}

fn flags() -> Flags {
    Flags::with_config_dir("/nonexistent")
}

/// This program, with a part of the name of the test that is to act as a child.
fn child(test: &str) -> Child {
    let mut program = Command::new(env::current_exe().unwrap());
    program.arg(test).env(CHILD, "1").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

#[test]
fn waits_as_a_subcommand() {
    if is_child() {
        let _ = app_core::run();
    }
}

#[test]
fn a_signal_ends_a_subcommand_as_any_program() {
    if is_child() {
        return;
    }
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut child = child("waits");
        let stderr = BufReader::new(child.stderr.take().unwrap());
        assert!(stderr.lines().any(|line| line.unwrap() == "it waits"));
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(signal as i32));
    }
}

#[test]
fn panics_when_the_run_is_over() {
    if is_child() {
        let app = thread::spawn(|| run_with(flags()));
        while !app_core::compat::alive() {
            thread::yield_now();
        }
        app_core::compat::kill();
        app.join().unwrap();
        std::panic::panic_any("when the log is closed");
    }
}

#[test]
fn a_panic_after_the_run_is_told_as_without_it() {
    if is_child() {
        return;
    }
    let ended = child("panics_when").wait_with_output().unwrap();
    let told = [ended.stdout, ended.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(told.contains("when the log is closed"), "{told}");
}

#[test]
fn fails_for_ever() {
    if is_child() {
        assert_eq!(run_with(flags()), ExitCode::from(ExitStatus::Fatal));
    }
}

#[test]
fn a_service_that_fails_for_ever_ends_the_run_with_4_and_a_log_that_says_why() {
    if is_child() {
        return;
    }
    let ended = child(FAILS).wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{log}");
    let times = |text: &str| log.matches(text).count();
    assert_eq!(times("\"service restarted\""), 2, "{log}");
    assert_eq!(
        times("\"service seven (9d0b61f433e72c58) died once more after 2 restarts in 5m: disk full\""),
        3,
        "{log}"
    );
    assert_eq!(times("\"app stopped: fatal error: service seven"), 1, "{log}");
}

#[test]
fn a_second_run_in_one_process_fails_and_leaves_the_first_alone() {
    if is_child() {
        return;
    }
    let first = thread::spawn(|| run_with(flags()));
    while !app_core::compat::current().is_ok_and(|app| app.readiness().ready()) {
        thread::yield_now();
    }
    assert_eq!(run_with(flags()), ExitCode::from(ExitStatus::StartFailed));
    assert_eq!(
        app_core::compat::services::service_ids().unwrap(),
        [SEVEN],
        "the current app is still the first"
    );
    app_core::compat::kill();
    assert_eq!(first.join().unwrap(), ExitCode::from(ExitStatus::Clean));
}
