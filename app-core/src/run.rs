//! The process around an app: signals, flags, log, runtime, exit status.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender},
    time::{Duration, Instant},
};

use app_errors::{Error, errors};
use clap::{FromArgMatches, error::ErrorKind};
use slog::{error, info, warn};

use crate::{
    APP_SERVICE, App, ExitStatus, Flags, StopCause, StopReport, Subcommand, check, facade, linked_services,
    log::capture_dependencies,
    panics,
    signals::{self, Mailbox},
};

/// How long the log may take to write what it holds, at the very end.
const LOG_DEADLINE: Duration = Duration::from_secs(1);
/// How long threads that services left blocked may hold the exit up.
const RUNTIME_DEADLINE: Duration = Duration::from_millis(500);
/// A second signal within this time is taken for an echo of the first: terminals and supervisors send several.
const SECOND_SIGNAL_AFTER: Duration = Duration::from_secs(1);
/// Past the app's own deadlines: only a runtime whose every thread is blocked gets here.
const MARGIN: Duration = Duration::from_secs(10);

/// What the main thread waits for.
pub(crate) enum Message {
    /// A signal arrived.
    Signal(i32),
    /// The app stopped.
    Stopped(StopReport),
}

/// Runs the application: all services that are linked, until a signal, a kill or a fatal error.
///
/// Parses the command line, with the subcommands that linked crates contribute. Returns what `main` is to return, one
/// of [`ExitStatus`].
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     app_core::run()
/// }
/// ```
#[must_use]
pub fn run() -> ExitCode {
    match parse_command(Flags::command()) {
        Ok(flags) => run_with(flags),
        Err(exit) => exit,
    }
}

/// Parses the command line of an application with flags of its own, for [`run_with`]. Linked crates' subcommands are
/// added to it, and run when they are asked for.
///
/// # Errors
/// What `main` is to return at once: after a subcommand, help, version, or a usage error that was printed.
pub fn parse<C: clap::Parser>() -> Result<C, ExitCode> {
    parse_command(C::command())
}

/// Runs the application with flags that were parsed; otherwise as [`run`].
#[must_use]
pub fn run_with(flags: Flags) -> ExitCode {
    if let Err(problem) = flags.check_service_levels() {
        let text = format!("invalid value for '--service-log-level <ID=LEVEL>': {problem}");
        return refuse(&Flags::command().error(ErrorKind::ValueValidation, text));
    }
    let app = match App::builder().flags(flags).build() {
        Ok(app) => app,
        Err(problem) => {
            // Without a log, standard error is what is left.
            let _ = writeln!(io::stderr(), "cannot open the log: {problem}");
            return ExitStatus::StartFailed.into();
        }
    };
    apply_service_levels(&app);
    let status = if app.flags().check {
        signals::end_at_once();
        check::check(&app)
    } else {
        run_app(&app)
    };
    // Where the sink is stuck, nothing more can be told, and nothing waits for it.
    let _ = app.log().shut_down(LOG_DEADLINE);
    status.into()
}

fn parse_command<C: FromArgMatches>(command: clap::Command) -> Result<C, ExitCode> {
    // First of all: as process 1 a signal without a handler is lost. What goes wrong here is told by `run_with`.
    let _ = signals::install();
    let mut command = Subcommand::add_all(command);
    let matches = command.try_get_matches_from_mut(std::env::args_os()).map_err(|usage| refuse(&usage))?;
    if let Some(exit) = Subcommand::dispatch(&matches) {
        return Err(exit);
    }
    C::from_arg_matches(&matches).map_err(|usage| refuse(&usage.format(&mut command)))
}

/// Prints help, version, or what is wrong with the flags, as clap does.
fn refuse(usage: &clap::Error) -> ExitCode {
    signals::end_at_once();
    // Nobody to tell when even this fails.
    let _ = usage.print();
    if usage.use_stderr() { ExitStatus::Usage.into() } else { ExitStatus::Clean.into() }
}

