//! Panics: what they said, and that each is one line.
//!
//! std's own hook writes several lines of raw text, under the lock of standard error. That breaks the rule of one record
//! a line, and it blocks for ever when the sink is stuck.

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

use crate::{APP_SERVICE, ExitStatus, log};

thread_local! {
    /// The caller of this thread turns panics into errors that it tells itself.
    static QUIET: Cell<bool> = const { Cell::new(false) };

    /// Where the last panic was that this thread was quiet about.
    static QUIET_PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic that [`catch_panic`] caught.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Panicked {
    /// Source file, line and column. Empty where the program has a panic hook of its own.
    pub place: String,
    /// What the panic said. It may repeat what the code worked on.
    pub message: String,
}

/// Runs `work`, and catches a panic in it. The log says nothing of the panic: the caller decides what may be told.
///
/// ```
/// let caught = app_core::catch_panic(|| "hunter2".parse::<u16>().unwrap());
/// assert!(caught.is_err());
/// ```
///
/// # Errors
/// It panicked.
pub fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    QUIET_PLACE.take();
    quietly(work).map_err(|message| Panicked { place: QUIET_PLACE.take(), message })
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

/// Runs what the main thread does.
///
/// # Errors
/// What `main` is to return after a panic, which is one line on standard error: exit status 70.
pub(crate) fn guard_main<T>(main: impl FnOnce() -> T) -> Result<T, ExitCode> {
    with_hook(print, || catch_unwind(AssertUnwindSafe(main))).map_err(|_| ExitStatus::Internal.into())
}

/// Has panics logged while `work` runs.
pub(crate) fn logged<T>(logger: Logger, work: impl FnOnce() -> T) -> T {
    with_hook(move |panic| log_panic(&logger, panic), work)
}

/// Runs `work` with a hook for panics. The hook that was there is put back afterwards, unless `work` panics itself.
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

/// Runs `work`; a panic is an error with its message, and is not told otherwise.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = QUIET.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    outcome.map_err(|panic| message(panic.as_ref()).to_owned())
}

fn log_panic(logger: &Logger, panic: &PanicHookInfo<'_>) {
    if log::refuses_records() {
        // The thread that writes the log panics itself.
        return print(panic);
    }
    // Raised here for its stack: it is the stack of the panic.
    let bug = errors::BUG.error(APP_SERVICE).message(message(panic.payload())).tag("PANIC").build();
    error!(logger, "panic: {}", message(panic.payload()); "thread" => thread_name(), "place" => place(panic), "err" => #&bug);
}

/// Prints a panic on standard error, for times without a log. Gives up on a sink that takes nothing for a second.
fn print(panic: &PanicHookInfo<'_>) {
    let stderr = io::stderr();
    let mut sink = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut sink, PollTimeout::from(1_000_u16)).is_ok_and(|ready| ready > 0) {
        // When this fails, the exit status is all that is left.
        let _ = writeln!(stderr.lock(), "{}", line(panic));
    }
}

/// A panic as a line of text.
fn line(panic: &PanicHookInfo<'_>) -> String {
    let said = message(panic.payload()).replace(['\n', '\r'], " ");
    let line = format!("internal error: thread {:?} panicked at {}: {said}", thread_name(), place(panic));
    one_line(&line).to_string()
}

fn place(panic: &PanicHookInfo<'_>) -> String {
    panic.location().map(ToString::to_string).unwrap_or_default()
}

fn thread_name() -> String {
    std::thread::current().name().unwrap_or("?").to_owned()
}
