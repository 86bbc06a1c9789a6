//! Flags before a subcommand: they count for the subcommand, or are refused.
//!
//! A flag of the application and one of a subcommand are the same setting when they have the same variable. So
//! `app --config-dir X config check` checks X, and `app --log-level DEBUG config check` is a usage error.

use std::ffi::OsString;

use super::refusal;
use clap::{Arg, ArgMatches, Command, error::ErrorKind, parser::ValueSource};

/// The command with the flags before its subcommand moved to the subcommand, where they are defaults.
/// `None` when there are no such flags.
pub(super) fn carried(command: &Command, matches: &ArgMatches) -> Option<Result<Command, clap::Error>> {
    let given: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| matches.try_contains_id(arg.get_id().as_str()).is_ok())
        .filter(|arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine))
        .collect();
    if given.is_empty() {
        return None;
    }
    let chosen = Chosen::of(command, matches);
    let mut carried = command.clone();
    for flag in given {
        match chosen.carry(carried, flag, matches) {
            Ok(more) => carried = more,
            Err(problem) => return Some(Err(refusal::one_line(ErrorKind::ArgumentConflict, problem))),
        }
    }
    Some(Ok(carried))
}

/// The subcommand that was asked for, however deep.
struct Chosen<'a> {
    path: Vec<&'a str>,
    command: &'a Command,
    matches: &'a ArgMatches,
}

impl<'a> Chosen<'a> {
    fn of(command: &'a Command, matches: &'a ArgMatches) -> Self {
        let mut chosen = Self { path: Vec::new(), command, matches };
        while let Some((name, matches)) = chosen.matches.subcommand()
            && let Some(command) = chosen.command.find_subcommand(name)
        {
            chosen.path.push(name);
            (chosen.command, chosen.matches) = (command, matches);
        }
        chosen
    }

    fn carry(&self, into: Command, flag: &Arg, all: &ArgMatches) -> Result<Command, String> {
        let name = flag.get_long().map_or_else(|| flag.get_id().to_string(), |long| format!("--{long}"));
        let same = |arg: &&Arg| arg.get_env().is_some() && arg.get_env() == flag.get_env();
        let Some(own) = self.command.get_arguments().find(same).filter(|arg| !arg.is_hide_set()) else {
            return Err(refusal::no_meaning(&name, &self.path.join(" ")));
        };
        let values = |matches: &ArgMatches, arg: &Arg| -> Vec<OsString> {
            let raw = matches.get_raw(arg.get_id().as_str());
            raw.into_iter().flatten().map(ToOwned::to_owned).collect()
        };
        let before = values(all, flag);
        if self.matches.value_source(own.get_id().as_str()) == Some(ValueSource::CommandLine) {
            let after = values(self.matches, own);
            let same = before == after;
            return same.then_some(into).ok_or_else(|| {
                format!("the argument '{name}' is given twice, with different values: give it once")
            });
        }
        let id = own.get_id().as_str();
        let arg = move |arg: Arg| arg.env(None::<&'static str>).default_values(before);
        Ok(change(into, &self.path, |command| command.mut_arg(id, arg)))
    }
}

/// Changes the subcommand at the end of the path.
fn change(command: Command, path: &[&str], with: impl FnOnce(Command) -> Command) -> Command {
    // Not generic in the depth: a closure that calls itself has no end for the compiler.
    let with: Box<dyn FnOnce(Command) -> Command + '_> = Box::new(with);
    match path {
        [] => with(command),
        [name, below @ ..] => command.mut_subcommand(*name, |command| change(command, below, with)),
    }
}

#[cfg(test)]
mod tests;
