//! Limits of threads, descriptors, memory and stacks. The program works, or it ends with one line that names the limit.
//!
//! Every wait has a deadline ([`PATIENCE`](crate::program::PATIENCE)), so a hang is a failure. `LIMITS_SWEEP=1` tries every
//! value; otherwise the tests try values around those at which the program begins to work.

mod cgroup;
mod commands;
mod dev;
mod live;

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{self, Write},
    ops::RangeInclusive,
    os::unix::{fs::chown, process::ExitStatusExt},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use nix::sys::signal::Signal;

use crate::{
    files::Configs,
    http::get,
    program::{Ended, Process, Program, poll},
    tools,
};

/// Programs that run at the same time.
const AT_A_TIME: usize = 3;

/// A new user for each run. The system counts threads by user, and root has no limit.
fn fresh_user() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let base = 1_000_000 + std::process::id() % 100_000 * 1_000;
    base + NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Whether this machine can run programs as other users and with limits. Otherwise prints why not.
fn possible() -> bool {
    if !tools::installed(
        "setpriv",
        &["--reuid=12345", "--clear-groups", "prlimit", "--nproc=100", "true"],
        "util-linux",
    ) {
        return false;
    }
    // Other users must be able to enter every folder of the path.
    let reachable = Command::new("setpriv")
        .args(["--reuid=12345", "--clear-groups", e2e::svc_example(), "--version"])
        .stdout(Stdio::null())
        .status();
    let reachable = reachable.is_ok_and(|status| status.success());
    if !reachable {
        let _ = writeln!(io::stderr(), "SKIPPED: another user cannot run the program where it was built");
    }
    reachable
}

/// A program that runs as another user, with options of `prlimit` as limits, and without the environment of this process.
fn as_user(user: u32, limits: &[String], program: impl AsRef<OsStr>) -> Program {
    Program::new("setpriv")
        .without_environment()
        .args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()])
        .args(["prlimit", "--core=0"])
        .args(limits)
        .args([program])
}

/// The service as another user, with limits.
fn limited(configs: &Configs, limits: &[String]) -> Program {
    let user = fresh_user();
    chown(configs.path(), Some(user), Some(user)).unwrap();
    for entry in fs::read_dir(configs.path()).unwrap() {
        chown(entry.unwrap().path(), Some(user), Some(user)).unwrap();
    }
    as_user(user, limits, e2e::svc_example()).args([Path::new("--config-dir"), configs.path()])
}

/// Asserts that the service answers, and that it stops on a signal.
fn works(process: &Process, limits: &[String]) {
    let address = process.address();
    poll(&format!("ready under {limits:?}"), || (get(address, "/readyz").status == 200).then_some(()));
    process.signal(Signal::SIGTERM);
    let ended = process.ended();
    assert_eq!(ended.code(), Some(0), "{limits:?}: {ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{limits:?}: {}", ended.stderr);
}

/// Whether the kernel or the loader failed before the program began.
fn ended_before_main(ended: &Ended) -> bool {
    let by_loader =
        ended.code() == Some(127) && ended.stderr.contains("error while loading shared libraries");
    let by_kernel = ended.status.signal() == Some(Signal::SIGSEGV as i32) && ended.stderr.is_empty();
    by_loader || by_kernel
}

/// Lines of the program other than harmless log records.
fn problems(ended: &Ended) -> Vec<String> {
    let lines = ended.stderr.lines().filter(|line| {
        let record = serde_json::from_str::<serde_json::Value>(line).ok();
        record.is_none_or(|record| record["level"] == "error")
    });
    lines.map(str::to_owned).collect()
}

/// Asserts that the program works under limits, or ends with status 1 and one line that names one of the limits.
fn works_or_names(limits: &[String], names: &[&str]) {
    let configs = Configs::any_port();
    started_works_or_names(&limited(&configs, limits).start(), limits, names);
}

fn started_works_or_names(process: &Process, limits: &[String], names: &[&str]) {
    if process.starts() {
        return works(process, limits);
    }
    let ended = process.ended();
    if ended_before_main(&ended) {
        return;
    }
    let problems = problems(&ended);
    assert_eq!((ended.code(), problems.len()), (Some(1), 1), "{limits:?}: {ended:?}");
    let named = names.iter().any(|name| problems[0].contains(name));
    assert!(named && problems[0].contains(" start: "), "{limits:?}: {}", problems[0]);
}

