//! State inherited from a parent process: blocked and ignored signals, and environment variables of libraries.

use nix::sys::signal::Signal;

use crate::{files::Configs, http::get, program::Program, tools};

/// The program, started by `env`, which blocks or ignores signals first.
fn under_env(configs: &Configs, settings: &[&str]) -> Option<Program> {
    if !tools::installed("env", &["--block-signal", "true"], "coreutils 8.31 or newer") {
        return None;
    }
    let program = Program::new("env").args(settings).args([e2e::svc_example(), "--config-dir"]);
    Some(program.args([configs.path()]))
}

#[test]
fn signals_that_the_parent_blocked_or_ignored_still_stop_it() {
    let all = "--block-signal";
    for (settings, signal) in [
        (&[all][..], Signal::SIGTERM),
        (&[all], Signal::SIGQUIT),
        (&["--block-signal=TERM,INT"], Signal::SIGINT),
        (&["--ignore-signal=TERM"], Signal::SIGTERM),
        (&["--ignore-signal=TERM", "--block-signal=TERM"], Signal::SIGTERM),
    ] {
        let configs = Configs::any_port();
        let Some(program) = under_env(&configs, settings) else { return };
        let process = program.start();
        process.ready();
        process.signal(signal);
        process.ended().expect_code(0);
    }
}

#[test]
fn a_blocked_hangup_still_reloads() {
    let configs = Configs::any_port();
    let Some(program) = under_env(&configs, &["--block-signal"]) else { return };
    let process = program.start();
    process.ready();
    process.signal(Signal::SIGHUP);
    process.line("SIGHUP");
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

#[test]
fn variables_that_libraries_read_neither_stop_nor_change_it() {
    for (name, value) in [
        ("TOKIO_WORKER_THREADS", "0"),
        ("TOKIO_WORKER_THREADS", ""),
        ("TOKIO_WORKER_THREADS", "many"),
        ("TOKIO_WORKER_THREADS", "18446744073709551616"),
        ("RUST_MIN_STACK", "many"),
        ("RUST_MIN_STACK", "0"),
        ("RUST_BACKTRACE", "many"),
        ("RUST_LIB_BACKTRACE", "0"),
        ("RUST_LOG", "trace,=="),
        ("COLORTERM", "\u{1b}[31m"),
        ("TERM", ""),
        ("TZ", "Nowhere/At all"),
        ("LANG", "xx_YY.UTF-99"),
    ] {
        let configs = Configs::any_port();
        let process = configs.service().env(name, value).start();
        let address = process.ready();
        assert_eq!(get(address, "/readyz").status, 200, "{name}={value}");
        if name == "TOKIO_WORKER_THREADS" {
            let warning = process.line("TOKIO_WORKER_THREADS");
            assert!(warning.contains("is ignored; use --worker-threads"), "{warning}");
        }
        process.signal(Signal::SIGTERM);
        let ended = process.ended();
        ended.expect_code(0);
        assert!(!ended.stderr.contains("panic"), "{name}={value}: {}", ended.stderr);
    }
}

#[test]
fn a_stack_size_that_no_thread_can_have_is_one_line_and_status_1() {
    let configs = Configs::any_port();
    let ended = configs.service().env("RUST_MIN_STACK", "1000000000000000").run();
    ended.expect_code(1);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("thread \"log\" cannot be started"), "{}", ended.stderr);
    assert!(ended.stderr.contains("RUST_MIN_STACK"), "{}", ended.stderr);
}
