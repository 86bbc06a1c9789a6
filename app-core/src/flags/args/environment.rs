//! The environment as a part of the command line: blank variables, and names that are nearly right.

use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    sync::OnceLock,
};

use clap::{Arg, Command};

/// How the names of this platform's variables begin.
const PREFIX: &str = "OP_";
/// How the names of 1Password's variables begin, where they look like ours. They are never taken for a mistake.
const FOREIGN: &[&str] =
    &["OP_SESSION", "OP_SERVICE_ACCOUNT", "OP_CONNECT", "OP_BIOMETRIC", "OP_PLUGIN", "OP_RUN"];
/// A name that begins with this much of a known one is near, whatever follows.
const MIN_PREFIX: usize = 7;

/// What is said of names that are nearly right, found when the command line was read.
static MISSPELT: OnceLock<Vec<String>> = OnceLock::new();

/// Variables that nothing reads and that have nearly the name of a known one, each with that name.
pub(crate) fn misspelt() -> &'static [String] {
    MISSPELT.get().map_or(&[], Vec::as_slice)
}

/// Forgets variables that hold nothing but spaces: for the command line they are unset. Help still names them.
pub(super) fn without_blanks(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let Some(name) = arg.get_env().map(OsStr::to_owned).filter(|name| is_blank(name)) else { return arg };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let help = format!("{help} [env: {}=]", name.to_string_lossy());
        arg.env(None::<&'static str>).help(help.trim_start().to_owned())
    });
    command.mut_subcommands(without_blanks)
}

fn is_blank(name: &OsStr) -> bool {
    env::var_os(name).is_some_and(|value| value.to_str().is_some_and(|value| value.trim().is_empty()))
}

/// Every argument of a command and its subcommands.
pub(super) fn arguments(command: &Command) -> Vec<&Arg> {
    let below = command.get_subcommands().flat_map(arguments);
    command.get_arguments().chain(below).collect()
}

/// Looks for variables that are near a name of this command line, for [`misspelt`].
pub(super) fn look_for_misspelt(command: &Command) {
    let known: BTreeSet<String> =
        arguments(command).into_iter().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned)).collect();
    let set = env::vars_os().map(|(name, _)| name);
    // The first command line of the process counts.
    let _ = MISSPELT.set(misspelt_of(&known, set));
}

fn misspelt_of(known: &BTreeSet<String>, set: impl IntoIterator<Item = OsString>) -> Vec<String> {
    let mut found: Vec<_> = set
        .into_iter()
        .filter_map(|name| {
            let name = name.to_str()?;
            let near = nearest(name, known)?;
            Some(format!("{name}: no such variable is read; did you mean {near}?"))
        })
        .collect();
    found.sort();
    found
}

fn nearest<'k>(name: &str, known: &'k BTreeSet<String>) -> Option<&'k str> {
    let foreign = FOREIGN.iter().any(|foreign| name.starts_with(foreign));
    if !name.starts_with(PREFIX) || foreign || known.contains(name) {
        return None;
    }
    let plain = |name: &str| name[PREFIX.len()..].replace('_', "").to_ascii_uppercase();
    let ours = plain(name);
    let near = |known: &&String| {
        let theirs = plain(known);
        let allowed = if theirs.len() > 5 { 2 } else { 1 };
        let longer = theirs.len() >= MIN_PREFIX && ours.starts_with(&theirs);
        longer || strsim::osa_distance(&ours, &theirs) <= allowed
    };
    known.iter().find(near).map(String::as_str)
}

#[cfg(test)]
mod tests;
