//! Starting threads: each has a name, and a refused thread is an error that names the limit.
//!
//! The operating system refuses a thread when a limit is reached. Then `std::thread::spawn` panics, and tokio's
//! `spawn_blocking` waits for a thread that never starts. So the platform starts its threads with these functions.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::{Builder, JoinHandle},
};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use tokio::sync::oneshot;

use crate::{panics, trace::CallerSpan};

/// Starts a thread with a name.
///
/// ```
/// let answer = app_core::threads::spawn_thread("answers", || 6 * 7)?;
/// assert_eq!(answer.join().unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The operating system refuses the thread. The message names the thread, the limits and the cure.
pub fn spawn_thread<T: Send + 'static>(
    name: impl Into<String>,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    start_thread(Builder::new().stack_size(stack_bytes()), name.into(), work)
}

/// The size of a thread's stack in bytes: 2 MiB, or `RUST_MIN_STACK` if that is more.
///
/// The platform needs 2 MiB: a thread that overflows its stack aborts the process.
pub(crate) fn stack_bytes() -> usize {
    const MIN: usize = 2 * 1024 * 1024;
    let asked = std::env::var("RUST_MIN_STACK").ok().and_then(|bytes| bytes.parse().ok());
    asked.map_or(MIN, |bytes: usize| bytes.max(MIN))
}

/// Like [`spawn_thread`], with the settings of `builder`, such as a stack size.
///
/// # Errors
/// As [`spawn_thread`].
pub fn start_thread<T: Send + 'static>(
    builder: Builder,
    name: String,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    builder.name(name.clone()).spawn(work).map_err(|refused| thread_refused(&name, &refused))
}

/// Runs blocking work on a thread of its own, in the [span](crate::trace) of its caller, and waits for the result without blocking.
///
/// If you drop the future, the thread still runs to its end, and the result is lost. This function sets no limit on the
/// number of threads and no deadline: the caller has to.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let text = app_core::threads::run_blocking("reads", || std::fs::read_to_string("/proc/version")).await??;
/// assert!(text.contains("Linux"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The operating system refuses the thread, as for [`spawn_thread`], or the work panics.
pub async fn run_blocking<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    let caller = CallerSpan::here();
    spawn_thread(name, move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| caller.run(work)));
        // The caller may have stopped waiting.
        let _ = done.send(outcome.map_err(|panic| panics::message(panic.as_ref()).to_owned()));
    })?;
    match result.await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(panic)) => Err(io::Error::other(format!("thread {name:?}: its work panicked: {panic}"))),
        Err(_) => Err(io::Error::other(format!("thread {name:?}: it ended without a result"))),
    }
}

/// The error for a thread that the operating system refused. It names the thread, the limits and the cure.
#[must_use]
pub fn thread_refused(name: &str, refused: &io::Error) -> io::Error {
    // The usual text of the error has a number, which does not help an operator.
    let text = match refused.kind() {
        io::ErrorKind::WouldBlock => "a limit is reached".to_owned(),
        _ => refused.to_string(),
    };
    let limits = limits();
    io::Error::new(
        refused.kind(),
        format!(
            "thread {name:?} cannot be started: {text} ({limits}); raise the limit, or run fewer threads"
        ),
    )
}

/// The limits that can refuse a thread, with their values.
fn limits() -> String {
    let mut limits = Vec::new();
    for (name, resource) in [
        ("RLIMIT_NPROC (ulimit -u)", Resource::RLIMIT_NPROC),
        ("RLIMIT_AS (ulimit -v)", Resource::RLIMIT_AS),
        ("RLIMIT_DATA (ulimit -d)", Resource::RLIMIT_DATA),
    ] {
        match getrlimit(resource) {
            Ok((soft, _)) if soft != RLIM_INFINITY => limits.push(format!("{name} is {soft}")),
            _ => {}
        }
    }
    limits.extend(pids_max_of_cgroup().map(|max| format!("pids.max of the cgroup is {max}")));
    if let Some(size) = std::env::var_os("RUST_MIN_STACK") {
        limits.push(format!("RUST_MIN_STACK is {}", size.display()));
    }
    if limits.is_empty() {
        limits
            .push("no RLIMIT_NPROC and no readable pids.max: look at the limits of the container".to_owned());
    }
    limits.join(", ")
}

/// `pids.max` of the process's cgroup, version 2 or 1. `None` if it is not readable, or not a number.
fn pids_max_of_cgroup() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().find_map(|line| {
        let (folder, path) = match line.splitn(3, ':').collect::<Vec<_>>()[..] {
            ["0", "", path] => ("", path),
            [_, "pids", path] => ("/pids", path),
            _ => return None,
        };
        let path = path.trim_end_matches('/');
        let max = fs::read_to_string(format!("/sys/fs/cgroup{folder}{path}/pids.max")).ok()?;
        max.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_is_an_error_with_its_message() {
        let failed = run_blocking("panics", || -> () { std::panic::panic_any("on purpose") }).await;
        assert_eq!(failed.unwrap_err().to_string(), "thread \"panics\": its work panicked: on purpose");
    }

    #[test]
    fn a_refusal_names_the_thread_the_limit_and_the_cure() {
        let refused = thread_refused("log", &io::Error::from_raw_os_error(nix::errno::Errno::EAGAIN as i32));
        let text = refused.to_string();
        assert!(text.starts_with("thread \"log\" cannot be started: a limit is reached ("), "{text}");
        assert!(text.contains("raise the limit"), "{text}");
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    }
}
