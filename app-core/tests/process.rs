//! Whole processes in tests: what is captured, which waits end and how, and that nothing is left behind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use app_core::{
    events::APP_STARTED,
    prelude::ServiceId,
    testing::{Process, Program, Signal},
};

const SEVEN: ServiceId = ServiceId::new(7);

fn shell(script: &str) -> Program {
    Program::new("sh").args(["-c", script])
}

/// The text of the panic.
fn panics<T>(what: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(what)) {
        Ok(_) => panic!("it did not panic"),
        Err(panic) => panic.downcast_ref::<String>().unwrap().clone(),
    }
}

/// Whether there is such a process, also one that nobody has reaped.
fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn output_and_status_are_captured_whole() {
    let ended = shell("echo out; echo err >&2; printf half >&2; exit 7").run();
    assert_eq!((&*ended.stdout, &*ended.stderr), ("out\n", "err\nhalf"));
    assert_eq!((ended.code(), ended.killed_by()), (Some(7), None));
    ended.expect_code(7);
    assert!(panics(|| ended.expect_code(0).code()).contains("err\nhalf"));
}

#[test]
fn records_are_the_lines_that_are_json_and_a_wait_sees_those_that_come_later() {
    let started = APP_STARTED.hex();
    let process = shell(&format!(
        r#"echo 'no json' >&2; echo '{{"n":1}}' >&2; echo '[1]' >&2; sleep 0.2; echo '{{"n":2}}' >&2
           echo '{{"event":"{started}"}}' >&2; echo done; sleep 60"#
    ))
    .start();
    assert_eq!(process.record("the second", |record| record["n"] == 2)["n"], 2);
    assert_eq!(process.started()["event"], started);
    assert!(process.starts());
    assert_eq!(process.records("both", 2, |record| record["n"].is_u64()).len(), 2);
    assert!(process.seen(|record| record["n"] == 1));
    assert_eq!(process.line("no"), "no json");
    assert_eq!(process.printed("done"), "done\n");
    process.goes_on_for(Duration::from_millis(50));
    assert!(process.runs() && !process.is_over());
}

#[test]
fn an_address_is_that_of_the_service_and_one_that_a_test_can_reach() {
    let process = shell(
        r#"echo '{"svc":"8","addr":"127.0.0.2:1"}' >&2; echo '{"svc":"7","addr":"nowhere"}' >&2
           echo '{"svc":"7","addr":"[::0]:4444"}' >&2; sleep 60"#,
    )
    .start();
    assert_eq!(process.address_of(SEVEN), ([127, 0, 0, 1], 4444).into());
    assert_eq!(process.address_of(ServiceId::new(8)).to_string(), "127.0.0.2:1");
}

#[test]
fn a_wait_ends_with_the_process_and_tells_all_that_it_said() {
    let began = Instant::now();
    let process = shell("echo told; echo 'port is busy' >&2; exit 3").start();
    let told = panics(|| process.address_of(SEVEN));
    assert!(began.elapsed() < Duration::from_secs(30));
    for part in ["the address of service 7: never seen", "exit status: 3", "told", "port is busy"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!process.starts());
    assert!(panics(|| process.goes_on_for(Duration::from_secs(60))).contains("port is busy"));
}

#[test]
fn a_wait_ends_at_its_deadline() {
    let process = shell("echo so far >&2; sleep 60").patience(Duration::from_millis(100)).start();
    process.line("so far");
    let told = panics(|| process.ended());
    assert!(told.contains("the end: never seen, the process runs, and 100ms are over"), "{told}");
    assert!(told.contains("so far"), "{told}");
}

#[test]
fn a_signal_reaches_the_process_and_none_reaches_another_one_later() {
    let process = shell("sleep 60 & trap 'kill $!; exit 5' TERM; echo traps; wait").start();
    process.printed("traps");
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(5);
    assert!(!exists(process.pid()), "it is reaped");
    // The process is gone, so this does nothing.
    process.signal(Signal::SIGKILL);
    let killed = shell("kill -KILL $$").run();
    assert_eq!((killed.code(), killed.killed_by()), (None, Some(9)));
}

#[test]
fn a_process_that_ignores_signals_is_gone_when_it_is_dropped() {
    let process: Process = shell("trap '' TERM INT; echo ignores; while :; do sleep 0.1; done").start();
    process.printed("ignores");
    process.signal(Signal::SIGTERM);
    process.goes_on_for(Duration::from_millis(50));
    let pid = process.pid();
    assert!(exists(pid));
    drop(process);
    assert!(!exists(pid), "killed and reaped");
}

#[test]
fn a_process_is_killed_when_its_test_panics() {
    let mut pid = 0;
    let told = panics(|| {
        let process = shell("sleep 60").start();
        pid = process.pid();
        panic!("{}", "on purpose".to_owned());
    });
    assert_eq!(told, "on purpose");
    assert!(!exists(pid));
}

#[test]
fn flags_of_the_test_itself_do_not_reach_the_process() {
    let env = |program: Program| program.run().stdout;
    let own = env(Program::new("env"));
    assert!(own.contains("PATH=") && !own.lines().any(|line| line.starts_with("OP_")), "{own}");
    assert_eq!(
        env(Program::new("/usr/bin/env").without_environment().env("OP_APP_ID", "7")),
        "OP_APP_ID=7\n"
    );
    let read = Program::new("cat").stdin(fs::File::open("/proc/version").unwrap()).run().stdout;
    assert_eq!(read, fs::read_to_string("/proc/version").unwrap());
    assert_eq!(Program::new("cat").run().stdout, "", "there is no standard input");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let told = panics(|| Program::new("/no/such/program").start());
    assert!(told.starts_with("/no/such/program: cannot be started: "), "{told}");
}

#[test]
fn a_flood_of_output_is_read_and_not_all_kept() {
    let ended = shell("head -c 80000000 /dev/zero | tr '\\0' x; echo; echo end >&2").run();
    ended.expect_code(0);
    assert!(ended.stdout.len() <= 64 * 1024 * 1024 && ended.stdout.len() > 32 * 1024 * 1024);
    assert_eq!(ended.stderr, "end\n");
}
