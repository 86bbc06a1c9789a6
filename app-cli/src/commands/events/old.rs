//! The events of an app that keeps no journal: those from now on, without numbers.

use std::process::ExitCode;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::printer::Printer;
use super::stream::{Batch, StreamEnd, read};
use crate::connect::{Effect, Session};
use crate::failure::{Failure, Outcome, Status};
use crate::feed::{FOR_EVER, FeedPrinter as _, reconnect};
use crate::operation::Operation;
use crate::output::Note;

/// Why reading from one connection ended.
enum Ended {
    /// All requested events were printed, or the reader of the output has gone.
    Done,
    /// The app stops.
    Stopped,
    /// The connection was lost.
    Lost(Failure),
}

/// Shows the events from now on, for this time.
pub(super) async fn watch(operation: &Operation<'_>, printer: &mut Printer, time: Duration) -> Outcome {
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
        Batch::Events { events, missed } => printer.events(&events, missed, false),
    }
}