fn run_app(app: &App) -> ExitStatus {
    // Before the app becomes the process's: where another one runs, all stays as it is.
    let ready = signals::take().and_then(|mailbox| Ok((mailbox, runtime(app)?)));
    match ready {
        Ok((Mailbox { sender, messages }, runtime)) => {
            let hook = panics::log_panics(app.logger().clone());
            capture_dependencies(app.log());
            facade::install(app);
            let status = serve(app, runtime, sender, &messages);
            std::panic::set_hook(hook);
            status
        }
        Err(problem) => {
            let problem =
                errors::SERVICE_INIT_FAILED.error(APP_SERVICE).cause(problem).message("cannot start").build();
            error!(app.logger(), "{problem}"; "err" => #&problem);
            ExitStatus::StartFailed
        }
    }
}

fn apply_service_levels(app: &App) {
    let services = linked_services();
    for level in &app.flags().service_log_level {
        if let Ok(id) = level.resolve(&services) {
            app.set_service_log_level(id, Some(level.level), None);
        }
    }
}

fn runtime(app: &App) -> io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = app.flags().worker_threads {
        builder.worker_threads(usize::from(threads));
    }
    builder.thread_name("worker").enable_all().build()
}

/// Runs the app on the runtime; this thread stays outside, so that it can act when every worker is blocked.
fn serve(
    app: &App,
    runtime: tokio::runtime::Runtime,
    sender: SyncSender<Message>,
    messages: &Receiver<Message>,
) -> ExitStatus {
    let running = app.clone();
    runtime.spawn(async move {
        let report = match running.start().await {
            Ok(()) => running.stopped().await,
            Err(report) => report,
        };
        // Full or closed: the main thread finds the report by itself, or has left already.
        let _ = sender.try_send(Message::Stopped(report));
    });
    let status = wait(app, messages);
    match status {
        ExitStatus::Signal(_) => runtime.shutdown_background(),
        _ => runtime.shutdown_timeout(RUNTIME_DEADLINE),
    }
    status
}

fn wait(app: &App, messages: &Receiver<Message>) -> ExitStatus {
    let mut first_signal = None;
    loop {
        match next(app, messages) {
            Some(Message::Stopped(report)) => return report.exit_status(),
            Some(Message::Signal(signal)) if signals::asks_to_stop(signal) => {
                let first = *first_signal.get_or_insert_with(Instant::now);
                if first.elapsed() >= SECOND_SIGNAL_AFTER {
                    return abort(app, signal);
                }
                app.kill(StopCause::Signal(signal));
            }
            Some(Message::Signal(_)) if app.reload() => {
                info!(app.logger(), "SIGHUP: asked for a reload");
            }
            Some(Message::Signal(_)) => {
                info!(
                    app.logger(),
                    "SIGHUP: no service takes a new config while it runs, so nothing is reloaded"
                );
            }
            None => return blocked(app),
        }
    }
}

/// The next message, or the end of the app without one; while the app stops, only until it is past all its deadlines.
fn next(app: &App, messages: &Receiver<Message>) -> Option<Message> {
    let look = Duration::from_secs(1);
    loop {
        match messages.recv_timeout(look) {
            Ok(message) => return Some(message),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(report) = app.inner.report.get() {
            return Some(Message::Stopped(report.clone()));
        }
        let limit = app.drain_delay().saturating_add(app.stop_timeout()).saturating_add(MARGIN);
        if !app.alive() && app.killed_at().elapsed() > limit {
            return None;
        }
    }
}

/// A second signal: out at once, with a word about who was in the way.
fn abort(app: &App, signal: i32) -> ExitStatus {
    let waiting = open_services(app);
    warn!(app.logger(), "second signal: aborted without waiting for {waiting}"; "signal" => signal);
    ExitStatus::Signal(signal)
}

/// The runtime itself does not answer: every worker thread is blocked.
fn blocked(app: &App) -> ExitStatus {
    let waiting = open_services(app);
    let id = crate::events::APP_STOPPING_TIMEOUT.hex();
    error!(app.logger(), "the app did not stop in time, and its threads are blocked; it waited for {waiting}"; "event" => id);
    ExitStatus::Abandoned
}

fn open_services(app: &App) -> String {
    let open: Vec<_> = app
        .services()
        .iter()
        .map(|service| {
            format!("{} {} (tasks: {})", service.describe(), service.state(), service.open_tasks().join(", "))
        })
        .collect();
    if open.is_empty() { "nothing".to_owned() } else { open.join("; ") }
}

/// For messages: every problem, one a line.
pub(crate) fn print_problems(problems: &[Error]) -> io::Result<()> {
    let mut out = io::stderr().lock();
    for problem in problems {
        writeln!(out, "{problem}")?;
    }
    Ok(())
}
