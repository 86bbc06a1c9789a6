//! Follows an operation of an app that answers with pages: its events, and the records of its log.
//!
//! Each item has a number, and each call names the last number that was printed. So nothing is shown twice, nothing is left out,
//! and what the app no longer has is counted. After a lost connection, the next call goes on where the last one ended.

mod interrupt;
mod read;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use app_core::clap::{Arg, ArgAction, ArgMatches};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use self::interrupt::interrupted;
pub(crate) use self::read::FeedPage;
use self::read::PageEnd;
use crate::answers::Identity;
use crate::connect::{Effect, Session};
use crate::failure::{Failure, Outcome, Status};
use crate::operation::Operation;
use crate::output::Note;
use crate::target::positive_time;

/// First and longest pause between attempts to reconnect.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Practically without end, and short enough for clock arithmetic.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(86_400 * 365);

/// The operation that is followed.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    /// The name of the operation.
    pub(crate) operation: &'static str,
    /// Its arguments, without those of the page.
    pub(crate) arguments: Map<String, Value>,
    /// Whether to leave out what is there already.
    pub(crate) only_new: bool,
}

/// How long to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Only what is there.
    No,
    /// What is there, and what comes within this time.
    For(Duration),
    /// Until the command is interrupted or the app stops.
    Forever,
}

/// Prints what a feed brings.
pub(crate) trait FeedPrinter {
    /// Prints a page. Returns whether the command is done: the requested number is reached, or the reader has gone.
    fn page(&mut self, page: FeedPage) -> Result<bool, Failure>;

    /// Reports a change of the connection. Returns whether the reader has gone.
    fn note(&mut self, note: Note) -> Result<bool, Failure>;

    /// Whether an item said that the app stops.
    fn app_stops(&self) -> bool;
}

/// How following ended.
#[derive(Debug)]
pub(crate) enum FeedEnd {
    Done,
    /// The app is too old: it has no such operation.
    Unknown,
}

/// Why reading from one connection ended.
enum WatchEnd {
    Done,
    Unknown,
    /// The app stops.
    Stopped,
    /// The connection was lost.
    Lost(Failure),
}

/// The flags that say how long to follow.
pub(crate) fn follow_args(what: &'static str) -> [Arg; 4] {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let time = Arg::new("for").long("for").value_name("TIME").value_parser(positive_time);
    let again = Arg::new("reconnect").long("reconnect").value_name("TIME").value_parser(positive_time);
    let only = match what {
        "events" => "Only the events that are there; do not wait for more",
        _ => "Only the records that are there; do not wait for more [default without --follow and --for]",
    };
    [
        flag("follow").short('f').help("Continue until interrupted, or until the app stops"),
        time.conflicts_with("follow").help("Time to watch"),
        flag("no-follow").conflicts_with_all(["follow", "for"]).help(only),
        again.default_value("1m").help("Longest time to try to reconnect, with --follow"),
    ]
}

/// How long the command line asks to follow; `otherwise` if it does not say.
pub(crate) fn follow_of(matches: &ArgMatches, otherwise: Follow) -> Follow {
    match matches.get_one::<Duration>("for") {
        _ if matches.get_flag("follow") => Follow::Forever,
        _ if matches.get_flag("no-follow") => Follow::No,
        Some(time) => Follow::For(*time),
        None => otherwise,
    }
}

/// Runs a command until its end or an interrupt, which is a normal end, too.
pub(crate) async fn until_interrupted(command: impl Future<Output = Outcome>) -> Outcome {
    let mut interrupted = interrupted()?;
    tokio::select! {
        biased;
        _ = interrupted.recv() => Ok(ExitCode::SUCCESS),
        outcome = command => outcome,
    }
}

