//! The command `graph` of every application: prints the graph of the linked services.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::ServiceGraph;
use crate::{Subcommand, write_output};

const HELP: &str = "\
The services that are linked into this program, as a tree of what each one needs. Nothing is started.

Examples:
  graph
  graph --dot | dot -Tsvg > services.svg";

crate::subcommand! { Subcommand::new(command, run) }

fn command() -> Command {
    let dot = Arg::new("dot").long("dot").action(ArgAction::SetTrue).help("Print the language of Graphviz");
    Command::new("graph").about("Prints the linked services and what they need").after_help(HELP).arg(dot)
}

fn run(matches: &ArgMatches) -> ExitCode {
    let graph = match ServiceGraph::linked() {
        Ok(graph) => graph,
        Err(problems) => {
            for problem in problems {
                // If this fails, there is no place left to report it.
                let _ =
                    writeln!(io::stderr().lock(), "graph: {}", app_errors::one_line(&problem.to_string()));
            }
            return ExitCode::FAILURE;
        }
    };
    let text = if matches.get_flag("dot") { graph.dot() } else { graph.text() };
    write_output(|out| out.write_all(text.as_bytes()))
}
