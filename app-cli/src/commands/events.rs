//! `appctl events`: the events of an app, as they happen.

mod interrupt;
mod printer;
mod stream;

use std::process::ExitCode;
use std::time::Duration;

use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use app_core::{Subcommand, args};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use self::printer::{Note, Printer};
use self::stream::{Batch, StreamEnd, read};
use crate::connect::{Effect, Session};
use crate::failure::{Failure, Outcome, Status};
use crate::operation::{self, Operation};
use crate::target::positive_time;

/// First and longest pause between attempts to reconnect.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Practically without end, and short enough for clock arithmetic.
const FOR_EVER: Duration = Duration::from_secs(86_400 * 365);

const HELP: &str = "\
Without --follow, the command shows the events within --for. With --follow, it continues until Ctrl-C (exit status 0) or
until the app stops (exit status 0). If the connection is lost, it reconnects and says so.

Examples:
  appctl events --follow
  appctl events --follow --json | jq -r 'select(.type == \"event\") | .message'
  appctl events --for 1m --count 10";

app_core::subcommand! { Subcommand::new(command, run) }

fn command() -> Command {
    let follow = Arg::new("follow").long("follow").short('f').action(ArgAction::SetTrue);
    let time = Arg::new("for").long("for").value_name("TIME").value_parser(positive_time);
    let count =
        Arg::new("count").long("count").short('n').value_name("N").value_parser(args::number(1..=u64::MAX));
    let again = Arg::new("reconnect").long("reconnect").value_name("TIME").value_parser(positive_time);
    operation::command("events", "Shows the events of a running app: its services, its health checks", HELP)
        .arg(follow.help("Continue until interrupted, or until the app stops"))
        .arg(time.default_value("10s").conflicts_with("follow").help("Time to watch"))
        .arg(count.help("End after this number of events"))
        .arg(again.default_value("1m").help("Longest time to try to reconnect, with --follow"))
}

fn run(matches: &ArgMatches) -> ExitCode {
    operation::run(matches, async |operation| {
        let mut interrupted = interrupt::interrupted()?;
        let until = if matches.get_flag("follow") {
            FOR_EVER
        } else {
            matches.get_one::<Duration>("for").copied().unwrap_or(FOR_EVER)
        };
        let count = matches.get_one::<u64>("count").copied().unwrap_or(u64::MAX);
        let mut printer = Printer::new(operation.output, count);
        tokio::select! {
            biased;
            // An interrupt is a normal end.
            _ = interrupted.recv() => Ok(ExitCode::SUCCESS),
            outcome = watch(operation, &mut printer, until) => outcome,
        }
    })
}

/// Why reading from one connection ended.
enum Ended {
    /// All requested events were printed, or the reader of the output has gone.
    Done,
    /// The app stops.
    Stopped,
    /// The connection was lost.
    Lost(Failure),
}

async fn watch(operation: &Operation<'_>, printer: &mut Printer, time: Duration) -> Outcome {
    let follow = operation.matches.get_flag("follow");
    let mut session = operation.connect().await?;
    let until = Instant::now() + time;
    let mut instance = None;
    loop {
        let answered_by = Instant::now() + operation.time;
        let ended = watch_one(&session, printer, (answered_by, until), &mut instance).await;
        session.close().await;
        match ended? {
            Ended::Done => return Ok(ExitCode::SUCCESS),
            Ended::Stopped => {
                printer.note(Note::Stopped)?;
                return Ok(ExitCode::SUCCESS);
            }
            Ended::Lost(failure) if !follow => return Err(failure),
            Ended::Lost(failure) => {
                printer.note(Note::Disconnected { reason: failure.message })?;
                session = reconnect(operation).await?;
            }
        }
    }
}

async fn watch_one(
    session: &Session,
    printer: &mut Printer,
    (answered_by, until): (Instant, Instant),
    instance: &mut Option<String>,
) -> Result<Ended, Failure> {
    let (batches, mut arriving) = mpsc::channel(4);
    let end = Instant::now() + FOR_EVER;
    let reading = session.call_by(end, Effect::Reads, move |app| read(app, batches.clone()));
    tokio::pin!(reading);
    let mut answered = false;
    let ended = loop {
        tokio::select! {
            biased;
            () = sleep_until(until) => return Ok(Ended::Done),
            () = sleep_until(answered_by), if !answered => break Ok(StreamEnd::Lost("no answer".to_owned())),
            Some(batch) = arriving.recv() => {
                answered = true;
                if take(batch, session, printer, instance)? {
                    return Ok(Ended::Done);
                }
            }
            ended = &mut reading => break ended,
        }
    };
    while let Ok(batch) = arriving.try_recv() {
        if take(batch, session, printer, instance)? {
            return Ok(Ended::Done);
        }
    }
    match ended {
        // Checked first: the server may stop before it answers again.
        _ if printer.app_stops() => Ok(Ended::Stopped),
        Ok(StreamEnd::Over) => Ok(lost(session, "the RPC server of the app stopped without an event")),
        Ok(StreamEnd::Lost(why)) => Ok(lost(session, &why)),
        Err(failure) if failure.status == Status::NotReached => Ok(Ended::Lost(failure)),
        Err(failure) => Err(failure),
    }
}

fn lost(session: &Session, why: &str) -> Ended {
    Ended::Lost(Failure::new(Status::NotReached, format!("{}: {why}", session.address)))
}

/// Prints a batch. Returns whether the command is done.
fn take(
    batch: Batch,
    session: &Session,
    printer: &mut Printer,
    instance: &mut Option<String>,
) -> Result<bool, Failure> {
    match batch {
        Batch::Connected(identity) => {
            let address = session.address.to_string();
            match instance.replace(identity.instance.clone()) {
                None => printer.note(Note::Connected { address, instance: identity.instance }),
                Some(before) => {
                    let same = before == identity.instance;
                    printer.note(Note::Reconnected { address, instance: identity.instance, same })
                }
            }
        }
        Batch::Events { events, missed } => printer.events(events, missed),
    }
}

/// Reconnects, with growing pauses.
async fn reconnect(operation: &Operation<'_>) -> Result<Session, Failure> {
    let limit = operation.matches.get_one::<Duration>("reconnect").copied().unwrap_or(FOR_EVER);
    let deadline = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    loop {
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let failure = match timeout_at(deadline, operation.connect()).await {
            Ok(Ok(session)) => return Ok(session),
            Ok(Err(failure)) => failure,
            Err(_) => Failure::new(Status::NotReached, "no connection in time"),
        };
        if Instant::now() + pause >= deadline {
            return Err(failure);
        }
    }
}
