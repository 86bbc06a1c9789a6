//! Subcommands as plugins: a crate contributes one, and every application that links the crate has it.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, parser::ValueSource};

use crate::{Flags, args, signals};

/// A subcommand of every application that links the crate which contributes it.
///
/// ```
/// use app_core::{Subcommand, clap};
///
/// fn command() -> clap::Command {
///     clap::Command::new("greet").about("Says hello")
/// }
///
/// fn greet(_: &clap::ArgMatches) -> std::process::ExitCode {
///     std::process::ExitCode::SUCCESS
/// }
///
/// app_core::subcommand! { Subcommand::new(command, greet) }
/// # fn main() {}
/// ```
///
/// A subcommand that depends on flags of the application, such as the config directory or those of a
/// [flag group](crate::flag_group), is made [`with_flags`](Self::with_flags).
#[derive(Debug, Clone, Copy)]
pub struct Subcommand {
    command: fn() -> Command,
    run: Run,
}

#[derive(Debug, Clone, Copy)]
enum Run {
    Alone(fn(&ArgMatches) -> ExitCode),
    WithFlags(fn(&ArgMatches, &Flags) -> ExitCode),
}

inventory::collect!(Subcommand);

impl Subcommand {
    /// A subcommand: how its command line looks, and what it does. It runs without an app: nothing was
    /// started, and a signal ends the process.
    #[must_use]
    pub const fn new(command: fn() -> Command, run: fn(&ArgMatches) -> ExitCode) -> Self {
        Self { command, run: Run::Alone(run) }
    }

    /// A subcommand that also gets the flags of the application, with the flag groups of linked services. They may stand
    /// before the subcommand or after it, and their variables count. Flags that concern a running application only, such as
    /// `--drain-delay`, are refused. If the subcommand has subcommands of its own, those have the flags.
    ///
    /// ```
    /// use app_core::{Flags, Subcommand, clap};
    ///
    /// fn command() -> clap::Command {
    ///     clap::Command::new("where").about("Prints the config directory")
    /// }
    ///
    /// fn print(_: &clap::ArgMatches, flags: &Flags) -> std::process::ExitCode {
    ///     app_core::write_output(|out| writeln!(out, "{}", flags.config_dir.display()))
    /// }
    ///
    /// app_core::subcommand! { Subcommand::with_flags(command, print) }
    /// # fn main() {}
    /// ```
    #[must_use]
    pub const fn with_flags(command: fn() -> Command, run: fn(&ArgMatches, &Flags) -> ExitCode) -> Self {
        Self { command, run: Run::WithFlags(run) }
    }

    /// Every linked subcommand, sorted by name.
    #[must_use]
    pub fn linked() -> Vec<Self> {
        let mut all: Vec<_> = inventory::iter::<Self>.into_iter().copied().collect();
        all.sort_by_key(|subcommand| subcommand.command().get_name().to_owned());
        all
    }

    /// How its command line looks.
    #[must_use]
    pub fn command(&self) -> Command {
        match self.run {
            Run::Alone(_) => (self.command)(),
            Run::WithFlags(_) => add_flags((self.command)()),
        }
    }

    /// Adds every linked subcommand to a command.
    #[must_use]
    pub fn add_all(command: Command) -> Command {
        Self::linked()
            .into_iter()
            .fold(command, |command, subcommand| command.subcommand(subcommand.command()))
    }

    /// Whether a linked crate contributes a subcommand of this name.
    pub(crate) fn is_linked(name: &str) -> bool {
        inventory::iter::<Self>.into_iter().any(|subcommand| subcommand.command().get_name() == name)
    }

    /// Runs the subcommand that was asked for, if one was.
    #[must_use]
    pub fn dispatch(matches: &ArgMatches) -> Option<ExitCode> {
        let (name, matches) = matches.subcommand()?;
        let asked = Self::linked().into_iter().find(|subcommand| subcommand.command().get_name() == name)?;
        signals::end_at_once();
        Some(match asked.run {
            Run::Alone(run) => run(matches),
            Run::WithFlags(run) => match flags(asked.command(), matches) {
                Ok(flags) => run(matches, &flags),
                Err(usage) => args::refuse(&usage),
            },
        })
    }
}

/// Adds the flags of the application to a command, or to each of its subcommands.
fn add_flags(command: Command) -> Command {
    if command.has_subcommands() {
        return command.mut_subcommands(add_flags);
    }
    let flags = Flags::augment_args(Command::new("flags"));
    let args = flags.get_arguments().cloned().map(|arg| {
        let hidden = Flags::concerns_a_run(arg.get_id().as_str());
        arg.hide(hidden)
    });
    // The command describes itself, with its own options first.
    command.args(args).groups(flags.get_groups().cloned())
}

/// The flags that a subcommand, or the subcommand of it that was asked for, was given.
fn flags(mut command: Command, mut matches: &ArgMatches) -> Result<Flags, clap::Error> {
    command.build();
    while let Some((name, below)) = matches.subcommand()
        && let Some(found) = command.find_subcommand(name)
    {
        (command, matches) = (found.clone(), below);
    }
    let given = |arg: &&Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let of_a_run = |arg: &&Arg| Flags::concerns_a_run(arg.get_id().as_str());
    let meaningless = command.get_arguments().filter(of_a_run).find(given).map(|arg| {
        args::no_meaning(&format!("--{}", arg.get_long().unwrap_or_default()), command.get_name())
    });
    match meaningless {
        Some(usage) => Err(usage),
        None => Flags::from_arg_matches(matches).map_err(|usage| usage.format(&mut command)),
    }
}

/// Contributes a [`Subcommand`].
#[macro_export]
macro_rules! subcommand {
    ($subcommand:expr) => {
        $crate::__private::inventory::submit! { $subcommand }
    };
}
