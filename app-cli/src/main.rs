//! `appctl`: makes new services, ids, certificates and code of schemas, writes and seals configs, and operates running apps.
//!
//! Each command is a subcommand that a crate contributes. Linking a crate here adds its configs and commands. Every
//! application has the `config` commands too, for the services that it links.

use std::io::{self, Write as _};
use std::process::ExitCode;

use app_core::{Subcommand, args, clap::Command};
use {app_config as _, app_health as _, app_metrics as _, app_sealing as _};

mod answers;
mod commands;
mod completions;
mod connect;
mod contexts;
mod failure;
mod feed;
mod id;
mod lookup;
mod operation;
mod output;
mod pki;
mod remote;
mod schema;
mod several;
mod target;

const ABOUT: &str =
    "Makes ids, certificates and code of schemas, writes and seals configs, and operates running apps.";
const HELP: &str = "\
Examples:
  appctl new shop                             a workspace with a service of your own, ready to run
  appctl id --count 3                         three new random ids
  appctl schema                               code from the schemas in the folder capnp
  appctl config explain metrics               the fields of the config of the metrics service
  appctl config keygen --output my.identity   a new key; prints the recipient to seal configs for
  appctl config check /run/secrets            every mistake in a directory of configs
  appctl context add --help                   how to tell appctl about an app
  appctl status                               identity and state of a running app
  appctl events --follow                      what happened in the app, and what happens
  appctl logs --follow --level warn           records of its log
  appctl status --all                         all apps of the contexts file
  appctl dashboard                            all apps on a page in the browser
  appctl kill --reason 'release 7 is out'     stops the app

The commands of an application know the services that it links: quota-app config explain quota.

Exit status of commands that ask an app:
  0   done
  1   the app answered with an error, or the output could not be written
  2   bad command line
  3   not reached: nothing was changed, try again
  4   no answer: the change may have been made
  5   denied: the role of your certificate is too low
  6   the answer is no: not ready, unhealthy, not restarted, or a config was refused
  7   not in time: the time to wait is over
  78  a context, or a file that it names, cannot be used
  130 interrupted";

/// The whole command line.
fn command() -> Command {
    let command = Command::new("appctl").version(env!("CARGO_PKG_VERSION")).about(ABOUT).after_help(HELP);
    let command = command.subcommand_required(true).arg_required_else_help(true);
    // Crates below contribute `config`, `graph`, `health` and `metrics`. This crate adds the forms that ask a running app over
    // RPC.
    Subcommand::linked().iter().map(Subcommand::command).fold(command, |command, linked| {
        command.subcommand(match linked.get_name() {
            "config" => commands::config_show::extend(linked),
            "graph" => commands::graph::command(),
            "health" => commands::health::extend(linked),
            "metrics" => commands::metrics::extend(linked),
            _ => linked,
        })
    })
}

fn main() -> ExitCode {
    if let Err(problem) = app_core::limits::check_stack_limit() {
        let _ =
            writeln!(io::stderr(), "appctl: cannot start: {}", app_errors::one_line(&problem.to_string()));
        return ExitCode::FAILURE;
    }
    let matches = match args::matches(command()) {
        Ok(matches) => matches,
        Err(exit) => return exit,
    };
    match matches.subcommand() {
        Some(("config", of_config)) if of_config.subcommand_name() == Some("show") => {
            commands::config_show::run(of_config)
        }
        Some(("graph", of_graph)) => commands::graph::run(of_graph),
        Some(("health", of_health)) => commands::health::run(&matches, of_health),
        Some(("metrics", of_metrics)) => commands::metrics::run(&matches, of_metrics),
        // A subcommand is required, and crates contribute all others.
        _ => Subcommand::dispatch(&matches).unwrap_or(ExitCode::from(2)),
    }
}
