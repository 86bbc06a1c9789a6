//! The subcommand `metrics`: prints the page.

use super::{MetricDoc, metrics_page};
use app_core::Subcommand;
use app_core::clap::{ArgMatches, Command};
use std::process::ExitCode;

app_core::subcommand! { Subcommand::new(command, run) }

fn command() -> Command {
    Command::new("metrics")
        .about("Prints what every metric is, its name in Prometheus and queries (Markdown)")
}

fn run(_: &ArgMatches) -> ExitCode {
    app_core::write_output(|out| out.write_all(metrics_page(&MetricDoc::linked()).as_bytes()))
}
