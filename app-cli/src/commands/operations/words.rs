//! The first step of the command line: the service, the operation, the flags that every operation has, and the rest.

use std::ffi::OsString;

use app_core::clap::parser::ValueSource;
use app_core::clap::{Arg, ArgMatches, Command};

use super::usage;
use crate::failure::Failure;

/// A command line, sorted.
#[derive(Debug)]
pub(super) struct Words {
    /// The flags that every operation has, wherever they stood.
    pub(super) matches: ArgMatches,
    pub(super) service: Option<String>,
    pub(super) operation: Option<String>,
    /// The flags of the operation.
    pub(super) rest: Vec<String>,
}

impl Words {
    /// Sorts a command line. `base` has the flags that every operation has.
    pub(super) fn of(matches: &ArgMatches, base: &Command) -> Result<Self, Failure> {
        let words = matches.get_many::<String>("words").into_iter().flatten().cloned();
        let sorted = Sorted::of(words, base)?;
        let mut line = vec![OsString::from("appctl do")];
        line.extend(base.get_arguments().filter_map(|arg| given_before(matches, arg, &sorted.common)));
        line.extend(sorted.common.into_iter().map(OsString::from));
        // Variables count already.
        let command = base.clone().mut_args(|arg| arg.env(None::<&'static str>));
        let matches = command.try_get_matches_from(line).map_err(|error| usage(first_line(&error)))?;
        let mut names = sorted.names.into_iter();
        let (service, operation) = (names.next(), names.next());
        Ok(Self { matches, service, operation, rest: sorted.rest })
    }

    /// Whether this asks for the help of the command itself.
    pub(super) fn wants_general_help(&self) -> bool {
        self.operation.is_none() && self.rest.iter().any(|word| is_help(word))
    }
}

pub(super) fn is_help(word: &str) -> bool {
    matches!(word, "--help" | "-h")
}

/// What is wrong, without the usage lines of clap.
pub(super) fn first_line(error: &app_core::clap::Error) -> String {
    let text = error.render().to_string();
    let is_advice = |line: &&str| line.starts_with("Usage:") || line.starts_with("For more information");
    let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !is_advice(line)).collect();
    lines.join(" ").trim().trim_start_matches("error: ").to_owned()
}

/// A flag that stood before the words, or that a variable gives, as an argument.
fn given_before(matches: &ArgMatches, arg: &Arg, common: &[String]) -> Option<OsString> {
    let (id, long) = (arg.get_id().as_str(), arg.get_long()?);
    let flag = format!("--{long}");
    match matches.value_source(id)? {
        ValueSource::CommandLine => {}
        // A flag among the words counts more than a variable.
        ValueSource::EnvVariable if !common.iter().any(|word| is_flag(word, &flag)) => {}
        _ => return None,
    }
    if !arg.get_action().takes_values() {
        return Some(flag.into());
    }
    let mut text = OsString::from(flag + "=");
    for (place, value) in matches.get_raw(id)?.enumerate() {
        if place > 0 {
            text.push(",");
        }
        text.push(value);
    }
    Some(text)
}

fn is_flag(word: &str, flag: &str) -> bool {
    word.split('=').next() == Some(flag)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Sorted {
    names: Vec<String>,
    common: Vec<String>,
    rest: Vec<String>,
}

impl Sorted {
    fn of(words: impl IntoIterator<Item = String>, base: &Command) -> Result<Self, Failure> {
        let mut sorted = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if word == "--" {
                sorted.rest.push(word);
                sorted.rest.extend(words);
                break;
            }
            if let Some((arg, attached)) = common_flag(base, &word) {
                let takes_next = arg.get_action().takes_values() && !attached;
                sorted.common.push(word);
                sorted.common.extend(if takes_next { words.next() } else { None });
            } else if sorted.names.len() < 2 && !word.starts_with('-') {
                if !sorted.rest.is_empty() {
                    return Err(usage(format!(
                        "{}: the flags of an operation come after its service and its name",
                        sorted.rest[0]
                    )));
                }
                sorted.names.push(word);
            } else {
                sorted.rest.push(word);
            }
        }
        match sorted.rest.iter().find(|word| !is_help(word)) {
            Some(flag) if sorted.names.len() < 2 => Err(usage(format!(
                "{flag}: unknown flag; a flag of an operation comes after its service and its name"
            ))),
            _ => Ok(sorted),
        }
    }
}

/// The flag of every operation that a word gives, and whether its value is attached.
fn common_flag<'a>(base: &'a Command, word: &str) -> Option<(&'a Arg, bool)> {
    let mut args = base.get_arguments().filter(|arg| arg.get_id() != "help");
    if let Some(long) = word.strip_prefix("--") {
        let (name, attached) = long.split_once('=').map_or((long, false), |(name, _)| (name, true));
        return args.find(|arg| arg.get_long() == Some(name)).map(|arg| (arg, attached));
    }
    let mut chars = word.strip_prefix('-')?.chars();
    let short = chars.next().filter(char::is_ascii_alphabetic)?;
    let arg = args.find(|arg| arg.get_short() == Some(short))?;
    Some((arg, chars.next().is_some()))
}

#[cfg(test)]
mod tests {
    use super::super::base;
    use super::*;

    fn sort(line: &str) -> Result<Sorted, String> {
        let words = line.split_whitespace().map(str::to_owned);
        Sorted::of(words, &base()).map_err(|failure| failure.message)
    }

    #[test]
    fn the_flags_of_every_operation_may_stand_anywhere() {
        let line =
            "quota --json forget --rule default --reason why -y --context=f#a --count -5 --all --list a";
        let sorted = sort(line).unwrap();
        assert_eq!(sorted.names, ["quota", "forget"]);
        assert_eq!(sorted.common, ["--json", "--reason", "why", "-y", "--context=f#a", "--all"]);
        assert_eq!(sorted.rest, ["--rule", "default", "--count", "-5", "--list", "a"]);
        let sorted = sort("quota forget -rwhy --rule=--json -- --json x").unwrap();
        assert_eq!((sorted.common.as_slice(), sorted.rest.len()), (["-rwhy".to_owned()].as_slice(), 4));
        assert_eq!(sort("quota forget --password-file -").unwrap().rest, ["--password-file", "-"]);
    }

    #[test]
    fn a_flag_before_the_names_is_refused() {
        assert!(
            sort("--rule default quota forget")
                .unwrap_err()
                .starts_with("--rule: the flags of an operation come")
        );
        assert!(sort("quota --rule").unwrap_err().starts_with("--rule: unknown flag"));
        assert_eq!(sort("quota --help").unwrap().rest, ["--help"]);
    }
}
