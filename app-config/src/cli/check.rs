//! `config check` and `config diff`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use app_core::clap::parser::ValueSource;
use app_core::clap::{ArgMatches, Command};
use app_core::prelude::Error;
use app_core::{ExitStatus, Flags, args, write_output};
use app_errors::{json_text, one_line};
use serde_json::{Value, json};

use super::input::{identity, identity_arg, message, path, path_arg, schema_for, service_arg, switch};
use super::refused::Refused;
use crate::author;
use crate::configs::{CheckError, Checked, ConfigDir, DirectoryError, LoadError, check_all};
use crate::file::Located;
use crate::ids::label;
use crate::sealing::{IdentityError, Sealing};

pub(super) fn check_command() -> Command {
    let about = "Finds every problem in a directory of configs; exit status 0, or 78";
    let dir = path_arg("config-dir", "DIR", "The directory, as a flag");
    let dir = dir.long("config-dir").env("OP_CONFIG_DIR").default_value("/run/secrets");
    let sealed = switch("require-sealed", "Refuses plain files").env("OP_REQUIRE_SEALED");
    Command::new("check")
        .about(about)
        .arg(path_arg("dir", "DIR", "The directory [default: that of --config-dir]"))
        .arg(dir)
        .args(identity_arg())
        .arg(sealed.value_parser(args::boolean))
        .arg(switch("json", "Prints the result as JSON"))
}

pub(super) fn check(matches: &ArgMatches) -> Result<ExitCode, Refused> {
    let dir = directory(matches)?;
    if !dir.is_dir() {
        return Err(Refused::config(format!("{} is not a directory", dir.display())));
    }
    let (sealing, refused) = Sealing::read(identity(matches), dir, matches.get_flag("require-sealed"));
    let dir = ConfigDir::new(dir).with_sealing(sealing);
    let mut checked = check_all(&dir);
    checked.problems.extend(refused.map(Located::of_identities));
    let lines = if matches.get_flag("json") { as_json(&checked) } else { as_text(&dir, &checked) };
    let written = write_output(|out| writeln!(out, "{}", lines.trim_end()));
    Ok(if checked.problems.is_empty() { written } else { ExitStatus::Config.into() })
}

/// The directory that was named by the argument or by the flag.
fn directory(matches: &ArgMatches) -> Result<&Path, Refused> {
    let flag = path(matches, "config-dir").unwrap_or(Path::new(""));
    let Some(dir) = path(matches, "dir") else { return Ok(flag) };
    // A variable is not part of the command line, and a flag before `config` arrives as a default.
    let of_variable = matches.value_source("config-dir") == Some(ValueSource::EnvVariable);
    if dir == flag || flag == Flags::default().config_dir || of_variable {
        return Ok(dir);
    }
    let both = format!("{} and {}", dir.display(), flag.display());
    Err(Refused::usage(format!("two directories are named, {both}: name one")))
}

fn as_text(dir: &ConfigDir, checked: &Checked) -> String {
    let problems = checked.problems.iter().map(|problem| format!("{}\n", one_line(&problem.to_string())));
    let unused = checked
        .unused
        .iter()
        .map(|service| format!("warning: {} is used by no service here\n", label(*service)));
    let warnings = checked.warnings.iter().map(|warning| format!("warning: {}\n", one_line(warning)));
    let notes = checked.notes.iter().map(|note| format!("note: {}\n", one_line(note)));
    let text: String = problems.chain(unused).chain(warnings).chain(notes).collect();
    if checked.problems.is_empty() {
        format!("{text}ok: {}", one_line(&dir.path().display().to_string()))
    } else {
        text
    }
}

fn as_json(checked: &Checked) -> String {
    let problem = |error: &Error| {
        let (file, reason) = file_and_reason(error).unzip();
        json!({
            "service": format!("{:#x}", error.service()),
            "file": file,
            "reason": reason,
            "message": error.to_string(),
        })
    };
    let unused: Vec<_> = checked.unused.iter().map(|service| format!("{service:#x}")).collect();
    let problems: Vec<Value> = checked.problems.iter().map(problem).collect();
    let all = json!({
        "ok": problems.is_empty(), "problems": problems, "unused": unused, "warnings": checked.warnings,
        "notes": checked.notes,
    });
    json_text(&format!("{all:#}")).to_string()
}

/// The file of a problem and what is wrong with it. A check fails in one of these operations.
fn file_and_reason(error: &Error) -> Option<(String, String)> {
    of_operation::<LoadError>(error)
        .or_else(|| of_operation::<DirectoryError>(error))
        .or_else(|| of_operation::<CheckError>(error))
        .or_else(|| of_operation::<IdentityError>(error))
}

fn of_operation<E: std::error::Error + Send + Sync + 'static>(error: &Error) -> Option<(String, String)> {
    let located = error.downcast_cause::<Located<E>>()?;
    Some((located.path().display().to_string(), located.reason()))
}

pub(super) fn diff_command() -> Command {
    let about = "Compares two configs, or one with the defaults of the schema, field by field; exit status 0 if they are equal, else 1";
    let help = "Secrets are shown as digests: you see whether they differ, not what they are.";
    Command::new("diff")
        .about(about)
        .after_help(help)
        .arg(path_arg("before", "FILE", "The first config").required(true))
        .arg(path_arg(
            "after",
            "FILE",
            "The second config, of the same service [default: the defaults of the schema]",
        ))
        .arg(service_arg(false))
        .args(identity_arg())
}

pub(super) fn diff(matches: &ArgMatches) -> Result<ExitCode, Refused> {
    let files: Vec<_> = ["before", "after"].iter().filter_map(|id| matches.get_one::<PathBuf>(id)).collect();
    let first = files.first().map_or(Path::new(""), |file| file.as_path());
    let schema = schema_for(matches, first)?;
    let of = schema.struct_schema().ok_or_else(|| Refused::config("its config is no struct"))?;
    let mut messages =
        files.iter().map(|file| message(matches, file)).collect::<Result<Vec<_>, _>>()?.into_iter();
    // One file is compared with the defaults.
    let (before, after) = match (messages.next(), messages.next()) {
        (one, None) => (None, one),
        two => two,
    };
    let refuse = |problems| Refused::problems(schema.service(), problems);
    let changes = author::diff(of, before, after).map_err(refuse)?;
    let written = write_output(|out| {
        changes.iter().try_for_each(|change| writeln!(out, "{}", one_line(&change.to_string())))
    });
    Ok(if changes.is_empty() { written } else { ExitCode::FAILURE })
}
