//! Subcommands as plugins: a crate contributes one, and every application that links the crate has it.

use std::process::ExitCode;

use clap::{ArgMatches, Command};

use crate::signals;

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
#[derive(Debug, Clone, Copy)]
pub struct Subcommand {
    command: fn() -> Command,
    run: fn(&ArgMatches) -> ExitCode,
}

inventory::collect!(Subcommand);

impl Subcommand {
    /// A subcommand: how its command line looks, and what it does. It runs without an app: nothing was
    /// started, and a signal ends the process.
    #[must_use]
    pub const fn new(command: fn() -> Command, run: fn(&ArgMatches) -> ExitCode) -> Self {
        Self { command, run }
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
        (self.command)()
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
        Some((asked.run)(matches))
    }
}

/// Contributes a [`Subcommand`].
#[macro_export]
macro_rules! subcommand {
    ($subcommand:expr) => {
        $crate::__private::inventory::submit! { $subcommand }
    };
}
