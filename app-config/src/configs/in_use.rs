//! The configs that services have taken, and how their last reloads ended.

mod stale;
mod stamp;
mod values;

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use app_core::prelude::ServiceId;
use parking_lot::Mutex;

pub use self::stale::{StaleConfig, StaleKind};
pub(super) use self::stamp::{Look, Watched};
pub(super) use self::values::{Channel, Reread, StartBefore, Values};
use super::dir::ConfigDir;
use super::load::LoadError;
use crate::file::{IDENTITIES, Located};
use crate::ids::label;
use crate::sealing::IdentityError;
use crate::value::{Config, FieldInEffect, Fields};

/// The state of a config's file since the config was loaded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReloadStatus {
    /// The service whose config it is.
    pub service: ServiceId,
    /// Whether the service takes new values while it runs.
    pub reloadable: bool,
    /// Whether the value in effect is from a file; otherwise it is the default.
    pub from_file: bool,
    /// How many new values the service took.
    pub reloads: u64,
    /// How many times the file was refused.
    pub refusals: u64,
    /// Why the value in effect is older than the file; `None` while the file is good.
    pub stale: Option<StaleConfig>,
    /// Whether the file has another value that takes effect at the next start.
    pub waiting: bool,
    /// When the service got the value that is in effect.
    pub since: SystemTime,
}

impl ReloadStatus {
    /// What is wrong with the file, in one line for people; `None` while it is good.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        self.stale.as_ref().map(|stale| stale.note(&label(self.service)))
    }

    /// Whether the file is in this state.
    #[must_use]
    pub fn is(&self, kind: StaleKind) -> bool {
        self.stale.as_ref().is_some_and(|stale| stale.kind == kind)
    }
}

/// The config that a service runs on, as operators may see it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConfigInEffect {
    /// The service whose config it is.
    pub service: ServiceId,
    /// Whether it is from a file; otherwise it is the default.
    pub from_file: bool,
    /// Whether the file is sealed.
    pub sealed: bool,
    /// When the service got it.
    pub since: SystemTime,
    /// Whether the file has another value, which takes effect at the next start.
    pub waiting: bool,
    /// What is wrong with the file, in one line for people; `None` while it is good.
    pub problem: Option<String>,
    /// The fields, without any secret. Empty if the service does nothing without a file, and there is none.
    pub fields: Arc<[FieldInEffect]>,
    /// How many more fields there are.
    pub left_out: usize,
}

/// The service and the type of a config. As a rule a service has one type.
pub(super) type ConfigKey = (ServiceId, TypeId);

/// The configs that services have taken. No lock of it is held while a file is read.
pub(super) struct InUse {
    entries: Mutex<BTreeMap<ConfigKey, Entry>>,
    /// The file of identities. New identities may open files that could not be opened before.
    pub(super) identities: Mutex<Watched>,
    /// Why the identities in use are older than their file.
    stale_identities: Mutex<Option<StaleConfig>>,
}

struct Entry {
    channel: Arc<dyn Channel>,
    status: ReloadStatus,
}

/// A config that can be read again.
pub(super) struct Known {
    pub(super) key: ConfigKey,
    pub(super) channel: Arc<dyn Channel>,
    /// What was wrong with its file when it was last read.
    pub(super) stale: Option<StaleKind>,
}

/// A config that was taken.
pub(crate) struct Taken<C> {
    pub(crate) values: Arc<Values<C>>,
    /// Why the value is older than its file.
    pub(super) refused: Option<Located<LoadError>>,
    /// Whether there is another value to try if the service does not start with this one.
    pub(super) has_other: bool,
}

impl<C> Taken<C> {
    fn first(values: Arc<Values<C>>) -> Self {
        Self { values, refused: None, has_other: false }
    }
}

impl InUse {
    pub(super) fn new(identities: Watched) -> Self {
        Self {
            entries: Mutex::default(),
            identities: Mutex::new(identities),
            stale_identities: Mutex::default(),
        }
    }

