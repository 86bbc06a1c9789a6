//! `appctl completions` and `appctl man`: completion scripts and manual pages.

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::process::ExitCode;

use app_core::{
    Subcommand,
    clap::{Arg, ArgMatches, Command, value_parser},
    write_output,
};
use clap_complete::Shell;

app_core::subcommand! { Subcommand::new(completions, complete) }
app_core::subcommand! { Subcommand::new(man, page) }

fn completions() -> Command {
    let shell = Arg::new("shell").value_parser(value_parser!(Shell)).required(true).help("The shell");
    let about = "Prints a completion script: source <(appctl completions bash)";
    Command::new("completions").about(about).arg(shell)
}

fn complete(matches: &ArgMatches) -> ExitCode {
    let Some(shell) = matches.get_one::<Shell>("shell").copied() else { return ExitCode::from(2) };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::command(), "appctl", &mut script);
    write_output(|out| out.write_all(&script))
}

fn man() -> Command {
    Command::new("man").about("Prints the manual page: appctl man | man -l -").arg(
        Arg::new("command")
            .num_args(0..)
            .value_name("COMMAND")
            .help("Words of a subcommand, such as: config seal"),
    )
}

fn page(matches: &ArgMatches) -> ExitCode {
    let words: Vec<String> = matches.get_many("command").into_iter().flatten().cloned().collect();
    write_output(|mut out| render(&words, &mut out))
}

/// Writes the manual page of a command. `words` names the command.
fn render(words: &[String], out: &mut dyn Write) -> io::Result<()> {
    let mut command = crate::command();
    let mut name = "appctl".to_owned();
    for wanted in words {
        let Some(found) = command.find_subcommand(wanted).cloned() else {
            return Err(io::Error::other(format!("{name} has no command {wanted:?}")));
        };
        name = format!("{name}-{wanted}");
        command = found;
    }
    clap_mangen::Man::new(command.name(name)).render(&mut { out })
}
