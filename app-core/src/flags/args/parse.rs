//! Reading a command line: arguments and environment together.

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use app_errors::many_lines;
use clap::{ArgMatches, Command, error::ErrorKind};

use super::{before, environment, refusal};
use crate::{ExitStatus, Subcommand, signals};

/// Reads the command line of this process for a tool with subcommands. Linked crates' subcommands have to be in the
/// command already.
///
/// An empty variable counts as unset. The error for a refused value names the variable that the value came from.
///
/// # Errors
/// What `main` returns at once: after help, version, or a usage error, which was printed.
pub fn matches(command: Command) -> Result<ArgMatches, ExitCode> {
    matches_of(command, std::env::args_os().collect()).map_err(|usage| refuse(&usage))
}

/// As [`matches`], with the arguments given; prints nothing.
pub(super) fn matches_of(command: Command, arguments: Vec<OsString>) -> Result<ArgMatches, clap::Error> {
    environment::look_for_misspelt(&command);
    let command = environment::without_blanks(command);
    let parse = |command: &Command| {
        let parsed = command.clone().try_get_matches_from(&arguments);
        parsed.map_err(|usage| refusal::explained(usage, command, &arguments))
    };
    let matches = parse(&command)?;
    let linked = matches.subcommand_name().is_some_and(Subcommand::is_linked);
    match before::carried(&command, &matches).filter(|_| linked) {
        Some(carried) => parse(&carried?),
        None => Ok(matches),
    }
}

/// The usage error for a flag that a subcommand has no use for.
pub(crate) fn no_meaning(flag: &str, command: &str) -> clap::Error {
    refusal::one_line(ErrorKind::ArgumentConflict, refusal::no_meaning(flag, command))
}

/// Prints help, version, or what is wrong with the arguments. Both quote arguments and variables, so colours are left out:
/// clap's colours cannot be told from escape sequences in a value.
pub(crate) fn refuse(usage: &clap::Error) -> ExitCode {
    signals::end_at_once();
    let text = usage.render().to_string();
    let text = many_lines(&text);
    // If standard error is closed too, the exit status still says it.
    if usage.use_stderr() {
        let _ = write!(io::stderr(), "{text}");
        ExitStatus::Usage.into()
    } else {
        let _ = write!(io::stdout(), "{text}");
        ExitStatus::Clean.into()
    }
}
