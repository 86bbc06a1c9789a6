//! Reads the pages of an operation, on the thread of the client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use schema::admin_capnp::app;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::{Feed, Follow, last_read};
use crate::answers::{Identity, TOO_MUCH};
use crate::remote::{self, Called};

/// Time that the app waits for something new before it answers with an empty page.
const WAIT: Duration = Duration::from_secs(10);
/// Additional time for the answer.
const GRACE: Duration = Duration::from_secs(10);
/// Pause after an empty answer that came at once. Without it, the command would call a faulty app in a tight loop.
const PAUSE: Duration = Duration::from_millis(50);
/// How many items a page has.
const LIMIT: usize = 500;

/// What a feed brings.
#[derive(Debug)]
pub(crate) enum FeedPage {
    /// The identity of the app. It comes first.
    Connected(Identity),
    Items {
        items: Vec<Value>,
        /// How many items before these are no longer there.
        missed: u64,
        /// Whether these are the first items that the command shows of this process.
        first: bool,
    },
}

/// The end of the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PageEnd {
    /// All that is there was read, or the receiver has gone.
    Over,
    /// The app has no such operation.
    Unknown,
    /// The app does not answer, did not accept another call, or answers nonsense.
    Lost(String),
}

#[derive(Debug, Deserialize)]
struct PageAnswer {
    items: Vec<Value>,
    next: u64,
    #[serde(default)]
    missed: u64,
}

/// Reads until the end. `before` is the process that `after` belongs to.
///
/// A refused call is an end and not an error, because the client would silently retry after an error.
pub(super) async fn read(
    app: app::Client,
    feed: Feed,
    follow: Follow,
    (before, after): (Option<String>, Arc<AtomicU64>),
    pages: mpsc::Sender<FeedPage>,
) -> capnp::Result<PageEnd> {
    let ended = read_all(app, feed, follow, (before, after), pages).await;
    ended.or_else(|error| match error.kind {
        capnp::ErrorKind::Disconnected | capnp::ErrorKind::Overloaded => {
            let why = error.extra.rsplit("] ").next().unwrap_or(&error.extra);
            Ok(PageEnd::Lost(why.trim_start_matches("remote exception: ").to_owned()))
        }
        _ => Err(error),
    })
}

/// What the operation of the feed is asked for the next page.
fn arguments(feed: &Feed, known: u64, wait: Duration) -> Value {
    let mut arguments = feed.arguments.clone();
    arguments.insert("after".to_owned(), known.into());
    arguments.insert("limit".to_owned(), LIMIT.into());
    arguments.insert("wait_millis".to_owned(), u64::try_from(wait.as_millis()).unwrap_or(0).into());
    Value::Object(arguments)
}

async fn read_all(
    app: app::Client,
    feed: Feed,
    follow: Follow,
    (before, after): (Option<String>, Arc<AtomicU64>),
    pages: mpsc::Sender<FeedPage>,
) -> capnp::Result<PageEnd> {
    let identity = app.identity_request().send().promise.await?;
    let identity = Identity::of(identity.get()?.get_identity()?)?;
    let is_same = before.as_ref() == Some(&identity.instance);
    if !is_same {
        // The numbers of another process begin anew.
        after.store(0, Ordering::Relaxed);
    }
    // Without what is there already: the pages are read, and not shown.
    let mut skips = feed.only_new && before.is_none();
    let mut first = !is_same;
    // Sent once the app has answered: an app that is too old is asked in another way.
    let mut connected = Some(FeedPage::Connected(identity));
    loop {
        let waits = follow != Follow::No && !skips && connected.is_none();
        let wait = if waits { WAIT } else { Duration::ZERO };
        let known = last_read(&after);
        let began = Instant::now();
        let arguments = arguments(&feed, known, wait);
        let asked = remote::call(&app, 0, feed.operation, &arguments, wait + GRACE);
        let Ok(answer) = timeout(wait + GRACE, asked).await else {
            return Ok(PageEnd::Lost("no answer".to_owned()));
        };
        let answer = match answer? {
            Called::Answer(text) => serde_json::from_str::<PageAnswer>(&text),
            Called::Unknown => return Ok(PageEnd::Unknown),
        };
        let Ok(PageAnswer { items, next, missed }) = answer else {
            return Ok(PageEnd::Lost("the app answers with something that is no page".to_owned()));
        };
        if next < known || (next == known && !items.is_empty()) || items.len() > LIMIT {
            return Ok(PageEnd::Lost(format!(
                "{TOO_MUCH} or repeats itself: a page after {known} leads to {next}"
            )));
        }
        if let Some(connected) = connected.take()
            && pages.send(connected).await.is_err()
        {
            return Ok(PageEnd::Over);
        }
        after.store(next, Ordering::Relaxed);
        let empty = items.is_empty() && missed == 0;
        if empty && skips {
            (skips, first) = (false, false);
            continue;
        }
        if empty && follow == Follow::No && next == known {
            return Ok(PageEnd::Over);
        }
        if !empty && !skips {
            // The receiver has gone.
            if pages.send(FeedPage::Items { items, missed, first }).await.is_err() {
                return Ok(PageEnd::Over);
            }
            first = false;
        }
        if empty && waits && began.elapsed() < PAUSE {
            sleep(PAUSE).await;
        }
    }
}
