//! The process around an app: signals, flags, log, runtime, exit status.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{FromArgMatches, error::ErrorKind};

use crate::{App, ExitStatus, Flags, Subcommand, check, linked_services, panics, signals};

mod limits;
mod main_thread;
mod workers;

pub use self::limits::check_stack_limit;

/// How long the log may take to write what it holds, at the very end.
const LOG_DEADLINE: Duration = Duration::from_secs(1);

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
    let exit = guarded(|| match parse_command(Flags::command()) {
        Ok(flags) => run_flags(flags),
        Err(exit) => exit,
    });
    exit.unwrap_or_else(|exit| exit)
}

/// Parses the command line of an application with flags of its own, for [`run_with`]. Linked crates' subcommands are
/// added to it, and run when they are asked for.
///
/// # Errors
/// What `main` is to return at once: after a subcommand, help, version, or a usage error that was printed.
pub fn parse<C: clap::Parser>() -> Result<C, ExitCode> {
    guarded(|| parse_command(C::command())).and_then(|parsed| parsed)
}

/// Runs the application with flags that were parsed; otherwise as [`run`].
#[must_use]
pub fn run_with(flags: Flags) -> ExitCode {
    guarded(|| run_flags(flags)).unwrap_or_else(|exit| exit)
}

/// Runs what the main thread does, if its stack is large enough.
fn guarded<T>(main: impl FnOnce() -> T) -> Result<T, ExitCode> {
    check_stack_limit().map_err(|problem| cannot_start(&problem.to_string()))?;
    panics::guard_main(main)
}

fn run_flags(flags: Flags) -> ExitCode {
    if let Err(problem) = flags.check_service_levels() {
        let text = format!("invalid value for '--service-log-level <ID=LEVEL>': {problem}");
        return refuse(&Flags::command().error(ErrorKind::ValueValidation, text));
    }
    if let Err(problem) = limits::check_descriptors().and_then(|()| limits::check_memory()) {
        return cannot_start(&problem.to_string());
    }
    let app = match App::builder().flags(flags).build() {
        Ok(app) => app,
        Err(problem) => return cannot_start(&format!("the log cannot be opened: {problem}")),
    };
    apply_service_levels(&app);
    let status = if app.flags().check {
        signals::end_at_once();
        check::check(&app)
    } else {
        main_thread::run(&app)
    };
    // Where the sink is stuck, nothing more can be told, and nothing waits for it.
    let _ = app.log().shut_down(LOG_DEADLINE);
    status.into()
}

/// Without a log, standard error is what is left.
fn cannot_start(why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "cannot start: {why}");
    ExitStatus::StartFailed.into()
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

fn apply_service_levels(app: &App) {
    let services = linked_services();
    for level in &app.flags().service_log_level {
        if let Ok(id) = level.resolve(&services) {
            app.set_service_log_level(id, Some(level.level), None);
        }
    }
}
