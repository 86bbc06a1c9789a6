//! The process around an app: signals, flags, log, runtime, exit status.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{FromArgMatches, error::ErrorKind};
use slog::warn;

use crate::{
    App, AppBuilder, ExitStatus, FlagSource, Flags, Package, Subcommand, args, check, flags, linked_services,
    panics, signals,
};

mod limits;
mod main_thread;
mod workers;

pub use self::limits::{check_descriptors, check_stack_limit, descriptor_limit};

/// How long the log may take to write what it holds, at the very end.
const LOG_DEADLINE: Duration = Duration::from_secs(1);

/// Runs the application: all services that are linked, until a signal, a kill or a fatal error.
///
/// Parses the command line, with the subcommands that linked crates contribute. Returns what `main` is to return, one
/// of [`ExitStatus`].
///
/// It raises the soft limit of file descriptors (`ulimit -n`) to the hard one. Processes that the application starts inherit that.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     app_core::run()
/// }
/// ```
#[must_use]
pub fn run() -> ExitCode {
    run_as(None)
}

/// As [`run`], for an application whose package is known, or is to be guessed.
pub(crate) fn run_as(package: Option<Package>) -> ExitCode {
    package.into_iter().fold(App::builder(), AppBuilder::package).run()
}

impl AppBuilder {
    /// Makes the app and runs it as the application of this process: as [`run`](crate::run()). The flags are those of the command
    /// line, unless [`flags`](Self::flags) set them.
    ///
    /// ```no_run
    /// use app_core::App;
    ///
    /// struct Greeting(&'static str);
    ///
    /// fn main() -> std::process::ExitCode {
    ///     App::builder().package(app_core::package!()).provide(Greeting("hello")).run()
    /// }
    /// ```
    #[must_use]
    pub fn run(mut self) -> ExitCode {
        let exit = guarded(|| {
            if let Some(flags) = self.take_flags() {
                return run_flags(flags, self);
            }
            let known = self.known_package().cloned().unwrap_or_else(|| Package::guessed(&linked_services()));
            match parse_command(Flags::command().version(known.described())) {
                Ok(flags) => run_flags(flags, self),
                Err(exit) => exit,
            }
        });
        exit.unwrap_or_else(|exit| exit)
    }
}

/// Parses the command line of an application with flags of its own, for [`run_with`]. Linked crates' subcommands are
/// added to it, and run when they are asked for.
///
/// # Errors
/// What `main` is to return at once: after a subcommand, help, version, or a usage error that was printed.
pub fn parse<C: clap::Parser>() -> Result<C, ExitCode> {
    parse_guarded(C::command)
}

/// Parses the command line, which is made and read on a stack that was checked.
pub(crate) fn parse_guarded<C: FromArgMatches>(
    command: impl FnOnce() -> clap::Command,
) -> Result<C, ExitCode> {
    guarded(|| parse_command(command())).and_then(|parsed| parsed)
}

/// Runs the application with flags that were parsed; otherwise as [`run`].
#[must_use]
pub fn run_with(flags: Flags) -> ExitCode {
    run_with_package(flags, None)
}

/// Runs what the main thread does, if its stack is large enough.
fn guarded<T>(main: impl FnOnce() -> T) -> Result<T, ExitCode> {
    check_stack_limit().map_err(|problem| cannot_start(&problem.to_string()))?;
    // The kernel and commands have runtimes of their own, which tokio does not nest.
    if tokio::runtime::Handle::try_current().is_ok() {
        return Err(cannot_start(
            "`main` runs inside of a tokio runtime; make it a plain function, without #[tokio::main]",
        ));
    }
    panics::guard_main(main)
}

pub(crate) fn run_with_package(flags: Flags, package: Option<Package>) -> ExitCode {
    package.into_iter().fold(App::builder(), AppBuilder::package).flags(flags).run()
}

fn run_flags(flags: Flags, builder: AppBuilder) -> ExitCode {
    if let Err(problem) = flags.check_service_levels() {
        let variable = match flags.given.service_log_level {
            Some(FlagSource::Variable(name)) => format!(" (variable {name})"),
            _ => String::new(),
        };
        let text = format!("invalid value for '--service-log-level <ID=LEVEL>'{variable}: {problem}\n");
        return args::refuse(&clap::Error::raw(ErrorKind::ValueValidation, text));
    }
    limits::raise_descriptor_limit();
    if let Err(problem) = check_descriptors(limits::DESCRIPTORS).and_then(|()| limits::check_memory()) {
        return cannot_start(&problem.to_string());
    }
    let app = match builder.flags(flags).build() {
        Ok(app) => app,
        Err(problem) => return cannot_start(&format!("the log cannot be opened: {problem}")),
    };
    apply_service_levels(&app);
    for misspelt in args::misspelt() {
        warn!(app.logger(), "{misspelt}");
    }
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
    let _ = writeln!(io::stderr(), "cannot start: {}", app_errors::one_line(why));
    ExitStatus::StartFailed.into()
}

fn parse_command<C: FromArgMatches>(command: clap::Command) -> Result<C, ExitCode> {
    // First of all: as process 1 a signal without a handler is lost. What goes wrong here is told by `run_with`.
    let _ = signals::install();
    // A subcommand does without the flags that the application itself requires.
    let mut command = Subcommand::add_all(command).subcommand_negates_reqs(true);
    // Before clap reads it: for clap a flag that is declared twice is a bug, and it panics.
    let duplicates = flags::duplicates(&command);
    if !duplicates.is_empty() {
        return Err(cannot_start(&duplicates.join("; ")));
    }
    let matches = args::matches(command.clone())?;
    if let Some(exit) = Subcommand::dispatch(&matches) {
        return Err(exit);
    }
    C::from_arg_matches(&matches).map_err(|usage| args::refuse(&usage.format(&mut command)))
}

fn apply_service_levels(app: &App) {
    let services = linked_services();
    for level in &app.flags().service_log_level {
        if let Ok(id) = level.resolve(&services) {
            app.set_service_log_level(id, Some(level.level), None);
        }
    }
}
