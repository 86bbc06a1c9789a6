//! The `health` commands, which every application that links this crate has: they ask a running instance.
//!
//! For images without a shell or curl, and for people: exit status 0 when the answer is yes, 1 when it is no or there is
//! none, 2 for usage. What is in the way goes to standard output, a line for each reason.

mod client;

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use app_core::{
    ExitStatus, Subcommand,
    clap::{Arg, ArgMatches, Command, value_parser},
    write_output,
};
use serde_json::Value;

use crate::{HEALTHZ_PATH, LIVEZ_PATH, READYZ_PATH, one_line::one_line};

app_core::subcommand! { Subcommand::new(command, run) }

/// A question: its command, its path, what yes is called, what it is for.
const QUESTIONS: [(&str, &str, &str, &str); 3] = [
    ("live", LIVEZ_PATH, "alive", "Does it turn over? If not, it should be killed and started again"),
    ("ready", READYZ_PATH, "ready", "Can it do its work? If not, it should get none"),
    ("checks", HEALTHZ_PATH, "healthy", "How are its health checks? Each is told, with what is wrong"),
];

fn command() -> Command {
    let address = Arg::new("address")
        .long("address")
        .value_name("IP:PORT")
        .env("OP_HEALTH_ADDRESS")
        .default_value("127.0.0.1:4444")
        .value_parser(value_parser!(SocketAddr))
        .global(true)
        .help("Where its HTTP server listens");
    let timeout = Arg::new("timeout")
        .long("timeout")
        .value_name("TIME")
        .default_value("3s")
        .value_parser(|text: &str| humantime::parse_duration(text))
        .global(true)
        .help("How long to wait for the whole answer");
    let questions = QUESTIONS.map(|(name, _, _, about)| Command::new(name).about(about));
    Command::new("health")
        .about("Asks a running instance how it is; exit status 0 for yes, 1 for no")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args([address, timeout])
        .subcommands(questions)
}

fn run(matches: &ArgMatches) -> ExitCode {
    let asked = matches.subcommand().and_then(|(name, matches)| {
        let (_, path, yes, _) = QUESTIONS.into_iter().find(|question| question.0 == name)?;
        Some((
            path,
            yes,
            *matches.get_one::<SocketAddr>("address")?,
            *matches.get_one::<Duration>("timeout")?,
        ))
    });
    // Clap refuses what is not asked for.
    let Some((path, yes, address, timeout)) = asked else { return ExitStatus::Usage.into() };
    let (fine, lines) = match client::get(address, path, timeout) {
        Ok((status, document)) => (status == 200, lines(status == 200, yes, &document)),
        Err(problem) => (false, vec![format!("{address} does not answer: {problem}")]),
    };
    let written = write_output(|out| lines.iter().try_for_each(|line| writeln!(out, "{}", one_line(line))));
    if fine { written } else { ExitCode::FAILURE }
}

/// The answer in words: the verdict, its reasons, the checks.
fn lines(fine: bool, yes: &str, document: &Value) -> Vec<String> {
    let verdict = if fine { yes.to_owned() } else { format!("not {yes}") };
    let notes = document["notes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let checks = document["checks"].as_object().into_iter().flatten();
    let checks = checks.flat_map(|(name, checks)| {
        checks.as_array().into_iter().flatten().map(move |check| {
            let status = check["status"].as_str().unwrap_or("unknown");
            match check["output"].as_str() {
                Some(problem) => format!("  {name}: {status}: it {problem}"),
                None => format!("  {name}: {status}"),
            }
        })
    });
    std::iter::once(verdict).chain(notes.map(|note| format!("  {note}"))).chain(checks).collect()
}