/// Tries the service under each set of limits.
fn all(cases: &[Vec<String>], names: &[&str]) {
    some_at_a_time(cases, |limits| works_or_names(limits, names));
}

fn some_at_a_time(cases: &[Vec<String>], run: impl Fn(&[String]) + Sync) {
    let next = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(limits) = cases.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    run(limits);
                }
            });
        }
    });
}

/// `--{name}={value}` for all values of the range with `LIMITS_SWEEP=1`, otherwise for some of them.
fn cases(name: &str, range: RangeInclusive<u64>, some: &[u64]) -> Vec<Vec<String>> {
    let sweep = env::var("LIMITS_SWEEP").is_ok_and(|set| set == "1");
    let values = if sweep { range.collect() } else { some.to_vec() };
    values.into_iter().map(|value| vec![format!("--{name}={value}")]).collect()
}

#[test]
fn with_few_threads_it_works_or_names_the_limit() {
    if possible() {
        let some = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 20, 40];
        all(&cases("nproc", 1..=40, &some), &["RLIMIT_NPROC"]);
    }
}

#[test]
fn with_few_descriptors_it_works_or_names_the_limit() {
    if possible() {
        let mut cases =
            cases("nofile", 1..=60, &[3, 4, 5, 8, 12, 15, 16, 20, 21, 22, 23, 24, 25, 30, 40, 60]);
        cases.push(vec!["--nofile=8:4096".to_owned()]);
        cases.push(vec!["--nofile=22:4096".to_owned()]);
        all(&cases, &["RLIMIT_NOFILE"]);
    }
}

/// Tries sizes around those at which starts fail, in steps of a few megabytes.
#[test]
fn with_little_memory_it_works_or_names_the_limit() {
    if possible() {
        let of = |name: &str, megabytes: &[u64]| -> Vec<Vec<String>> {
            megabytes.iter().map(|megabytes| vec![format!("--{name}={}", megabytes << 20)]).collect()
        };
        let sizes = [20, 30, 34, 38, 42, 44, 46, 48, 50, 52, 54, 58, 64, 80, 120, 140, 192, 200, 264];
        let mut cases = of("as", &sizes);
        cases.extend(of("data", &[1, 2, 4, 6, 7, 8, 10, 16, 22, 24, 25, 26, 28, 32, 64]));
        all(&cases, &["RLIMIT_AS", "RLIMIT_DATA"]);
        // Without memory of each thread's own, little is enough.
        some_at_a_time(&of("as", &[64, 80, 96, 112, 128, 192, 264]), |limits| {
            let configs = Configs::any_port();
            let process = limited(&configs, limits).env("MALLOC_ARENA_MAX", "1").start();
            started_works_or_names(&process, limits, &["RLIMIT_AS"]);
        });
        let configs = Configs::any_port();
        let limits = ["--as=314572800".to_owned()];
        let process = limited(&configs, &limits).env("MALLOC_ARENA_MAX", "1").start();
        works(&process, &limits);
    }
}

#[test]
fn with_odd_limits_it_works_or_names_the_limit() {
    if possible() {
        let odd = [
            "stack=65536",
            "stack=131072",
            "stack=262144",
            "stack=524288",
            "stack=1073741824",
            "stack=unlimited",
        ];
        let others = ["fsize=0", "sigpending=0", "memlock=0", "msgqueue=0", "rtprio=0", "nproc=0"];
        let cases: Vec<_> = odd.iter().chain(&others).map(|limit| vec![format!("--{limit}")]).collect();
        all(&cases, &["RLIMIT_STACK", "RLIMIT_NPROC"]);
    }
}

#[test]
fn a_log_file_that_may_not_grow_does_not_end_it() {
    if !possible() {
        return;
    }
    let (configs, logs) = (Configs::any_port(), tempfile::tempdir().unwrap());
    let log = fs::File::create(logs.path().join("log")).unwrap();
    let process = limited(&configs, &["--fsize=0".to_owned()]).stderr(log).start();
    // There is no log to read. A running service has more threads than a starting one.
    let tasks = || fs::read_dir(format!("/proc/{}/task", process.pid())).map_or(0, Iterator::count);
    poll("all threads", || (tasks() > 4).then_some(()));
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}