    /// The value in the file, or else the last good value. Blocks on the file. A starting service passes `before`.
    ///
    /// Fails only when there is no good value yet.
    pub(super) fn take<C: Config>(
        &self,
        dir: &ConfigDir,
        before: Option<&StartBefore>,
    ) -> Result<Taken<C>, Located<LoadError>> {
        let key = (C::SERVICE, TypeId::of::<C>());
        let Some(values) = self.known::<C>(key) else {
            let values = Values::<C>::read(dir)?;
            // If a concurrent caller was faster, its value is used: it was read after this call began.
            return Ok(Taken::first(self.enter(key, &values)));
        };
        let (result, has_other) = match before {
            Some(before) => values.take_for_start(dir, before),
            None => (values.take(dir), false),
        };
        self.note(key, &result);
        if let Some(entry) = self.entries.lock().get_mut(&key) {
            entry.status.since = SystemTime::now();
        }
        Ok(Taken { values, refused: result.err(), has_other })
    }

    fn known<C: Config>(&self, key: ConfigKey) -> Option<Arc<Values<C>>> {
        let channel: Arc<dyn Any + Send + Sync> = self.entries.lock().get(&key)?.channel.clone();
        channel.downcast().ok()
    }

    fn enter<C: Config>(&self, key: ConfigKey, values: &Arc<Values<C>>) -> Arc<Values<C>> {
        let entry = Entry {
            channel: values.clone(),
            status: ReloadStatus {
                service: C::SERVICE,
                reloadable: false,
                from_file: false,
                reloads: 0,
                refusals: 0,
                stale: None,
                waiting: false,
                since: SystemTime::now(),
            },
        };
        let channel: Arc<dyn Any + Send + Sync> =
            self.entries.lock().entry(key).or_insert(entry).channel.clone();
        channel.downcast().unwrap_or_else(|_| values.clone())
    }

    pub(super) fn channels(&self) -> Vec<Known> {
        let entries = self.entries.lock();
        let known = entries.iter().map(|(key, Entry { channel, status })| Known {
            key: *key,
            channel: channel.clone(),
            stale: status.stale.as_ref().map(|stale| stale.kind),
        });
        known.collect()
    }

    /// Records how a reload ended. True if that is news.
    pub(super) fn note(&self, key: ConfigKey, result: &Result<Reread, Located<LoadError>>) -> bool {
        let mut entries = self.entries.lock();
        let Some(Entry { status, .. }) = entries.get_mut(&key) else { return false };
        if matches!(result, Ok(Reread::Taken)) {
            status.reloads += 1;
            status.since = SystemTime::now();
        }
        let error = result.as_ref().err().map(|error| (StaleKind::of(error), error.to_string()));
        let news = stale::note(&mut status.stale, error);
        let refused = status.stale.as_ref().is_some_and(|stale| stale.kind == StaleKind::Refused);
        status.refusals += u64::from(news && refused);
        news
    }

    /// Records how a reading of the identities ended. True if that is news.
    pub(super) fn note_identities(&self, refused: Option<&Located<IdentityError>>) -> bool {
        let error = refused.map(|error| (StaleKind::of_identities(error), error.to_string()));
        stale::note(&mut self.stale_identities.lock(), error)
    }

    /// What is wrong with the identities, in one line for people.
    pub(super) fn identities_note(&self) -> Option<String> {
        self.stale_identities.lock().as_ref().map(|stale| stale.note(IDENTITIES))
    }

    /// What operators may see of the values in effect.
    pub(super) fn in_effect(&self) -> Vec<ConfigInEffect> {
        let entries = self.entries.lock();
        let shown = |Entry { channel, status }: &Entry| {
            let (Fields { fields, left_out }, sealed) = channel.in_effect();
            ConfigInEffect {
                service: status.service,
                from_file: channel.is_from_file(),
                sealed,
                since: status.since,
                waiting: channel.waiting(),
                problem: status.note(),
                fields,
                left_out,
            }
        };
        entries.values().map(shown).collect()
    }

    pub(super) fn statuses(&self) -> Vec<ReloadStatus> {
        let entries = self.entries.lock();
        let status = |Entry { channel, status }: &Entry| ReloadStatus {
            reloadable: channel.followed(),
            from_file: channel.is_from_file(),
            waiting: channel.waiting(),
            ..status.clone()
        };
        entries.values().map(status).collect()
    }
}

impl fmt::Debug for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InUse").field("statuses", &self.statuses()).finish_non_exhaustive()
    }
}
