//! Reading the events of an app, on the thread of the client.

use std::time::Duration;

use schema::admin_capnp::app;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::answers::{Event, Identity, elements};

/// How long the app waits for something to happen before it says that nothing did.
const WAIT: Duration = Duration::from_secs(10);
/// How long its answer may take after that.
const GRACE: Duration = Duration::from_secs(10);

/// How long to pause after an answer that came at once and says nothing: such an app would be asked without end.
const PAUSE: Duration = Duration::from_millis(50);

/// What came.
#[derive(Debug)]
pub(super) enum Batch {
    /// The app, before anything of it.
    Connected(Identity),
    Events {
        events: Vec<Event>,
        missed: u64,
    },
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// There will be no more: the app stops, or its RPC server does; or nobody takes them any more.
    Over,
    /// It does not answer, or took no further call.
    Lost(String),
}

/// Reads until the end. Whoever takes what comes may be slower: then the app counts what it has to drop.
///
/// What the app refused to do is an end, not an error: the client would begin anew with it, without a word.
pub(super) async fn read(app: app::Client, batches: mpsc::Sender<Batch>) -> capnp::Result<End> {
    let ended = read_all(app, batches).await;
    ended.or_else(|error| match error.kind {
        capnp::ErrorKind::Disconnected | capnp::ErrorKind::Overloaded => {
            let why = error.extra.rsplit("] ").next().unwrap_or(&error.extra);
            Ok(End::Lost(why.trim_start_matches("remote exception: ").to_owned()))
        }
        _ => Err(error),
    })
}

async fn read_all(app: app::Client, batches: mpsc::Sender<Batch>) -> capnp::Result<End> {
    // Before anything else: from here on nothing is missed.
    let events = app.events_request().send().pipeline.get_events();
    let identity = app.identity_request().send().promise.await?;
    let connected = Batch::Connected(Identity::of(identity.get()?.get_identity()?)?);
    if batches.send(connected).await.is_err() {
        return Ok(End::Over);
    }
    let ask = || {
        let mut request = events.next_request();
        request.get().set_wait_millis(u32::try_from(WAIT.as_millis()).unwrap_or(u32::MAX));
        request.send().promise
    };
    let mut asked = ask();
    loop {
        // One is always waiting there: an app that stops answers what waits, and takes no further call.
        let (next, began) = (ask(), Instant::now());
        let Ok(answer) = timeout(WAIT + GRACE, std::mem::replace(&mut asked, next)).await else {
            return Ok(End::Lost("no answer".to_owned()));
        };
        let answer = answer?;
        let answer = answer.get()?;
        let (list, missed) = (answer.get_events()?, answer.get_missed());
        if !list.is_empty() || missed > 0 {
            let events = elements(list, Event::of)?;
            // Nobody takes them any more: the end as well.
            if batches.send(Batch::Events { events, missed }).await.is_err() {
                return Ok(End::Over);
            }
        }
        if answer.get_end() {
            return Ok(End::Over);
        }
        if list.is_empty() && missed == 0 && began.elapsed() < PAUSE {
            sleep(PAUSE).await;
        }
    }
}
