//! The `health` command, which every application that links this crate has: it asks a running instance.
//!
//! For images without a shell or curl, and for people: exit status 0 when every answer is yes, 1 when one is no or there
//! is none, 2 for usage. What is in the way goes to standard output, a line for each reason.

mod client;

use std::{
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

use app_core::{
    ExitStatus, Subcommand, args, check_descriptors,
    clap::{Arg, ArgMatches, Command, builder::PossibleValue},
    write_output,
};
use serde_json::Value;

use crate::{HEALTHZ_PATH, LIVEZ_PATH, READYZ_PATH, STARTUP_PATH, one_line::one_line};

app_core::subcommand! { Subcommand::new(command, run) }

/// Its name, its path, what yes is called, what it is for.
type Question = (&'static str, &'static str, &'static str, &'static str);

const QUESTIONS: [Question; 4] = [
    ("live", LIVEZ_PATH, "alive", "does it turn over? If not, it should be killed and started again"),
    ("ready", READYZ_PATH, "ready", "can it do its work? If not, it should get none"),
    ("startup", STARTUP_PATH, "started", "has it started? Once yes, always yes"),
    ("checks", HEALTHZ_PATH, "healthy", "how are its health checks? Each is told, with what is wrong"),
];

/// The longest time that can be waited.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Descriptors that a question needs: a socket.
const DESCRIPTORS: usize = 1;
/// How often to ask again.
const ASK_EVERY: Duration = Duration::from_millis(200);

const HELP: &str = "\
As the health check of a container, where yes is to mean that it started and turns over:
  health startup live
To find out why it gets no work:
  health ready checks
In a script that needs it:
  health ready --wait 1m";

fn command() -> Command {
    let questions = QUESTIONS.map(|(name, _, _, about)| PossibleValue::new(name).help(about));
    let question = Arg::new("question")
        .value_name("QUESTION")
        .required(true)
        .num_args(1..=QUESTIONS.len())
        .value_parser(questions)
        .help("What to ask; of several, every answer must be yes");
    let address = Arg::new("address")
        .long("address")
        .value_name("IP:PORT")
        .env("OP_HEALTH_ADDRESS")
        .default_value("127.0.0.1:4444")
        .value_parser(args::trimmed::<SocketAddr>)
        .help("Where its HTTP server listens");
    let timeout = Arg::new("timeout")
        .long("timeout")
        .value_name("TIME")
        .default_value("3s")
        .value_parser(args::duration_between(Duration::from_millis(1)..=LONGEST))
        .help("How long to wait for an answer to each question");
    let wait = Arg::new("wait")
        .long("wait")
        .value_name("TIME")
        .value_parser(args::duration_between(Duration::ZERO..=LONGEST))
        .help("Ask again, for so long at most, until every answer is yes");
    Command::new("health")
        .about("Asks a running instance how it is; exit status 0 for yes, 1 for no")
        .after_help(HELP)
        .args([question, address, timeout, wait])
}

fn run(matches: &ArgMatches) -> ExitCode {
    let (Some(questions), Some(address), Some(timeout)) = (
        matches.get_many::<String>("question"),
        matches.get_one::<SocketAddr>("address"),
        matches.get_one::<Duration>("timeout"),
    ) else {
        // Clap has refused what lacks one.
        return ExitStatus::Usage.into();
    };
    if let Err(problem) = check_descriptors(DESCRIPTORS) {
        let _ = write_output(|out| writeln!(out, "nothing can be asked: {problem}"));
        return ExitCode::FAILURE;
    }
    let asked: Vec<_> =
        questions.filter_map(|name| QUESTIONS.into_iter().find(|question| question.0 == name)).collect();
    let deadline = matches.get_one::<Duration>("wait").and_then(|wait| Instant::now().checked_add(*wait));
    let (all_yes, lines) = loop {
        let (all_yes, lines) = ask(&asked, *address, *timeout);
        if all_yes || deadline.is_none_or(|deadline| Instant::now() + ASK_EVERY >= deadline) {
            break (all_yes, lines);
        }
        std::thread::sleep(ASK_EVERY);
    };
    let written = write_output(|out| lines.iter().try_for_each(|line| writeln!(out, "{}", one_line(line))));
    if all_yes { written } else { ExitCode::FAILURE }
}

/// Whether every answer is yes, and the answers in words.
fn ask(questions: &[Question], address: SocketAddr, timeout: Duration) -> (bool, Vec<String>) {
    let (mut all_yes, mut lines) = (true, Vec::new());
    for (_, path, yes, _) in questions {
        match client::get(address, path, timeout) {
            Ok((status, document)) => {
                all_yes &= status == 200;
                lines.extend(told(status == 200, yes, &document));
            }
            Err(problem) => {
                all_yes = false;
                lines.push(format!("{address} does not answer: {problem}"));
            }
        }
    }
    (all_yes, lines)
}

/// The answer in words: the verdict, its reasons, the checks.
fn told(fine: bool, yes: &str, document: &Value) -> Vec<String> {
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
