//! The values of one config: the last good one, who follows it, and what its file holds now.

use std::any::Any;
use std::sync::Arc;

use app_core::prelude::ServiceId;
use capnp::message::{Reader, ReaderSegments};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::stamp::{Look, Watched};
use crate::codec::Segments;
use crate::config::{self, Accepted, Config};
use crate::configured::Configured;
use crate::dir::{ConfigDir, Content};
use crate::fault::{Fault, Reason};
use crate::limits::reader_options;
use crate::problems::{Problems, Remark};

/// A value, and what tells whether another one is of the same content.
pub(crate) struct Loaded<C> {
    pub(crate) config: Configured<C>,
    /// Of the message, so that a file that was only sealed anew is no change; `None` without a file.
    digest: Option<[u8; 32]>,
    /// What is to be told of it.
    remarks: Arc<[Remark]>,
}

impl<C> Clone for Loaded<C> {
    fn clone(&self) -> Self {
        Self { config: self.config.clone(), remarks: Arc::clone(&self.remarks), ..*self }
    }
}

/// The values of a config of type `C`. They live as long as the app, over every restart of the service.
///
/// Invariant: a reader of the file holds the lock from before looking at it until after sending what was read. So a
/// value never comes after a newer one.
pub(crate) struct Values<C> {
    state: Mutex<State<C>>,
    /// The last good one. Followers have it; without followers it waits for the next start.
    good: watch::Sender<Loaded<C>>,
    /// The value that the service runs on. Its lock is never held while a file is read.
    in_effect: Mutex<Loaded<C>>,
}

struct State<C> {
    watched: Watched,
    /// The value that the last start was given.
    given: Loaded<C>,
    /// The value that the service last started well with.
    started: Option<Loaded<C>>,
    /// The content that the service did not start with, and why.
    not_started: Option<(Option<[u8; 32]>, String)>,
}

/// What came of reading a file again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reread {
    /// The content is that of the last good value.
    Same,
    /// The followers have a new value.
    Taken,
    /// There is a new value, and nobody takes it before the next start.
    Waits,
}

/// How the previous start went.
#[derive(Debug)]
pub(crate) enum StartBefore {
    /// The service ran.
    Ran,
    /// The service did not run, or nothing is known of it.
    Unknown,
    /// The start failed, and is tried again with another value.
    Failed(String),
}

/// [`Values`] of whatever type.
pub(crate) trait Channel: Any + Send + Sync {
    fn service(&self) -> ServiceId;

    /// Whether somebody takes new values.
    fn followed(&self) -> bool;

    /// Whether the service runs on a value from a file.
    fn is_from_file(&self) -> bool;

    /// Whether another value takes effect at the next start.
    fn waiting(&self) -> bool;

    /// What is to be told of the last good value.
    fn remarks(&self) -> Arc<[Remark]>;

    /// Reads the file if it has changed, or if that is asked for. Blocks.
    fn reread(&self, dir: &ConfigDir, asked: bool) -> Option<Result<Reread, Fault>>;
}

impl<C: Config> Values<C> {
    /// Reads the file for the first time. Blocks.
    pub(crate) fn read(dir: &ConfigDir) -> Result<Arc<Self>, Fault> {
        // Before it is read: a change in between is one.
        let watched = Watched::new(dir.file(C::SERVICE));
        let first = read::<C>(dir)?;
        let state = State { watched, given: first.clone(), started: None, not_started: None };
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

    /// Looks at the file; the last good value is in effect from now on. Blocks.
    pub(crate) fn take(&self, dir: &ConfigDir) -> Result<Reread, Fault> {
        let result = self.read_now(&mut self.state.lock(), dir, true);
        *self.in_effect.lock() = self.good.borrow().clone();
        result
    }

    /// As [`take`](Self::take), for a start of the service. With it, whether there is another value to start with.
    ///
    /// After a start that failed, the value is that other one, and the file is not looked at.
    pub(crate) fn take_for_start(
        &self,
        dir: &ConfigDir,
        before: &StartBefore,
    ) -> (Result<Reread, Fault>, bool) {
        let mut state = self.state.lock();
        if matches!(before, StartBefore::Ran) {
            state.started = Some(state.given.clone());
        }
        let other = state.started.clone().filter(|started| started.digest != state.given.digest);
        let result = match (before, other) {
            (StartBefore::Failed(why), Some(other)) => {
                // What a service says of its config may repeat a value of it.
                let why = if state.given.config.is_sealed() { "the log says why" } else { why };
                state.not_started = Some((state.given.digest, why.to_owned()));
                self.good.send_replace(other);
                Err(not_started(&state.watched, why))
            }
            _ => self.read_now(&mut state, dir, true),
        };
        let value = self.good.borrow().clone();
        let has_other = state.started.as_ref().is_some_and(|started| started.digest != value.digest);
        *self.in_effect.lock() = value.clone();
        state.given = value;
        (result, has_other)
    }

    /// Reads the file. A start tries a content again that the service did not start with.
    fn read_now(&self, state: &mut State<C>, dir: &ConfigDir, starts: bool) -> Result<Reread, Fault> {
        if starts {
            state.watched.read_now();
        }
        let value = read::<C>(dir)?;
        let in_effect = self.in_effect.lock().clone();
        if value.digest.is_none() && in_effect.digest.is_some() {
            // A value that never took effect is withdrawn.
            self.offer(in_effect);
            return Err(Fault::new(state.watched.file(), Reason::Removed));
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
            *in_effect = value.clone();
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

    fn waiting(&self) -> bool {
        let in_effect = self.in_effect.lock().digest;
        self.good.borrow().digest != in_effect
    }

    fn remarks(&self) -> Arc<[Remark]> {
        Arc::clone(&self.good.borrow().remarks)
    }

    fn reread(&self, dir: &ConfigDir, asked: bool) -> Option<Result<Reread, Fault>> {
        let mut state = self.state.lock();
        if asked {
            state.watched.read_now();
        } else if state.watched.look() != Look::Changed {
            return None;
        }
        Some(self.read_now(&mut state, dir, false))
    }
}

fn not_started(watched: &Watched, why: &str) -> Fault {
    Fault::new(watched.file(), Reason::NotStarted { why: why.to_owned() })
}

pub(crate) fn read<C: Config>(dir: &ConfigDir) -> Result<Loaded<C>, Fault> {
    let Some(Content { message, sealed }) = dir.load_content(C::SERVICE)? else {
        return Ok(Loaded {
            config: Configured::new(<C as Config>::default(), false),
            digest: None,
            remarks: Arc::default(),
        });
    };
    let segments = message.into_segments();
    let digest = Some(digest(&segments));
    let problems = Problems::of_source(sealed);
    match config::judge(Reader::new(segments, reader_options()), dir.application(), problems) {
        Ok(Accepted { config, remarks }) => {
            Ok(Loaded { config: Configured::of_file(config, sealed), digest, remarks: remarks.into() })
        }
        Err(problems) => Err(Fault::new(dir.file(C::SERVICE), Reason::Problems(problems.into_vec()))),
    }
}

fn digest(segments: &Segments) -> [u8; 32] {
    let mut digest = Sha256::new();
    for segment in (0..).map_while(|index| segments.get_segment(index)) {
        digest.update((segment.len() as u64).to_le_bytes());
        digest.update(segment);
    }
    digest.finalize().into()
}
