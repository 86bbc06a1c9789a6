//! The second step of the command line: flags from the schema of the arguments.

mod field;

use std::io::Read as _;
use std::process::ExitCode;

use app_core::clap::error::ErrorKind;
use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use app_core::operations::{self, MAX_BYTES};
use app_core::write_output;
use serde_json::{Map, Value};

use self::field::{Field, Kind};
use super::words::{Words, first_line};
use super::{Described, usage};
use crate::failure::Failure;

const HEADING: &str = "Arguments";

/// What a command line says.
#[derive(Debug)]
pub(super) enum Read {
    /// It asks for help, which is this text.
    Help(String),
    CallFlags(CallFlags),
}

/// What the command line gives for a call.
#[derive(Debug)]
pub(super) struct CallFlags {
    pub(super) arguments: String,
    pub(super) reason: String,
    pub(super) confirmed: bool,
    pub(super) request_id: String,
    pub(super) waits: bool,
}

/// Prints the help of a command.
pub(super) fn print_help(mut command: Command) -> ExitCode {
    let text = command.render_long_help().to_string();
    write_output(|out| out.write_all(text.as_bytes()))
}

/// Reads the flags of an operation, and those of all operations that say how to call it.
pub(super) fn read(described: &Described, words: &Words, common: &ArgMatches) -> Result<Read, Failure> {
    let info = &described.info;
    let what = format!("appctl do {} {}", info.service_name, info.name);
    let fields = field::all(&described.arguments);
    let as_json = common.get_one::<String>("args");
    let command = command(described, &what, &fields, as_json.is_some());
    let line = std::iter::once(what.as_str()).chain(words.rest.iter().map(String::as_str));
    let matches = match command.try_get_matches_from(line) {
        Ok(matches) => matches,
        Err(help) if help.kind() == ErrorKind::DisplayHelp => {
            return Ok(Read::Help(help.render().to_string()));
        }
        Err(error) => return Err(usage(format!("{}; see {what} --help", first_line(&error)))),
    };
    let reason = common.get_one::<String>("reason").cloned().unwrap_or_default();
    if reason.is_empty() && !info.only_reads() {
        return Err(usage(format!(
            "--reason: {what} {} something, so say why, for the log of the app",
            info.effect
        )));
    }
    let confirmed = common.get_flag("yes");
    if info.effect == "destroys" && !confirmed {
        return Err(usage(format!(
            "--yes: {what} destroys something that does not come back; confirm it with --yes"
        )));
    }
    let mut stdin = Stdin::default();
    let mut arguments = match as_json {
        Some(text) => object(text, &described.arguments, &mut stdin)?,
        None => Map::new(),
    };
    for field in &fields {
        let Some(value) = value(field, &matches, &mut stdin)? else { continue };
        if arguments.insert(field.name.clone(), value).is_some() {
            return Err(usage(format!("--{}: --args has {} too; give it once", field.flag, field.name)));
        }
    }
    let arguments = Value::Object(arguments).to_string();
    if arguments.len() > MAX_BYTES {
        return Err(usage(format!(
            "the arguments have {} bytes of JSON; give at most {MAX_BYTES}",
            arguments.len()
        )));
    }
    let id = common.get_one::<String>("request-id").cloned();
    Ok(Read::CallFlags(CallFlags {
        arguments,
        reason,
        confirmed,
        request_id: id.unwrap_or_else(|| format!("appctl-{}", app_ids::InstanceId::random())),
        waits: !common.get_flag("no-wait"),
    }))
}

