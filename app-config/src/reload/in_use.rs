//! The configs that services have taken, and how their last reloads ended.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use app_core::prelude::ServiceId;
use parking_lot::Mutex;

use super::stamp::Watched;
use super::values::{Channel, Reread, Values};
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
    /// How many new values it took.
    pub reloads: u64,
    /// How many times what was in the file was refused.
    pub refusals: u64,
    /// Whether what is in the file was refused when it was last read: the next start will be refused as well.
    pub refused: bool,
    /// Why it was; `None` while what is in the file is good. Names the file, and no secret.
    pub refusal: Option<String>,
    /// Whether there was another value in the file since, which takes effect at the next start: this service takes none while
    /// it runs.
    pub waiting: bool,
    /// When the service got the value that is in effect.
    pub since: SystemTime,
}

/// A config is one of a service and of a type: as a rule a service has one type.
pub(crate) type Key = (ServiceId, TypeId);

/// The configs that services have taken. Its locks are held only while a status or the list of configs is read or changed,
/// never while a file is.
pub(crate) struct InUse {
    entries: Mutex<BTreeMap<Key, Entry>>,
    /// The file of identities: where files are sealed, a change of it may open what could not be opened.
    pub(crate) identities: Mutex<Watched>,
}

struct Entry {
    channel: Arc<dyn Channel>,
    status: ReloadStatus,
}

impl InUse {
    pub(crate) fn new(identities: Watched) -> Self {
        Self { entries: Mutex::default(), identities: Mutex::new(identities) }
    }

    /// The values of a config, those that are in its file now. Blocks on the file.
    pub(crate) fn values<C: Config>(&self, dir: &ConfigDir) -> Result<Arc<Values<C>>, Fault> {
        let key = (C::SERVICE, TypeId::of::<C>());
        let Some(values) = self.known::<C>(key) else {
            let values = Values::<C>::read(dir)?;
            // Should somebody else have been faster, his file was read no earlier than he was asked.
            return Ok(self.enter(key, &values));
        };
        if let Some(result) = values.reread(dir, true) {
            self.note(key, &result);
            result?;
        }
        if let Some(entry) = self.entries.lock().get_mut(&key) {
            (entry.status.since, entry.status.waiting) = (SystemTime::now(), false);
        }
        Ok(values)
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
                reloads: 0,
                refusals: 0,
                refused: false,
                refusal: None,
                waiting: false,
                since: SystemTime::now(),
            },
        };
        let channel: Arc<dyn Any + Send + Sync> =
            self.entries.lock().entry(key).or_insert(entry).channel.clone();
        channel.downcast().unwrap_or_else(|_| values.clone())
    }

    /// Those there are, and whether what is in the file was refused.
    pub(crate) fn channels(&self) -> Vec<(Key, Arc<dyn Channel>, bool)> {
        let entries = self.entries.lock();
        entries.iter().map(|(key, entry)| (*key, entry.channel.clone(), entry.status.refused)).collect()
    }

    /// Notes how a reload ended.
    pub(crate) fn note(&self, key: Key, result: &Result<Reread, Fault>) {
        let mut entries = self.entries.lock();
        let Some(Entry { status, .. }) = entries.get_mut(&key) else { return };
        status.refused = result.is_err();
        match result {
            Ok(Reread::Taken) => {
                status.reloads += 1;
                status.since = SystemTime::now();
            }
            Ok(Reread::Waits { .. }) => status.waiting = true,
            Ok(Reread::Same) => {}
            Err(_) => status.refusals += 1,
        }
        status.refusal = result.as_ref().err().map(ToString::to_string);
    }

    pub(crate) fn statuses(&self) -> Vec<ReloadStatus> {
        let entries = self.entries.lock();
        let status =
            |entry: &Entry| ReloadStatus { reloadable: entry.channel.followed(), ..entry.status.clone() };
        entries.values().map(status).collect()
    }
}

impl fmt::Debug for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InUse").field("statuses", &self.statuses()).finish_non_exhaustive()
    }
}
