//! `appctl id`: new random ids.

use std::process::ExitCode;

use app_core::{
    Subcommand, args,
    clap::{Arg, ArgMatches, Command},
    write_output,
};
use app_ids::ServiceId;

const HELP: &str = "\
Ids are random 64-bit numbers: whoever makes one needs to ask nobody, and what carries it may be renamed at will.
The same form serves services, metrics, errors, health checks and log events.";

app_core::subcommand! { Subcommand::new(command, run) }

fn command() -> Command {
    let count = Arg::new("count").long("count").short('n').value_name("N").default_value("1");
    let count = count.value_parser(args::number(1_u32..=10_000)).help("How many, one a line");
    Command::new("id").about("Prints new random ids, in hex with 0x").after_help(HELP).arg(count)
}

fn run(matches: &ArgMatches) -> ExitCode {
    let count = matches.get_one::<u32>("count").copied().unwrap_or(1);
    write_output(|out| (0..count).try_for_each(|_| writeln!(out, "{:#x}", ServiceId::random())))
}
