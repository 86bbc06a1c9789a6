//! `appctl schema`: code from Cap'n Proto schemas, and ids for them.
//!
//! Exit statuses: 0; 1 if code is not fresh, the program `capnp` is missing, or the system refuses; 2 for a usage error; 78 if there
//! is a mistake in the schemas.

use std::path::PathBuf;
use std::process::ExitCode;

use app_build::{SchemaError, Schemas};
use app_core::clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use app_core::{Subcommand, args, write_output};
use app_ids::ServiceId;

use crate::failure::{Failure, Status};
use crate::output::report;

const HELP: &str = "\
It writes schemas.rs, which you include at the root of your crate: include!(\"generated/schemas.rs\"); It also writes code for
each .capnp file, the table of its comments (for config explain), the names of its methods, and layout.txt. Commit them all.
What layout.txt has stays as it is, so that stored values can be read: a change that breaks it is refused.

The program capnp must be installed: apt install capnproto (Debian, Ubuntu), or brew install capnp (Homebrew).

Examples:
  appctl schema                           code for capnp/*.capnp, in src/generated
  appctl schema --check                   is the committed code fresh?
  appctl schema id --count 3              ids for a new file and its structs

Exit status:
  0   done, or fresh
  1   not fresh, capnp is missing, or a file could not be written
  2   bad command line
  78  a mistake in the schemas; nothing was written";

const HELP_ID: &str = "\
A schema needs an id for its file, and should have one for each struct, enum and interface. An id stays the same when a name
changes. Ids of services, metrics and errors come from appctl id.

Examples:
  appctl schema id
  appctl schema id --count 3";

/// Cap'n Proto leaves ids without this bit to other uses.
const TOP_BIT: u64 = 1 << 63;

app_core::subcommand! { Subcommand::new(command, run) }

fn command() -> Command {
    let folder = Arg::new("folder").long("folder").value_name("DIR").default_value("capnp");
    let out = Arg::new("out").long("out").value_name("DIR").default_value("src/generated");
    let check = Arg::new("check").long("check").action(ArgAction::SetTrue);
    let capnp =
        Arg::new("capnp_crate").long("capnp-crate").value_name("PATH").default_value("::app_config::capnp");
    let count = Arg::new("count").long("count").short('n').value_name("N").default_value("1");
    let count = count.value_parser(args::number(1_u32..=10_000)).help("Number of ids, one on each line");
    let id = Command::new("id")
        .about("Prints new ids for schemas, in the form @0x..")
        .after_help(HELP_ID)
        .arg(count);
    Command::new("schema")
        .about("Generates code from Cap'n Proto schemas of your own")
        .after_help(HELP)
        .args([
            folder.value_parser(value_parser!(PathBuf)).help("Folder of the .capnp files"),
            out.value_parser(value_parser!(PathBuf)).help("Folder for the code"),
            check.help("Write nothing; say whether the code is fresh"),
            capnp
                .value_parser(crate_path)
                .help("What the code names the crate capnp; ::capnp for a dependency of your own"),
        ])
        .subcommand(id)
        .args_conflicts_with_subcommands(true)
}

/// The path of a crate in Rust code.
fn crate_path(text: &str) -> Result<String, String> {
    let mut names = text.strip_prefix("::").unwrap_or(text).split("::");
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if names.all(is_name) { Ok(text.to_owned()) } else { Err("must be a path such as ::capnp".to_owned()) }
}

fn run(matches: &ArgMatches) -> ExitCode {
    if let Some(("id", matches)) = matches.subcommand() {
        let count = matches.get_one::<u32>("count").copied().unwrap_or(1);
        return write_output(|out| {
            (0..count).try_for_each(|_| writeln!(out, "@{:#x}", ServiceId::random().as_u64() | TOP_BIT))
        });
    }
    generate(matches).unwrap_or_else(|error| {
        let status = if error.is_of_schemas() { Status::Unusable } else { Status::Failed };
        report(&Failure::new(status, error), false)
    })
}

fn generate(matches: &ArgMatches) -> Result<ExitCode, SchemaError> {
    let path = |name| matches.get_one::<PathBuf>(name).cloned().unwrap_or_default();
    let (mut schemas, out) = (Schemas::in_folder(path("folder")), path("out"));
    if let Some(capnp) = matches.get_one::<String>("capnp_crate") {
        schemas = schemas.capnp_crate(capnp);
    }
    let mut lines = Vec::new();
    if matches.get_flag("check") {
        schemas.check(&out)?;
    } else {
        let changes = schemas.write_to(&out)?;
        lines.extend(changes.written.iter().map(|path| format!("{}: written", path.display())));
        lines.extend(
            changes.removed.iter().map(|path| format!("{}: removed, its schema is gone", path.display())),
        );
    }
    if lines.is_empty() {
        lines.push(format!("{}: fresh", out.display()));
    }
    Ok(write_output(|to| lines.iter().try_for_each(|line| writeln!(to, "{}", app_errors::one_line(line)))))
}