/// The command of an operation.
fn command(described: &Described, what: &str, fields: &[Field], as_json: bool) -> Command {
    let info = &described.info;
    let left: Vec<_> = field::names(&described.arguments)
        .into_iter()
        .filter(|name| !fields.iter().any(|field| field.name == *name))
        .collect();
    let mut notes = format!(
        "Role: {}{}. Effect: {}",
        info.role,
        if info.may_call { "" } else { ", which you do not have" },
        info.effect
    );
    if info.job {
        notes.push_str(
            ". A job does the work: the command waits for its end, without a limit unless you give --timeout",
        );
    }
    notes.push('.');
    if !left.is_empty() {
        notes.push_str(&format!("\nOnly by --args: {}.", left.join(", ")));
    }
    let result = field::names(&described.results);
    if !result.is_empty() {
        notes.push_str(&format!("\nThe result has: {}.", result.join(", ")));
    }
    let common = super::base();
    let common = common.get_arguments().cloned().map(|arg| arg.env(None::<&'static str>).required(false));
    Command::new(what.to_owned())
        .bin_name(what.to_owned())
        .about(info.about.clone())
        .after_help(notes)
        .args(fields.iter().map(|field| arg(field, as_json)))
        .args(common)
}

fn arg(field: &Field, as_json: bool) -> Arg {
    let arg = Arg::new(field.name.clone()).help_heading(HEADING).required(field.required && !as_json);
    let long = if field.kind == Kind::Secret { format!("{}-file", field.flag) } else { field.flag.clone() };
    let mut help = field.about.clone();
    let arg = arg.long(long).value_name(field.kind.value_name()).allow_negative_numbers(true);
    let kind = field.kind.clone();
    match &field.kind {
        Kind::Secret => {
            help.push_str(if help.is_empty() { "Secret" } else { " Secret" });
            help.push_str(": a file that has it, or - for standard input");
            arg.help(help)
        }
        Kind::Bool => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(move |text: &str| kind.parse(text))
            .help(help),
        Kind::List(item) => {
            let item = (**item).clone();
            help.push_str(if help.is_empty() { "May be repeated" } else { " May be repeated." });
            arg.action(ArgAction::Append).value_parser(move |text: &str| item.parse(text)).help(help)
        }
        _ => {
            if let Kind::Choice(choices) = &field.kind {
                help.push_str(&format!(" [possible values: {}]", choices.join(", ")));
            }
            arg.value_parser(move |text: &str| kind.parse(text)).help(help.trim_start().to_owned())
        }
    }
}

/// The value of a field on the command line.
fn value(field: &Field, matches: &ArgMatches, stdin: &mut Stdin) -> Result<Option<Value>, Failure> {
    match &field.kind {
        Kind::Secret => {
            let Some(path) = matches.get_one::<String>(&field.name) else { return Ok(None) };
            let flag = format!("--{}-file", field.flag);
            let text = stdin.content(&flag, path)?;
            let text =
                text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
            field.secret(text).map(Some).map_err(|wrong| usage(format!("{flag}: {wrong}")))
        }
        Kind::List(_) => Ok(matches
            .get_many::<Value>(&field.name)
            .map(|values| values.cloned().collect::<Vec<_>>().into())),
        _ => Ok(matches.get_one::<Value>(&field.name).cloned()),
    }
}

/// The object of `--args`.
fn object(text: &str, schema: &Value, stdin: &mut Stdin) -> Result<Map<String, Value>, Failure> {
    let content = match text.strip_prefix('@') {
        Some(path) => stdin.content("--args", path)?,
        None => text.to_owned(),
    };
    let read = operations::parse(&content).map_err(|wrong| usage(format!("--args: {wrong}")))?;
    let Value::Object(object) = read else {
        return Err(usage("--args: is no JSON object; write the arguments as its fields"));
    };
    let given = Value::Object(object);
    if !text.starts_with('@') && operations::hide_secrets(schema, &given).to_string().contains("\"(secret)\"")
    {
        return Err(usage(
            "--args: has a secret, which every user of this machine can see; use --args @FILE",
        ));
    }
    let Value::Object(object) = given else { return Ok(Map::new()) };
    Ok(object)
}

/// Standard input, which is read once.
#[derive(Default)]
struct Stdin {
    taken_by: Option<String>,
}

impl Stdin {
    /// The text of a file, or of standard input for `-`.
    fn content(&mut self, flag: &str, path: &str) -> Result<String, Failure> {
        let wrong = |error: &dyn std::fmt::Display| usage(format!("{flag}: {path}: {error}"));
        let reader: Box<dyn std::io::Read> = if path == "-" {
            if let Some(other) = self.taken_by.replace(flag.to_owned()) {
                return Err(usage(format!(
                    "{flag}: {other} reads standard input too; name a file for one of them"
                )));
            }
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(std::fs::File::open(path).map_err(|error| wrong(&error))?)
        };
        let mut text = String::new();
        let most = MAX_BYTES as u64 + 1;
        reader.take(most).read_to_string(&mut text).map_err(|error| wrong(&error))?;
        if text.len() > MAX_BYTES {
            return Err(wrong(&format!("has more than {MAX_BYTES} bytes")));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
