//! The `config` commands, which every application that links this crate has: author, seal, open and check configs.
//!
//! | command | does |
//! |---|---|
//! | `keygen` | makes a key: an identity that opens, a recipient to seal for |
//! | `explain` | says what a config may say, or prints an example |
//! | `seal` | makes a config file from JSON |
//! | `open` | makes JSON from a config file |
//! | `check` | finds every mistake in a directory |
//! | `diff` | compares two configs, or one with the defaults |
//! | `recipients` | says whom a file is sealed to, as far as can be told |
//!
//! Exit statuses: 0, 1 (a file can't be read or written; `diff` found differences), 2 (usage), 78 (a config is wrong).

mod author;
mod check;
mod input;
mod keys;
mod refused;

use std::process::ExitCode;

use app_core::Subcommand;
use app_core::clap::{ArgMatches, Command};

use self::refused::Refused;

app_core::subcommand! { Subcommand::new(command, run) }

const HELP: &str = "\
From nothing to a sealed config:
  config keygen --output my.identity          prints the recipient, age1..
  config explain quota                        what may be said
  config explain quota --json > quota.json    an example to change
  config seal --service quota --recipient age1.. quota.json
  config check . --identity my.identity";

fn command() -> Command {
    let commands = [
        keys::keygen_command(),
        author::explain_command(),
        author::seal_command(),
        author::open_command(),
        check::check_command(),
        check::diff_command(),
        keys::recipients_command(),
    ];
    let config = Command::new("config").about("Authors, seals, opens and checks configs").after_help(HELP);
    config.subcommand_required(true).arg_required_else_help(true).subcommands(commands)
}

fn run(matches: &ArgMatches) -> ExitCode {
    let result = match matches.subcommand() {
        Some(("keygen", matches)) => keys::keygen(matches),
        Some(("explain", matches)) => author::explain(matches),
        Some(("seal", matches)) => author::seal(matches),
        Some(("open", matches)) => author::open(matches),
        Some(("check", matches)) => check::check(matches),
        Some(("diff", matches)) => check::diff(matches),
        Some(("recipients", matches)) => keys::recipients(matches),
        _ => Err(Refused::usage("which config command?")),
    };
    result.unwrap_or_else(|refused| refused.tell())
}
