//! The process of an app: its command line, main thread, signals, limits and exit status.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::{FromArgMatches, error::ErrorKind};
use slog::warn;

use crate::{
    App, ExitStatus, FlagSource, Flags, Package, ServiceDescriptor, Subcommand, args, flags, linked_services,
    listeners::Inherited, panics, signals, spec::ServiceSpec,
};

mod builder;
mod check;
mod limits;
mod listeners;
mod main_thread;
mod workers;

pub use self::{
    builder::{AppBuilder, DEFAULT_APP_STOP_TIMEOUT},
    limits::{check_descriptors, check_stack_limit, descriptor_limit},
};

/// How long the log may take to write what it holds, at the very end.
const LOG_DEADLINE: Duration = Duration::from_secs(1);

/// Runs the application with all linked services, until a signal, a kill or a fatal error.
///
/// Parses the command line, including the subcommands that linked crates contribute. Returns the value for `main` to
/// return, which is one of [`ExitStatus`].
///
/// This function raises the soft limit of file descriptors (`ulimit -n`) to the hard limit. Processes that the application
/// starts inherit the raised limit.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     app_core::run()
/// }
/// ```
#[must_use]
pub fn run() -> ExitCode {
    AppBuilder::new().run()
}

impl AppBuilder {
    /// Makes the app and runs it as the application of this process, as [`run`](crate::run()). The flags are those of the
    /// command line, unless [`flags`](Self::flags) set them.
    ///
    /// ```no_run
    /// use app_core::AppBuilder;
    ///
    /// struct Greeting(&'static str);
    ///
    /// fn main() -> std::process::ExitCode {
    ///     AppBuilder::new().package(app_core::package!()).provide(Greeting("hello")).run()
    /// }
    /// ```
    #[must_use]
    pub fn run(mut self) -> ExitCode {
        let exit = guarded(|| {
            if let Some(flags) = self.take_flags() {
                return run_flags(flags, self);
            }
            let known = self.known_package().cloned().unwrap_or_else(|| Package::guessed(&linked_specs()));
            match parse_command(Flags::command().version(known.described())) {
                Ok(flags) => run_flags(flags, self),
                Err(exit) => exit,
            }
        });
        exit.unwrap_or_else(|exit| exit)
    }

    /// Parses the command line of an application with flags of its own, as [`parse`](crate::parse). `--version` shows the
    /// [package](Self::package), if it was set.
    ///
    /// # Errors
    /// What `main` returns at once: after a subcommand, help, version, or a usage error that was printed.
    pub fn parse<C: clap::Parser>(&self) -> Result<C, ExitCode> {
        let version = self.known_package().map(Package::described);
        parse_guarded(|| match version {
            Some(version) => C::command().version(version),
            None => C::command(),
        })
    }
}

/// Parses the command line of an application with flags of its own, for [`run_with`]. The subcommands of linked crates are
/// part of it.
///
/// # Errors
/// What `main` returns at once: after a subcommand, help, version, or a usage error that was printed.
pub fn parse<C: clap::Parser>() -> Result<C, ExitCode> {
    parse_guarded(C::command)
}

/// Makes and parses the command line, after the check of the stack limit.
fn parse_guarded<C: FromArgMatches>(command: impl FnOnce() -> clap::Command) -> Result<C, ExitCode> {
    guarded(|| parse_command(command())).and_then(|parsed| parsed)
}

/// Runs the application with parsed flags; otherwise as [`run`].
#[must_use]
pub fn run_with(flags: Flags) -> ExitCode {
    AppBuilder::new().flags(flags).run()
}

/// Runs the main thread's work, if its stack is large enough and there is memory to read the command line.
fn guarded<T>(main: impl FnOnce() -> T) -> Result<T, ExitCode> {
    // The kernel and commands have runtimes of their own, which tokio does not nest.
    if tokio::runtime::Handle::try_current().is_ok() {
        return Err(cannot_start(
            "`main` runs inside of a tokio runtime; make it a plain function, without #[tokio::main]",
        ));
    }
    // Before any thread starts. A runtime has some, so this comes after the check for one.
    Inherited::take_early();
    if limits::out_of_memory() {
        return Err(ExitStatus::StartFailed.into());
    }
    check_stack_limit()
        .and_then(|()| limits::check_memory(limits::COMMAND_MEMORY_BYTES))
        .map_err(|problem| cannot_start(&problem.to_string()))?;
    panics::guard_main(main)
}

fn run_flags(flags: Flags, mut builder: AppBuilder) -> ExitCode {
    if let Err(problem) = flags.check_service_levels(&linked_specs()) {
        let variable = match flags.given.service_log_level {
            Some(FlagSource::Variable(name)) => format!(" (variable {name})"),
            _ => String::new(),
        };
        let text = format!("invalid value for '--service-log-level <ID=LEVEL>'{variable}: {problem}\n");
        return args::refuse(&clap::Error::raw(ErrorKind::ValueValidation, text));
    }
    limits::raise_descriptor_limit();
    let checked = check_descriptors(limits::DESCRIPTORS)
        .and_then(|()| limits::check_memory(limits::MEMORY_BYTES))
        .and_then(|()| limits::check_address_space(flags.worker_threads));
    if let Err(problem) = checked {
        return cannot_start(&problem.to_string());
    }
    let identity = builder.identity_for(&flags);
    let listeners::FirstListeners { listeners, handover, notes } =
        match listeners::given(&flags, identity, builder.known_package()) {
            Ok(given) => given,
            Err(exit) => return exit,
        };
    let app = match builder.flags(flags).listeners(listeners, handover).build() {
        Ok(app) => app,
        Err(problem) => return cannot_start(&format!("the log cannot be opened: {problem}")),
    };
    for note in notes {
        warn!(app.logger(), "{note}");
    }
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
    // Fails if the sink is stuck. Then the last records are lost.
    let _ = app.log().shut_down(LOG_DEADLINE);
    status.into()
}

/// Prints why there is no app on standard error, because there is no log.
fn cannot_start(why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "cannot start: {}", app_errors::one_line(why));
    ExitStatus::StartFailed.into()
}

fn parse_command<C: FromArgMatches>(command: clap::Command) -> Result<C, ExitCode> {
    // Before all else, because process 1 loses a signal without a handler. A failure here is reported by `run_with`.
    let _ = signals::install();
    // A subcommand does not need the flags that the application itself requires.
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

/// The facts about all services that are linked into the program.
fn linked_specs() -> Vec<ServiceSpec> {
    linked_services().iter().map(ServiceDescriptor::spec).collect()
}

fn apply_service_levels(app: &App) {
    for level in &app.flags().service_log_level {
        if let Ok(id) = level.resolve(app.service_specs()) {
            app.set_service_log_level(id, Some(level.level), None);
        }
    }
}
