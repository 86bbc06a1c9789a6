//! The common part of all commands that ask an app: flags, deadline, connection and exit status.

use std::process::ExitCode;
use std::time::Duration;

use app_core::clap::builder::NonEmptyStringValueParser;
use app_core::clap::builder::TypedValueParser as _;
use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use tokio::time::Instant;

use crate::connect::{Session, instances};
use crate::failure::{Failure, Outcome, Status};
use crate::output::{self, Output};
use crate::target::{Target, connection_args};

/// Longest reason in bytes.
const MOST_REASON: usize = 1024;

/// A command that asks an app, with the flags for that and with examples.
pub(crate) fn command(name: &'static str, about: &'static str, examples: &'static str) -> Command {
    Command::new(name).about(about).after_help(examples).args(connection_args())
}

/// The flags of commands that change something: the reason, and whether to change all instances.
pub(crate) fn change_args() -> [Arg; 2] {
    let all = Arg::new("all").long("all").action(ArgAction::SetTrue);
    [reason_arg(), all.help("Change every address, one after another [default: there must be one address]")]
}

fn reason_arg() -> Arg {
    let bounded = NonEmptyStringValueParser::new().try_map(|reason| {
        let long = reason.len() > MOST_REASON;
        if long { Err(format!("has {} bytes, at most {MOST_REASON}", reason.len())) } else { Ok(reason) }
    });
    Arg::new("reason")
        .long("reason")
        .short('r')
        .value_name("TEXT")
        .required(true)
        .value_parser(bounded)
        .help("The reason, for the log of the app")
}

/// The value of `--reason`.
pub(crate) fn reason(matches: &ArgMatches) -> String {
    text(matches, "reason")
}

/// The value of a required argument.
pub(crate) fn text(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).cloned().unwrap_or_default()
}

/// A command that is running: the app that it asks, and its output.
pub(crate) struct Operation<'a> {
    pub(crate) matches: &'a ArgMatches,
    pub(crate) output: Output,
    pub(crate) target: Target,
    /// Longest time for the whole command.
    pub(crate) time: Duration,
}

impl Operation<'_> {
    /// Connects. The deadline is counted from now.
    pub(crate) async fn connect(&self) -> Result<Session, Failure> {
        Session::open(&self.target, Instant::now() + self.time).await
    }
}

/// Runs a command that asks an app once: connects, asks, prints, disconnects.
pub(crate) fn ask(
    matches: &ArgMatches,
    command: impl AsyncFnOnce(&Operation<'_>, &Session) -> Outcome,
) -> ExitCode {
    run(matches, async |operation| {
        let session = operation.connect().await?;
        let outcome = command(operation, &session).await;
        session.close().await;
        outcome
    })
}

/// Runs a command that changes something, on the only instance, or with `--all` on each.
pub(crate) fn change(
    matches: &ArgMatches,
    command: impl AsyncFn(&Operation<'_>, &Session) -> Outcome,
) -> ExitCode {
    run(matches, async |operation| change_in(operation, command).await)
}

/// As [`change`], for a command that is running already.
pub(crate) async fn change_in(
    operation: &Operation<'_>,
    command: impl AsyncFn(&Operation<'_>, &Session) -> Outcome,
) -> Outcome {
    let all = operation.matches.get_flag("all");
    let instances = instances::of(&operation.target, all, Instant::now() + operation.time).await?;
    if !all {
        return change_one(operation, &command).await;
    }
    let mut worst = ExitCode::SUCCESS;
    for instance in instances {
        let target = Target { addresses: vec![instance], ..operation.target.clone() };
        let one = Operation { target, ..*operation };
        let ended = match change_one(&one, &command).await {
            Ok(ended) => ended,
            Err(failure) => output::report(&failure, one.output.json),
        };
        worst = instances::worse(worst, ended);
    }
    Ok(worst)
}

async fn change_one(
    operation: &Operation<'_>,
    command: &impl AsyncFn(&Operation<'_>, &Session) -> Outcome,
) -> Outcome {
    let session = operation.connect().await?;
    let heading = operation.matches.get_flag("all").then_some(session.address);
    let output = Output { instance: heading, ..operation.output };
    let one = Operation { target: operation.target.clone(), output, ..*operation };
    let outcome = command(&one, &session).await;
    session.close().await;
    outcome
}

/// File descriptors that a command needs: two runtimes, signals, a connection and files.
const DESCRIPTORS: usize = 14;

/// Runs a command, and reports its failure.
pub(crate) fn run(matches: &ArgMatches, command: impl AsyncFnOnce(&Operation<'_>) -> Outcome) -> ExitCode {
    run_bare(matches, async |output, time| {
        let operation = Operation { matches, output, target: Target::of(matches)?, time };
        command(&operation).await
    })
}

/// Runs a command that finds its apps itself, and reports its failure. The time is the longest for each app.
pub(crate) fn run_bare(
    matches: &ArgMatches,
    command: impl AsyncFnOnce(Output, Duration) -> Outcome,
) -> ExitCode {
    let output = Output::of(matches);
    let outcome = time_of(matches).and_then(|time| {
        app_core::limits::check_descriptors(DESCRIPTORS)
            .map_err(|error| Failure::failed(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
        let outcome = runtime.block_on(command(output, time));
        // Do not wait for a name lookup that is still running.
        runtime.shutdown_background();
        outcome
    });
    outcome.unwrap_or_else(|failure| output::report(&failure, output.json))
}

fn time_of(matches: &ArgMatches) -> Result<Duration, Failure> {
    let time = matches.get_one::<Duration>("timeout").copied();
    time.ok_or_else(|| Failure::new(Status::Usage, "--timeout: a time is required"))
}
