//! When consumers pause.

use std::collections::VecDeque;
use std::fmt;
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

/// Why a consumer does not take messages. It goes on when nothing is left of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pause {
    /// Half of the last 50 messages became dead letters. That pause ends at this moment.
    pub(super) until: Option<Instant>,
    /// Dead letters can't be stored, for this reason.
    pub(super) not_stored: Option<String>,
    /// An operator paused it: who, and why.
    pub(super) operator: Option<String>,
}

impl Pause {
    pub(super) fn is_over(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it pauses by itself, which means that something is wrong.
    pub(super) fn is_trouble(&self) -> bool {
        self.until.is_some() || self.not_stored.is_some()
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let too_many = self
            .until
            .map(|_| "half of its last 50 messages became dead letters; look at their reasons".to_owned());
        let not_stored =
            self.not_stored.as_ref().map(|why| format!("its dead letters can't be stored: {why}"));
        let all: Vec<_> = [too_many, not_stored, self.operator.clone()].into_iter().flatten().collect();
        f.write_str(&all.join("; "))
    }
}

/// Whether one consumer pauses.
#[derive(Debug)]
pub(super) struct Pauses {
    recent: Mutex<VecDeque<bool>>,
    now: watch::Sender<Pause>,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { recent: Mutex::default(), now: watch::Sender::new(Pause::default()) }
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
        self.now.send_modify(|pause| pause.until = Some(now + PAUSE));
        true
    }

    /// Says that a dead letter can't be stored. Returns whether that is news.
    pub(super) fn not_stored(&self, reason: String) -> bool {
        let mut news = false;
        self.now.send_modify(|pause| news = pause.not_stored.replace(reason).is_none());
        news
    }

    /// Says that dead letters are stored again, or not tried any more.
    pub(super) fn stored(&self) {
        self.now.send_if_modified(|pause| pause.not_stored.take().is_some());
    }

    /// Sets what an operator decided. Returns whether that is news.
    pub(super) fn by_operator(&self, why: Option<String>) -> bool {
        self.now.send_if_modified(|pause| {
            let news = pause.operator != why;
            pause.operator.clone_from(&why);
            news
        })
    }

    pub(super) fn now(&self) -> Pause {
        self.now.borrow().clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Pause> {
        self.now.subscribe()
    }

    /// Ends a pause whose time is over.
    pub(super) fn expire(&self, now: Instant) {
        self.now.send_if_modified(|pause| pause.until.take_if(|until| *until <= now).is_some());
    }
}
