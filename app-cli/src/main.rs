//! `appctl`: makes ids, authors and seals configs, and operates running apps.
//!
//! Its commands are subcommands that crates contribute; linking a crate here adds its configs and commands. Every
//! application has the `config` commands built in too, for the services that it links.

use std::io::{self, Write as _};
use std::process::ExitCode;

use app_core::{Subcommand, args, clap::Command};
use {app_config as _, app_health as _, app_metrics as _};

mod answers;
mod commands;
mod connect;
mod contexts;
mod failure;
mod id;
mod names;
mod operate;
mod output;
mod pki;
mod shell;
mod target;

const ABOUT: &str = "Makes ids, authors and seals configs, and operates running apps.";
const HELP: &str = "\
Examples:
  appctl id --count 3                         three new random ids
  appctl config explain metrics               what may stand in the config of the metrics service
  appctl config keygen --output my.identity   a new key; prints the recipient to seal for
  appctl config check /run/secrets            every mistake in a directory of configs
  appctl context add --help                   how appctl learns of an app
  appctl status                               who a running app is, and how it is
  appctl events --follow                      what happens in it
  appctl kill --reason 'release 7 is out'     ends it

The services that an application links are known to its own commands: quota-app config explain quota.

Exit status of commands that ask an app:
  0   done
  1   the app was asked, and said no
  2   the command line makes no sense
  3   the app was not reached, or took no call: nothing was changed
  4   no answer came: it may have been done
  5   denied: the role of your certificate is too low
  6   the answer is no: not ready, unhealthy, a config was refused
  78  a context, or a file that it names, can't be used
  130 interrupted";

/// The whole command line.
fn command() -> Command {
    let command = Command::new("appctl").version(env!("CARGO_PKG_VERSION")).about(ABOUT).after_help(HELP);
    let command = command.subcommand_required(true).arg_required_else_help(true);
    // What running apps are asked over RPC stands under the names that crates below have taken.
    Subcommand::linked().iter().map(Subcommand::command).fold(command, |command, linked| {
        command.subcommand(match linked.get_name() {
            "health" => commands::health::extend(linked),
            "metrics" => commands::metrics::extend(linked),
            _ => linked,
        })
    })
}

fn main() -> ExitCode {
    if let Err(problem) = app_core::check_stack_limit() {
        let _ =
            writeln!(io::stderr(), "appctl: cannot start: {}", app_errors::one_line(&problem.to_string()));
        return ExitCode::FAILURE;
    }
    let matches = match args::matches(command()) {
        Ok(matches) => matches,
        Err(exit) => return exit,
    };
    match matches.subcommand() {
        Some(("health", of_health)) => commands::health::run(&matches, of_health),
        Some(("metrics", of_metrics)) => commands::metrics::run(&matches, of_metrics),
        // A subcommand is required, and all that there are were contributed.
        _ => Subcommand::dispatch(&matches).unwrap_or(ExitCode::from(2)),
    }
}
