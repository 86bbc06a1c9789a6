//! The subcommand `health` of every application that links this crate: it asks a running instance for its health.
//!
//! It serves images without a shell or curl, and people. The exit status is 0 if every answer is yes, 1 for a no or a
//! missing answer, and 2 for a usage error. Standard output has one line for each reason.

mod client;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::{Duration, Instant},
};

use app_core::{
    ExitStatus, Subcommand, args,
    clap::{Arg, ArgMatches, Command, builder::PossibleValue},
    limits::check_descriptors,
    write_output,
};
use app_metrics::DEFAULT_METRICS_HTTP_PORT;
use serde_json::Value;

use crate::{HEALTHZ_PATH, LIVEZ_PATH, READYZ_PATH, STARTUP_PATH, one_line::one_line};

app_core::subcommand! { Subcommand::new(command, run) }

/// A question: its name, its path, the word for yes, and its help text.
type Question = (&'static str, &'static str, &'static str, &'static str);

const QUESTIONS: [Question; 4] = [
    ("live", LIVEZ_PATH, "alive", "is it alive? If not, restart it"),
    ("ready", READYZ_PATH, "ready", "can it do its work? If not, send it none"),
    ("startup", STARTUP_PATH, "started", "has it started? Stays yes once it has"),
    ("checks", HEALTHZ_PATH, "healthy", "how are its health checks? Prints each check and what is wrong"),
];

/// Upper bound of the options with a time.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// File descriptors that a question needs: one socket.
const DESCRIPTORS: usize = 1;
/// Time between two attempts.
const ASK_EVERY: Duration = Duration::from_millis(200);

const HELP: &str = "\
As the health check of a container: yes once it has started, while it is alive:
  health startup live
To see why it gets no work:
  health ready checks
In a script that depends on it:
  health ready --wait 1m";

fn command() -> Command {
    let questions = QUESTIONS.map(|(name, _, _, about)| PossibleValue::new(name).help(about));
    let question = Arg::new("question")
        .value_name("QUESTION")
        .required(true)
        .num_args(1..=QUESTIONS.len())
        .value_parser(questions)
        .help("What to ask; with several questions, every answer must be yes");
    let address = Arg::new("address")
        .long("address")
        .value_name("IP:PORT")
        .env("OP_HEALTH_ADDRESS")
        .value_parser(args::address)
        .help("Address of its HTTP server [default: that of OP_METRICS_ADDRESS, or 127.0.0.1:4444]");
    let timeout = Arg::new("timeout")
        .long("timeout")
        .value_name("TIME")
        .default_value("3s")
        .value_parser(args::duration_between(Duration::from_millis(1)..=LONGEST))
        .help("How long to wait for each answer");
    let wait = Arg::new("wait")
        .long("wait")
        .value_name("TIME")
        .value_parser(args::duration_between(Duration::ZERO..=LONGEST))
        .help("Ask again until every answer is yes, for at most this time");
    Command::new("health")
        .about("Asks a running instance for its health; exit status 0 for yes, 1 for no")
        .after_help(HELP)
        .args([question, address, timeout, wait])
}

/// Where the application of this environment listens. One that listens everywhere answers on loopback.
fn default_address() -> Result<SocketAddr, String> {
    let given = std::env::var("OP_METRICS_ADDRESS").unwrap_or_default();
    let mut address = match given.trim() {
        "" => SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_METRICS_HTTP_PORT)),
        given => args::address(given).map_err(|why| format!("OP_METRICS_ADDRESS is {given:?}: {why}"))?,
    };
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Ok(address)
}

fn run(matches: &ArgMatches) -> ExitCode {
    let given = matches.get_one::<SocketAddr>("address").copied();
    let address = match given.map_or_else(default_address, Ok) {
        Ok(address) => address,
        Err(problem) => {
            let _ = write_output(|out| writeln!(out, "cannot ask: {problem}"));
            return ExitStatus::Usage.into();
        }
    };
    let (Some(questions), Some(timeout)) =
        (matches.get_many::<String>("question"), matches.get_one::<Duration>("timeout"))
    else {
        // Clap refuses a command line without them.
        return ExitStatus::Usage.into();
    };
    if let Err(problem) = check_descriptors(DESCRIPTORS) {
        let _ = write_output(|out| writeln!(out, "cannot ask: {problem}"));
        return ExitCode::FAILURE;
    }
    let asked: Vec<_> =
        questions.filter_map(|name| QUESTIONS.into_iter().find(|question| question.0 == name)).collect();
    let deadline = matches.get_one::<Duration>("wait").and_then(|wait| Instant::now().checked_add(*wait));
    let (all_yes, lines) = loop {
        let (all_yes, lines) = ask(&asked, address, *timeout);
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
                lines.extend(in_words(status == 200, yes, &document));
            }
            Err(problem) => {
                all_yes = false;
                lines.push(format!("{address} does not answer: {problem}"));
            }
        }
    }
    (all_yes, lines)
}

/// An answer in words: the verdict, its reasons, the checks.
fn in_words(fine: bool, yes: &str, document: &Value) -> Vec<String> {
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