/// Follows a feed of one app.
pub(crate) async fn watch(
    operation: &Operation<'_>,
    feed: &Feed,
    follow: Follow,
    printer: &mut impl FeedPrinter,
) -> Result<FeedEnd, Failure> {
    let mut session = operation.connect().await?;
    let until = Instant::now() + if let Follow::For(time) = follow { time } else { FOR_EVER };
    let mut watched = Watched { feed, follow, until, after: Arc::default(), instance: None };
    loop {
        let ended = watched.one(&session, operation.time, printer).await;
        session.close().await;
        match ended? {
            WatchEnd::Done => return Ok(FeedEnd::Done),
            WatchEnd::Unknown => return Ok(FeedEnd::Unknown),
            WatchEnd::Stopped => {
                printer.note(Note::Stopped)?;
                return Ok(FeedEnd::Done);
            }
            WatchEnd::Lost(failure) if follow != Follow::Forever => return Err(failure),
            WatchEnd::Lost(failure) => {
                printer.note(Note::Disconnected { reason: failure.message })?;
                session = reconnect(operation).await?;
            }
        }
    }
}

struct Watched<'a> {
    feed: &'a Feed,
    follow: Follow,
    until: Instant,
    /// The last number that was read.
    after: Arc<AtomicU64>,
    /// The process that the numbers belong to.
    instance: Option<String>,
}

impl Watched<'_> {
    async fn one(
        &mut self,
        session: &Session,
        time: Duration,
        printer: &mut impl FeedPrinter,
    ) -> Result<WatchEnd, Failure> {
        let (pages, mut arriving) = mpsc::channel(4);
        let (feed, follow, after) = (self.feed.clone(), self.follow, Arc::clone(&self.after));
        let before = self.instance.clone();
        let reading = session.call_by(Instant::now() + FOR_EVER, Effect::Reads, move |app| {
            read::read(app, feed.clone(), follow, (before.clone(), Arc::clone(&after)), pages.clone())
        });
        tokio::pin!(reading);
        let (until, answered_by) = (self.until, Instant::now() + time);
        let mut answered = false;
        let ended = loop {
            tokio::select! {
                biased;
                () = sleep_until(until) => return Ok(WatchEnd::Done),
                () = sleep_until(answered_by), if !answered => break Ok(PageEnd::Lost("no answer".to_owned())),
                Some(page) = arriving.recv() => {
                    answered = true;
                    if self.take(page, session, printer)? {
                        return Ok(WatchEnd::Done);
                    }
                }
                ended = &mut reading => break ended,
            }
        };
        while let Ok(page) = arriving.try_recv() {
            if self.take(page, session, printer)? {
                return Ok(WatchEnd::Done);
            }
        }
        match ended {
            Ok(PageEnd::Unknown) => Ok(WatchEnd::Unknown),
            Ok(PageEnd::Over) => Ok(WatchEnd::Done),
            // Checked first: the server may stop before it answers again.
            _ if printer.app_stops() => Ok(WatchEnd::Stopped),
            Ok(PageEnd::Lost(why)) => {
                Ok(WatchEnd::Lost(Failure::new(Status::NotReached, format!("{}: {why}", session.address))))
            }
            Err(failure) if failure.status == Status::NotReached => Ok(WatchEnd::Lost(failure)),
            Err(failure) => Err(failure),
        }
    }

    /// Prints what arrived. Returns whether the command is done.
    fn take(
        &mut self,
        page: FeedPage,
        session: &Session,
        printer: &mut impl FeedPrinter,
    ) -> Result<bool, Failure> {
        let FeedPage::Connected(Identity { instance, .. }) = page else { return printer.page(page) };
        let address = session.address.to_string();
        match self.instance.replace(instance.clone()) {
            None => printer.note(Note::Connected { address, instance }),
            Some(before) => printer.note(Note::Reconnected { address, same: before == instance, instance }),
        }
    }
}

/// Reconnects, with growing pauses.
pub(crate) async fn reconnect(operation: &Operation<'_>) -> Result<Session, Failure> {
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

/// The last number that a feed has read.
pub(crate) fn last_read(after: &AtomicU64) -> u64 {
    // Relaxed: the number is all that the threads share.
    after.load(Ordering::Relaxed)
}
