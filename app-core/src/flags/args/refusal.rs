//! What is wrong with a command line, in one line: the argument, the variable that it came from, the reason.

use std::{
    env,
    error::Error as _,
    ffi::{OsStr, OsString},
};

use clap::{
    Arg, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::environment::arguments;

/// Of a refused value this many characters are shown.
const MAX_SHOWN: usize = 60;

/// The error of clap, or one that says more: which variable holds a refused value, and what is not text.
pub(super) fn explained(usage: clap::Error, command: &Command, given: &[OsString]) -> clap::Error {
    let text = match usage.kind() {
        ErrorKind::ValueValidation => refused_value(&usage, command, given),
        ErrorKind::InvalidUtf8 => not_text(command, given),
        ErrorKind::ArgumentConflict => conflict(&usage, command, given),
        _ => None,
    };
    match text {
        Some(text) => one_line(usage.kind(), text),
        None => usage,
    }
}

/// What is said of a flag that a subcommand has no use for.
pub(super) fn no_meaning(flag: &str, command: &str) -> String {
    format!("the argument '{flag}' has no meaning for '{command}': leave it out")
}

/// A usage error of one line.
pub(super) fn one_line(kind: ErrorKind, mut text: String) -> clap::Error {
    text.push('\n');
    clap::Error::raw(kind, text)
}

fn refused_value(usage: &clap::Error, command: &Command, given: &[OsString]) -> Option<String> {
    let (name, value) =
        (context(usage, ContextKind::InvalidArg)?, context(usage, ContextKind::InvalidValue)?);
    let origin =
        variable_of(name, command, given).map(|name| format!(" (variable {name})")).unwrap_or_default();
    let reason = usage.source()?;
    Some(format!("invalid value {} for '{name}'{origin}: {reason}", shown(value)))
}

/// clap says which two exclude each other, and not that one of them comes from a variable.
fn conflict(usage: &clap::Error, command: &Command, given: &[OsString]) -> Option<String> {
    let (name, prior) = (context(usage, ContextKind::InvalidArg)?, context(usage, ContextKind::PriorArg)?);
    let origin = |name| variable_of(name, command, given);
    let of_variable =
        |name: &str, variable: &str| format!("'{name}', which the variable {variable} sets: unset it");
    match (origin(name), origin(prior)) {
        (None, Some(variable)) => {
            Some(format!("the argument '{name}' cannot be used with {}", of_variable(prior, &variable)))
        }
        (Some(variable), None) => {
            Some(format!("the argument '{prior}' cannot be used with {}", of_variable(name, &variable)))
        }
        _ => None,
    }
}

fn not_text(command: &Command, given: &[OsString]) -> Option<String> {
    let is_text = |text: &OsStr| text.to_str().is_some();
    if let Some(argument) = given.iter().find(|argument| !is_text(argument)) {
        return Some(format!("the argument {} is not UTF-8", shown(&argument.to_string_lossy())));
    }
    let mut variables = arguments(command).into_iter().filter_map(Arg::get_env);
    let name = variables.find(|name| env::var_os(name).is_some_and(|value| !is_text(&value)))?;
    Some(format!("the variable {} holds bytes that are not UTF-8", name.to_string_lossy()))
}

/// The variable that an argument has its value from: it is set, and the argument is not on the command line.
fn variable_of(name: &str, command: &Command, given: &[OsString]) -> Option<String> {
    // As clap shows it: `--app-id <ID>`, `--dev[=<PORT>]`.
    let flag = name.split([' ', '[', '=']).next()?;
    let long = flag.strip_prefix("--")?;
    let begins = |argument: &OsString| argument.to_string_lossy().split('=').next() == Some(flag);
    if given.iter().any(begins) {
        return None;
    }
    let mut variables =
        arguments(command).into_iter().filter(|arg| arg.get_long() == Some(long)).filter_map(Arg::get_env);
    variables.find(|name| env::var_os(name).is_some()).map(|name| name.to_string_lossy().into_owned())
}

fn context(usage: &clap::Error, kind: ContextKind) -> Option<&str> {
    match usage.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}

/// A value for people: quoted, in one line, shortened.
fn shown(value: &str) -> String {
    let text: String = value.chars().take(MAX_SHOWN).collect();
    let cut = if value.chars().nth(MAX_SHOWN).is_some() { ".." } else { "" };
    format!("'{}{cut}'", app_errors::one_line(&text.replace('\\', r"\\").replace('\'', r"\'")))
}
