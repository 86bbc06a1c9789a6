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
use crate::config::{self, Config};
use crate::configured::Configured;
use crate::dir::ConfigDir;
use crate::fault::{Fault, Reason};
use crate::limits::reader_options;

/// A value, and what tells whether another one is of the same content.
pub(crate) struct Loaded<C> {
    pub(crate) config: Configured<C>,
    /// Of the message, so that a file that was only sealed anew is no change; `None` without a file.
    digest: Option<[u8; 32]>,
}

impl<C> Clone for Loaded<C> {
    fn clone(&self) -> Self {
        Self { config: self.config.clone(), digest: self.digest }
    }
}

/// The values of a config of type `C`.
///
/// Invariant: whoever reads the file holds the lock from before he looks at it until after he sent what he read. So a value
/// never comes after a newer one.
pub(crate) struct Values<C> {
    watched: Mutex<Watched>,
    /// The last good one. Who follows it has it; otherwise it waits for the next start.
    good: watch::Sender<Loaded<C>>,
}

/// What came of reading a file again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reread {
    /// The content is that of the last good value.
    Same,
    /// Those who follow it have a new value.
    Taken,
    /// There is a new value, and nobody who takes it before the next start.
    Waits { from_file: bool },
}

/// [`Values`] of whatever type.
pub(crate) trait Channel: Any + Send + Sync {
    fn service(&self) -> ServiceId;

    /// Whether somebody takes new values.
    fn followed(&self) -> bool;

    /// Reads the file if it has changed, or if that is asked for. Blocks.
    fn reread(&self, dir: &ConfigDir, asked: bool) -> Option<Result<Reread, Fault>>;
}

impl<C: Config> Values<C> {
    /// Reads the file for the first time. Blocks.
    pub(crate) fn read(dir: &ConfigDir) -> Result<Arc<Self>, Fault> {
        // Before it is read: a change in between is one.
        let watched = Mutex::new(Watched::new(dir.file(C::SERVICE)));
        let good = watch::Sender::new(read(dir)?);
        Ok(Arc::new(Self { watched, good }))
    }

    pub(crate) fn last(&self) -> Configured<C> {
        self.good.borrow().config.clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Loaded<C>> {
        self.good.subscribe()
    }
}

impl<C: Config> Channel for Values<C> {
    fn service(&self) -> ServiceId {
        C::SERVICE
    }

    fn followed(&self) -> bool {
        self.good.receiver_count() > 0
    }

    fn reread(&self, dir: &ConfigDir, asked: bool) -> Option<Result<Reread, Fault>> {
        let mut watched = self.watched.lock();
        if asked {
            watched.read_now();
        } else if watched.look() != Look::Changed {
            return None;
        }
        let value = match read::<C>(dir) {
            Ok(value) => value,
            Err(fault) => return Some(Err(fault)),
        };
        let (from_file, followed) = (value.config.from_file(), self.followed());
        let (was_from_file, was) = {
            let good = self.good.borrow();
            (good.config.from_file(), good.digest)
        };
        Some(match () {
            () if value.digest == was => Ok(Reread::Same),
            () if followed && was_from_file && !from_file => Err(Fault::new(watched.file(), Reason::Removed)),
            () => {
                self.good.send_replace(value);
                Ok(if followed { Reread::Taken } else { Reread::Waits { from_file } })
            }
        })
    }
}

pub(crate) fn read<C: Config>(dir: &ConfigDir) -> Result<Loaded<C>, Fault> {
    let Some(message) = dir.load(C::SERVICE)? else {
        return Ok(Loaded { config: Configured::new(<C as Config>::default(), false), digest: None });
    };
    let segments = message.into_segments();
    let digest = Some(digest(&segments));
    match config::parse(Reader::new(segments, reader_options())) {
        Ok(config) => Ok(Loaded { config: Configured::new(config, true), digest }),
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
