//! When consumers pause, and the list of those that do.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

/// How many messages are looked back at.
const WINDOW: usize = 50;

/// How many dead letters among them are too many: half.
const TOO_MANY: usize = 25;

/// How long a consumer pauses then.
pub(super) const PAUSE: Duration = Duration::from_secs(30);

/// Why a consumer does not take messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pause {
    /// Half of the last 50 messages became dead letters. It goes on at this moment.
    DeadLetters(Instant),
    /// Dead letters can't be stored, for this reason. It goes on when they can.
    NotStored(String),
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeadLetters(_) => {
                f.write_str("half of its last 50 messages became dead letters; look at their reasons")
            }
            Self::NotStored(reason) => write!(f, "its dead letters can't be stored: {reason}"),
        }
    }
}

/// Whether one consumer pauses.
#[derive(Debug)]
pub(super) struct Pauses {
    recent: Mutex<VecDeque<bool>>,
    now: watch::Sender<Option<Pause>>,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { recent: Mutex::default(), now: watch::Sender::new(None) }
    }
}

impl Pauses {
    /// Counts a message that ended, as a dead letter or not. Returns whether the consumer pauses from now on.
    pub(super) fn ended(&self, dead: bool, now: Instant) -> bool {
        let mut recent = self.recent.lock();
        recent.push_back(dead);
        if recent.len() > WINDOW {
            recent.pop_front();
        }
        if recent.iter().filter(|dead| **dead).count() < TOO_MANY {
            return false;
        }
        recent.clear();
        drop(recent);
        self.now.send_replace(Some(Pause::DeadLetters(now + PAUSE)));
        true
    }

    /// Says that dead letters can't be stored. Returns whether that is news.
    pub(super) fn not_stored(&self, reason: String) -> bool {
        let mut news = false;
        self.now.send_if_modified(|pause| {
            news = !matches!(pause, Some(Pause::NotStored(_)));
            *pause = Some(Pause::NotStored(reason));
            news
        });
        news
    }

    /// Says that dead letters are stored again.
    pub(super) fn stored(&self) {
        self.now.send_if_modified(|pause| {
            let over = matches!(pause, Some(Pause::NotStored(_)));
            if over {
                *pause = None;
            }
            over
        });
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<Pause>> {
        self.now.subscribe()
    }

    /// Ends a pause whose time is over.
    pub(super) fn expire(&self, now: Instant) {
        self.now.send_if_modified(|pause| {
            let over = matches!(pause, Some(Pause::DeadLetters(until)) if *until <= now);
            if over {
                *pause = None;
            }
            over
        });
    }
}

/// The consumers that run, by service and name.
#[derive(Debug, Default)]
pub(crate) struct Consumers(Mutex<BTreeMap<String, Arc<Pauses>>>);

impl Consumers {
    /// Enters a consumer. `None` when one with this name runs already.
    pub(super) fn enter(self: &Arc<Self>, name: &str) -> Option<Entered> {
        let mut all = self.0.lock();
        if all.contains_key(name) {
            return None;
        }
        let pauses = Arc::new(Pauses::default());
        all.insert(name.to_owned(), Arc::clone(&pauses));
        Some(Entered { consumers: Arc::clone(self), name: name.to_owned(), pauses })
    }

    /// A note for each consumer that pauses.
    pub(crate) fn notes(&self) -> Vec<String> {
        let all = self.0.lock();
        let note = |(name, pauses): (&String, &Arc<Pauses>)| {
            let pause = pauses.now.borrow();
            pause.as_ref().map(|pause| format!("consumer {name} is paused: {pause}"))
        };
        all.iter().filter_map(note).collect()
    }
}

/// A consumer that runs. Its name is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Entered {
    consumers: Arc<Consumers>,
    name: String,
    pub(super) pauses: Arc<Pauses>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.consumers.0.lock().remove(&self.name);
    }
}
