//! The `config` commands: author, seal, open and check configs. Every application that links this crate has them, apart from
//! `keygen` and `recipients`: these two come with the [`Sealer`].
//!
//! | command | does |
//! |---|---|
//! | `keygen` | makes a key: an identity that opens configs, and its recipient to seal them for |
//! | `explain` | explains the fields of a config, or prints an example |
//! | `seal` | makes a config file from JSON |
//! | `open` | makes JSON from a config file |
//! | `check` | finds every problem in a directory |
//! | `diff` | compares two configs, or one with the defaults |
//! | `recipients` | says for how many recipients a file is sealed |
//!
//! Exit statuses: 0, 1 (a file can't be read or written; `diff` found differences), 2 (usage), 78 (a config is wrong).

mod author;
mod check;
mod input;
mod recipients;
mod refused;

use std::process::ExitCode;

use app_core::Subcommand;
use app_core::clap::{ArgMatches, Command};

use self::refused::Refused;
use crate::sealing::{ConfigCommand, Sealer};

app_core::subcommand! { Subcommand::new(command, run) }

const HELP: &str = "\
From nothing to a sealed config:
  config keygen --output my.identity          prints the recipient, age1..
  config explain quota                        its fields
  config explain quota --json > quota.json    an example to change
  config seal --service quota --recipient age1.. quota.json
  config check . --identity my.identity";

const HELP_WITHOUT_A_SEALER: &str = "\
From nothing to a config:
  config explain quota                        its fields
  config explain quota --json > quota.json    an example to change
  config seal --service quota --plain quota.json
  config check .
This program makes and opens no sealed configs. One that links app-sealing does (use app_sealing as _;).";

/// Why a command that has to seal does nothing.
const NO_SEALER: &str = "this program can't seal configs: link app-sealing (use app_sealing as _;)";

fn command() -> Command {
    let sealer = Sealer::linked();
    let commands = [
        author::explain_command(),
        author::seal_command(),
        author::open_command(),
        check::check_command(),
        check::diff_command(),
    ];
    let config = Command::new("config").about("Authors, seals, opens and checks configs");
    config
        .after_help(if sealer.is_some() { HELP } else { HELP_WITHOUT_A_SEALER })
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(sealer.map(|sealer| (sealer.keygen.command)()))
        .subcommands(commands)
        .subcommands(sealer.map(|sealer| (sealer.recipients.command)()))
}

fn run(matches: &ArgMatches) -> ExitCode {
    let result = match matches.subcommand() {
        Some(("keygen", matches)) => of_sealer(|sealer| sealer.keygen, matches),
        Some(("explain", matches)) => author::explain(matches),
        Some(("seal", matches)) => author::seal(matches),
        Some(("open", matches)) => author::open(matches),
        Some(("check", matches)) => check::check(matches),
        Some(("diff", matches)) => check::diff(matches),
        Some(("recipients", matches)) => of_sealer(|sealer| sealer.recipients, matches),
        _ => Err(Refused::usage("no config command is given: see config --help")),
    };
    result.unwrap_or_else(|refused| refused.tell())
}

/// Runs a command of the sealer. Without a sealer the command line does not have the command.
fn of_sealer(
    command: impl FnOnce(Sealer) -> ConfigCommand,
    matches: &ArgMatches,
) -> Result<ExitCode, Refused> {
    let sealer = Sealer::linked().ok_or_else(|| Refused::usage(NO_SEALER))?;
    Ok((command(sealer).run)(matches))
}
