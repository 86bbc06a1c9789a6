//! Panics: catching them, and reporting each as one line.
//!
//! The hook of the standard library writes several lines of raw text, under the lock of standard error. That breaks the rule
//! of one line for each record, and it blocks for ever if the sink is stuck.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    io::{self, Write},
    os::fd::AsFd,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook},
    process::ExitCode,
};

use app_errors::{errors, one_line};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use slog::{Logger, error};

use crate::{ExitStatus, ids::APP_SERVICE};

thread_local! {
    /// Whether the hook stays silent, because code on this thread turns a panic into an error.
    static QUIET: Cell<bool> = const { Cell::new(false) };

    /// The source location of the last panic for which the hook stayed silent.
    static QUIET_PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic that [`catch_panic`] caught.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Panicked {
    /// Source file, line and column. Empty where the program has a panic hook of its own.
    pub place: String,
    /// The message of the panic. It may contain the data that the code worked on.
    pub message: String,
}

/// Runs `work`, and catches a panic in it. The panic is not logged: the caller decides what to tell.
///
/// ```
/// let caught = app_core::panics::catch_panic(|| "hunter2".parse::<u16>().unwrap());
/// assert!(caught.is_err());
/// ```
///
/// # Errors
/// It panicked.
pub fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    QUIET_PLACE.take();
    quietly(work).map_err(|message| Panicked { place: QUIET_PLACE.take(), message })
}

/// The message of a panic.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

/// Runs the code of the main thread. A panic becomes one line on standard error.
///
/// # Errors
/// `main` panicked. The error is what the program's `main` has to return: exit status 70.
pub(crate) fn guard_main<T>(main: impl FnOnce() -> T) -> Result<T, ExitCode> {
    with_hook(print, || catch_unwind(AssertUnwindSafe(main))).map_err(|_| ExitStatus::Internal.into())
}

/// Logs panics of all threads while `work` runs.
///
/// `log_refuses` says whether the log refuses records of the calling thread.
pub(crate) fn logged<T>(logger: Logger, log_refuses: fn() -> bool, work: impl FnOnce() -> T) -> T {
    let log = move |panic: &PanicHookInfo<'_>| {
        // The log refuses its own thread. A panic of that thread is printed.
        if log_refuses() { print(panic) } else { log_panic(&logger, panic) }
    };
    with_hook(log, work)
}

/// Runs `work` with a panic hook. Restores the previous hook afterwards, unless `work` panics.
fn with_hook<T>(hook: impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static, work: impl FnOnce() -> T) -> T {
    let before = take_hook();
    set_hook(Box::new(move |panic| {
        if QUIET.get() {
            QUIET_PLACE.replace(place(panic));
        } else {
            hook(panic);
        }
    }));
    let result = work();
    set_hook(before);
    result
}

/// Runs `work`. A panic becomes an error with its message, and the hook stays silent.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = QUIET.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    outcome.map_err(|panic| message(panic.as_ref()).to_owned())
}

fn log_panic(logger: &Logger, panic: &PanicHookInfo<'_>) {
    // Raised in the hook, so the stack of the error is that of the panic.
    let bug = errors::BUG.error(APP_SERVICE).message(message(panic.payload())).tag("PANIC").build();
    error!(logger, "panic: {}", message(panic.payload()); "thread" => thread_name(), "place" => place(panic), "err" => #&bug);
}

/// Prints a panic on standard error, for when there is no log. Gives up if standard error takes nothing for a second.
fn print(panic: &PanicHookInfo<'_>) {
    let stderr = io::stderr();
    let mut sink = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut sink, PollTimeout::from(1_000_u16)).is_ok_and(|ready| ready > 0) {
        // If this fails, only the exit status remains.
        let _ = writeln!(stderr.lock(), "{}", line(panic));
    }
}

/// A panic as a line of text.
fn line(panic: &PanicHookInfo<'_>) -> String {
    let message = message(panic.payload()).replace(['\n', '\r'], " ");
    let line = format!("internal error: thread {:?} panicked at {}: {message}", thread_name(), place(panic));
    one_line(&line).to_string()
}

fn place(panic: &PanicHookInfo<'_>) -> String {
    panic.location().map(ToString::to_string).unwrap_or_default()
}

fn thread_name() -> String {
    std::thread::current().name().unwrap_or("?").to_owned()
}
