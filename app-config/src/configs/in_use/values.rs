//! The values of one config: the last good one, its followers, and the state of its file.

use std::any::Any;
use std::sync::Arc;

use app_core::prelude::ServiceId;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::stamp::{Look, Watched};
use crate::configs::dir::ConfigDir;
use crate::configs::load::{LoadError, load};
use crate::file::Located;
use crate::problems::Remark;
use crate::value::{Config, Configured, Fields, Loaded};

/// The result of reading a file again.
pub(in crate::configs) type RereadResult = Result<Reread, Located<LoadError>>;

/// The values of a config of type `C`. They live as long as the application, through every restart of the service.
///
/// Invariant: a reader of the file takes the lock before it looks at the file, and sends the value before it releases the lock.
/// So no value is replaced by an older one.
pub(crate) struct Values<C> {
    state: Mutex<FileState<C>>,
    /// The last good value. Followers have it. Without followers it waits for the next start.
    good: watch::Sender<Loaded<C>>,
    /// The value that the service runs on. This lock is never held while a file is read.
    in_effect: Mutex<Loaded<C>>,
}

struct FileState<C> {
    watched: Watched,
    /// The value that the last start got.
    given: Loaded<C>,
    /// The value of the last successful start.
    started: Option<Loaded<C>>,
    /// The content that the service failed to start with, and why.
    not_started: Option<(Option<[u8; 32]>, String)>,
}

/// What reading a file again found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reread {
    /// The content of the last good value.
    Same,
    /// A new value, which the followers got.
    Taken,
    /// A new value, which takes effect at the next start.
    Waits,
}

/// How the previous start went.
#[derive(Debug)]
pub(crate) enum StartBefore {
    /// The service ran.
    Ran,
    /// The service did not run, or this is not known.
    Unknown,
    /// The start failed, and the kernel tries again with another value.
    Failed(String),
}

/// [`Values`] of any type.
pub(crate) trait Channel: Any + Send + Sync {
    fn service(&self) -> ServiceId;

    /// Whether the config has followers.
    fn followed(&self) -> bool;

    /// Whether the service runs on a value from a file.
    fn is_from_file(&self) -> bool;

    /// What operators may see of the value that the service runs on, and whether its file is sealed.
    fn in_effect(&self) -> (Fields, bool);

    /// Whether another value takes effect at the next start.
    fn waiting(&self) -> bool;

    /// The remarks on the last good value.
    fn remarks(&self) -> Arc<[Remark]>;

    /// Reads the file if it has changed, or if `asked`. Blocks.
    fn reread(&self, dir: &ConfigDir, asked: bool) -> Option<RereadResult>;
}

impl<C: Config> Values<C> {
    /// Reads the file for the first time. Blocks.
    pub(crate) fn read(dir: &ConfigDir) -> Result<Arc<Self>, Located<LoadError>> {
        // The stamp is taken before the file is read, so that a change in between is seen.
        let watched = Watched::new(dir.file(C::SERVICE));
        let first = load::<C>(dir)?;
        let state = FileState { watched, given: first.clone(), started: None, not_started: None };
        let (state, in_effect) = (Mutex::new(state), Mutex::new(first.clone()));
        Ok(Arc::new(Self { state, good: watch::Sender::new(first), in_effect }))
    }

    /// The last good value.
    pub(crate) fn last(&self) -> Configured<C> {
        self.good.borrow().config.clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Loaded<C>> {
        self.good.subscribe()
    }

    /// Reads the file, and puts the last good value in effect. Blocks.
    pub(crate) fn take(&self, dir: &ConfigDir) -> RereadResult {
        let result = self.read_now(&mut self.state.lock(), dir, true);
        let good = self.good.borrow().clone();
        self.put_in_effect(good);
        result
    }

    /// As [`take`](Self::take), for a start of the service. Also tells whether there is another value to start with.
    ///
    /// After a failed start the other value is taken, and the file is not read.
    pub(crate) fn take_for_start(&self, dir: &ConfigDir, before: &StartBefore) -> (RereadResult, bool) {
        let mut state = self.state.lock();
        if matches!(before, StartBefore::Ran) {
            state.started = Some(state.given.clone());
        }
        let other = state.started.clone().filter(|started| started.digest != state.given.digest);
        let result = match (before, other) {
            (StartBefore::Failed(why), Some(other)) => {
                // The error of a service may repeat a value of its config.
                let why = if state.given.config.is_sealed() { "the log says why" } else { why };
                state.not_started = Some((state.given.digest, why.to_owned()));
                self.good.send_replace(other);
                Err(not_started(&state.watched, why))
            }
            _ => self.read_now(&mut state, dir, true),
        };
        let value = self.good.borrow().clone();
        let has_other = state.started.as_ref().is_some_and(|started| started.digest != value.digest);
        self.put_in_effect(value.clone());
        state.given = value;
        (result, has_other)
    }

    /// Reads the file. Only a start tries a content again that the service failed to start with.
    fn read_now(&self, state: &mut FileState<C>, dir: &ConfigDir, starts: bool) -> RereadResult {
        if starts {
            state.watched.read_now();
        }
        let value = load::<C>(dir)?;
        let in_effect = self.in_effect.lock().clone();
        if value.digest.is_none() && in_effect.digest.is_some() {
            // A value that never took effect is withdrawn.
            self.offer(in_effect);
            return Err(Located::in_file(state.watched.file(), LoadError::Removed));
        }
        if let Some((content, why)) = &state.not_started
            && !starts
            && *content == value.digest
        {
            return Err(not_started(&state.watched, why));
        }
        state.not_started = None;
        Ok(self.offer(value))
    }

    fn put_in_effect(&self, value: Loaded<C>) {
        self.in_effect.lock().replace_by(value);
    }

    /// Makes a good value the last good one.
    fn offer(&self, value: Loaded<C>) -> Reread {
        if value.digest == self.good.borrow().digest {
            return Reread::Same;
        }
        let mut in_effect = self.in_effect.lock();
        let outcome = match () {
            () if self.followed() => Reread::Taken,
            () if value.digest == in_effect.digest => Reread::Same,
            () => Reread::Waits,
        };
        if outcome == Reread::Taken {
            in_effect.replace_by(value.clone());
        }
        self.good.send_replace(value);
        outcome
    }
}

impl<C: Config> Channel for Values<C> {
    fn service(&self) -> ServiceId {
        C::SERVICE
    }

    fn followed(&self) -> bool {
        self.good.receiver_count() > 0
    }

    fn is_from_file(&self) -> bool {
        self.in_effect.lock().config.from_file()
    }

    fn in_effect(&self) -> (Fields, bool) {
        let in_effect = self.in_effect.lock();
        (in_effect.fields.clone(), in_effect.config.is_sealed())
    }

    fn waiting(&self) -> bool {
        let in_effect = self.in_effect.lock().digest;
        self.good.borrow().digest != in_effect
    }

    fn remarks(&self) -> Arc<[Remark]> {
        Arc::clone(&self.good.borrow().remarks)
    }

    fn reread(&self, dir: &ConfigDir, asked: bool) -> Option<RereadResult> {
        let mut state = self.state.lock();
        if asked {
            state.watched.read_now();
        } else if state.watched.look() != Look::Changed {
            return None;
        }
        Some(self.read_now(&mut state, dir, false))
    }
}

fn not_started(watched: &Watched, why: &str) -> Located<LoadError> {
    Located::in_file(watched.file(), LoadError::NotStarted { why: why.to_owned() })
}
