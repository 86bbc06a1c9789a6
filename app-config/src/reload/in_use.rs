//! The configs that services have taken, and how their last reloads ended.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use app_core::prelude::ServiceId;
use parking_lot::Mutex;

use super::stale::{self, StaleConfig, StaleKind};
use super::stamp::Watched;
use super::values::{Channel, Reread, StartBefore, Values};
use crate::config::Config;
use crate::dir::ConfigDir;
use crate::fault::Fault;

/// What became of a config's file since the config was loaded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReloadStatus {
    /// Whose config.
    pub service: ServiceId,
    /// Whether the service takes new values while it runs.
    pub reloadable: bool,
    /// Whether the value in effect is from a file; otherwise it is the default.
    pub from_file: bool,
    /// How many new values it took.
    pub reloads: u64,
    /// How many times what was in the file was refused.
    pub refusals: u64,
    /// Why the service runs on an older value than its file should have; `None` while the file is good.
    pub stale: Option<StaleConfig>,
    /// Whether there was another value in the file since, which takes effect at the next start: this service takes none while
    /// it runs.
    pub waiting: bool,
    /// When the service got the value that is in effect.
    pub since: SystemTime,
}

/// A config is one of a service and of a type: as a rule a service has one type.
pub(super) type Key = (ServiceId, TypeId);

/// The configs that services have taken. Its locks are held only while a status or the list of configs is read or changed,
/// never while a file is.
pub(crate) struct InUse {
    entries: Mutex<BTreeMap<Key, Entry>>,
    /// The file of identities: where files are sealed, a change of it may open what could not be opened.
    pub(crate) identities: Mutex<Watched>,
    /// Why the identities in use are not those of the file.
    stale_identities: Mutex<Option<StaleConfig>>,
}

struct Entry {
    channel: Arc<dyn Channel>,
    status: ReloadStatus,
}

/// A config that can be read again.
pub(super) struct Known {
    pub(super) key: Key,
    pub(super) channel: Arc<dyn Channel>,
    /// What was the matter with its file when it was last read.
    pub(super) stale: Option<StaleKind>,
}

/// A config that was taken.
pub(crate) struct Taken<C> {
    pub(crate) values: Arc<Values<C>>,
    /// Why it is an older value than its file should have, where there is something to say.
    pub(crate) fault: Option<Fault>,
    /// Whether there is another value, should the service not start with this one.
    pub(crate) has_other: bool,
}

impl<C> Taken<C> {
    fn first(values: Arc<Values<C>>) -> Self {
        Self { values, fault: None, has_other: false }
    }
}

impl InUse {
    pub(crate) fn new(identities: Watched) -> Self {
        Self {
            entries: Mutex::default(),
            identities: Mutex::new(identities),
            stale_identities: Mutex::default(),
        }
    }

    /// The config for a start of its service, or without `before` for any other caller: the value in its file, or else the
    /// last good one. Blocks on the file.
    ///
    /// Fails only when there is no good value yet.
    pub(crate) fn take<C: Config>(
        &self,
        dir: &ConfigDir,
        before: Option<&StartBefore>,
    ) -> Result<Taken<C>, Fault> {
        let key = (C::SERVICE, TypeId::of::<C>());
        let Some(values) = self.known::<C>(key) else {
            let values = Values::<C>::read(dir)?;
            // A concurrent caller may have been faster: that one read the file no earlier than this call began.
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
        Ok(Taken { values, fault: result.err(), has_other })
    }

    fn known<C: Config>(&self, key: Key) -> Option<Arc<Values<C>>> {
        let channel: Arc<dyn Any + Send + Sync> = self.entries.lock().get(&key)?.channel.clone();
        channel.downcast().ok()
    }

    fn enter<C: Config>(&self, key: Key, values: &Arc<Values<C>>) -> Arc<Values<C>> {
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

    /// Notes how a reload ended; whether that is news.
    pub(super) fn note(&self, key: Key, result: &Result<Reread, Fault>) -> bool {
        let mut entries = self.entries.lock();
        let Some(Entry { status, .. }) = entries.get_mut(&key) else { return false };
        if matches!(result, Ok(Reread::Taken)) {
            status.reloads += 1;
            status.since = SystemTime::now();
        }
        let news = stale::note(&mut status.stale, result.as_ref().err());
        let refused = status.stale.as_ref().is_some_and(|stale| stale.kind == StaleKind::Refused);
        status.refusals += u64::from(news && refused);
        news
    }

    /// Notes how a reading of the identities ended; whether that is news.
    pub(crate) fn note_identities(&self, fault: Option<&Fault>) -> bool {
        stale::note(&mut self.stale_identities.lock(), fault)
    }

    pub(crate) fn stale_identities(&self) -> Option<StaleConfig> {
        self.stale_identities.lock().clone()
    }

    pub(crate) fn statuses(&self) -> Vec<ReloadStatus> {
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
