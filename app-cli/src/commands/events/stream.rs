//! Reads the events of an app, on the thread of the client.

use std::time::Duration;

use schema::admin_capnp::app;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::answers::{Event, Identity, elements};

/// Time that the app waits for an event before it answers with none.
const WAIT: Duration = Duration::from_secs(10);
/// Additional time for the answer.
const GRACE: Duration = Duration::from_secs(10);

/// Pause after an empty answer that came at once. Without it, the command would call a faulty app in a tight loop.
const PAUSE: Duration = Duration::from_millis(50);

/// A piece of the stream.
#[derive(Debug)]
pub(super) enum Batch {
    /// The identity of the app. It comes first.
    Connected(Identity),
    Events {
        events: Vec<Event>,
        missed: u64,
    },
}

/// The end of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// No more events follow: the app or its RPC server stops, or the receiver has gone.
    Over,
    /// The app does not answer, or did not accept another call.
    Lost(String),
}

/// Reads until the end. If the receiver is slower than the events, the app counts the events that it drops.
///
/// A refused call is an end and not an error, because the client would silently retry after an error.
pub(super) async fn read(app: app::Client, batches: mpsc::Sender<Batch>) -> capnp::Result<StreamEnd> {
    let ended = read_all(app, batches).await;
    ended.or_else(|error| match error.kind {
        capnp::ErrorKind::Disconnected | capnp::ErrorKind::Overloaded => {
            let why = error.extra.rsplit("] ").next().unwrap_or(&error.extra);
            Ok(StreamEnd::Lost(why.trim_start_matches("remote exception: ").to_owned()))
        }
        _ => Err(error),
    })
}

async fn read_all(app: app::Client, batches: mpsc::Sender<Batch>) -> capnp::Result<StreamEnd> {
    // Subscribes first, so that no later event is missed.
    let events = app.events_request().send().pipeline.get_events();
    let identity = app.identity_request().send().promise.await?;
    let connected = Batch::Connected(Identity::of(identity.get()?.get_identity()?)?);
    if batches.send(connected).await.is_err() {
        return Ok(StreamEnd::Over);
    }
    let ask = || {
        let mut request = events.next_request();
        request.get().set_wait_millis(u32::try_from(WAIT.as_millis()).unwrap_or(u32::MAX));
        request.send().promise
    };
    let mut asked = ask();
    loop {
        // Keeps one call waiting in the app. An app that stops answers waiting calls and accepts no more.
        let (next, began) = (ask(), Instant::now());
        let Ok(answer) = timeout(WAIT + GRACE, std::mem::replace(&mut asked, next)).await else {
            return Ok(StreamEnd::Lost("no answer".to_owned()));
        };
        let answer = answer?;
        let answer = answer.get()?;
        let (list, missed) = (answer.get_events()?, answer.get_missed());
        if !list.is_empty() || missed > 0 {
            let events = elements(list, Event::of)?;
            // The receiver has gone.
            if batches.send(Batch::Events { events, missed }).await.is_err() {
                return Ok(StreamEnd::Over);
            }
        }
        if answer.get_end() {
            return Ok(StreamEnd::Over);
        }
        if list.is_empty() && missed == 0 && began.elapsed() < PAUSE {
            sleep(PAUSE).await;
        }
    }
}
