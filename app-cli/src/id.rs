//! `appctl id`: new random ids.

use std::process::ExitCode;

use app_core::{
    Subcommand, args,
    clap::{Arg, ArgMatches, Command},
    write_output,
};
use app_ids::ServiceId;

const HELP: &str = "\
Ids are random 64-bit numbers, so you can make them without a registry. An id stays the same when a name changes.
Services, metrics, errors, health checks and log events all use this form.";

app_core::subcommand! { Subcommand::new(command, run) }

fn command() -> Command {
    let count = Arg::new("count").long("count").short('n').value_name("N").default_value("1");
    let count = count.value_parser(args::number(1_u32..=10_000)).help("Number of ids, one on each line");
    Command::new("id").about("Prints new random ids, in hex with 0x").after_help(HELP).arg(count)
}

fn run(matches: &ArgMatches) -> ExitCode {
    let count = matches.get_one::<u32>("count").copied().unwrap_or(1);
    write_output(|out| (0..count).try_for_each(|_| writeln!(out, "{:#x}", ServiceId::random())))
}
