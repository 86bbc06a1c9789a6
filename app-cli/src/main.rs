//! `appctl`: makes ids, authors and seals configs.
//!
//! Its commands are subcommands that crates contribute; linking a crate here adds its configs and commands. Every
//! application has the `config` commands built in too, for the services that it links.

use std::process::ExitCode;

use app_core::{Subcommand, clap::Command};
use {app_config as _, app_health as _, app_metrics as _};

mod id;
mod shell;

const ABOUT: &str = "Makes ids, authors and seals configs.";
const HELP: &str = "\
Examples:
  appctl id --count 3                         three new random ids
  appctl config explain metrics               what may stand in the config of the metrics service
  appctl config keygen --output my.identity   a new key; prints the recipient to seal for
  appctl config check /run/secrets            every mistake in a directory of configs

The services that an application links are known to its own commands: quota-app config explain quota.";

/// The whole command line.
fn command() -> Command {
    let command = Command::new("appctl").version(env!("CARGO_PKG_VERSION")).about(ABOUT).after_help(HELP);
    Subcommand::add_all(command.subcommand_required(true).arg_required_else_help(true))
}

fn main() -> ExitCode {
    // Prints help, version and usage errors, and exits with 0 or 2.
    let matches = command().get_matches();
    // A subcommand is required, and all that there are were contributed.
    Subcommand::dispatch(&matches).unwrap_or(ExitCode::from(2))
}
