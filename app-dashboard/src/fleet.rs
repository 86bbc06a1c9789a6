//! All instances, and who looks at them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::Service;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::sync::{Mutex as Turn, watch};
use tokio::time::{Instant, timeout};

use crate::apps::{Apps, Instance, Problem};
use crate::watch::{Look, Topic, Watched};

/// Most instances.
const MOST_INSTANCES: usize = 500;
/// How long a list of instances is good.
const LIST_EVERY: Duration = Duration::from_secs(10);
/// How long a request for the fleet waits for instances that answer late.
const PATIENCE: Duration = Duration::from_secs(3);

/// All instances. Clones share one state.
#[derive(Clone)]
pub(crate) struct Fleet {
    shared: Arc<Shared>,
}

struct Shared {
    service: Service,
    apps: Arc<dyn Apps>,
    instances: Mutex<BTreeMap<String, Watching>>,
    /// When the list was made last, and why it failed. Held by the request that makes it anew.
    listed: Turn<Option<Instant>>,
    problem: Mutex<Option<Problem>>,
    changed: watch::Sender<u64>,
}

/// The instances that are known.
pub(crate) struct Listed {
    pub(crate) instances: Vec<Arc<Watched>>,
    /// Why the last attempt to list them failed. The instances are those of the list before.
    pub(crate) problem: Option<Problem>,
}

struct Watching {
    watched: Arc<Watched>,
    /// The part of the service that has the task.
    part: Service,
}

impl Fleet {
    pub(crate) fn new(service: Service, apps: Arc<dyn Apps>) -> Self {
        let shared = Shared {
            service,
            apps,
            instances: Mutex::default(),
            listed: Turn::new(None),
            problem: Mutex::default(),
            changed: watch::channel(0).0,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The service that owns the tasks.
    pub(crate) fn service(&self) -> &Service {
        &self.shared.service
    }

    /// Tells of each change on any board.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// All instances, by key. Lists them anew if the last list is old.
    pub(crate) async fn list(&self) -> Listed {
        let mut listed = self.shared.listed.lock().await;
        if listed.is_none_or(|at| at.elapsed() >= LIST_EVERY) {
            let list = self.shared.apps.list().await;
            *listed = Some(Instant::now());
            match list {
                Ok(list) => {
                    *self.shared.problem.lock() = None;
                    self.take(list);
                }
                // The instances that were known stay.
                Err(problem) => *self.shared.problem.lock() = Some(problem),
            }
        }
        drop(listed);
        let instances: Vec<_> =
            self.shared.instances.lock().values().map(|watching| Arc::clone(&watching.watched)).collect();
        Listed { instances, problem: self.shared.problem.lock().clone() }
    }

    /// The instance with a key. A known one is found at once, without a new list.
    pub(crate) async fn one(&self, key: &str) -> Result<Option<Arc<Watched>>, Problem> {
        let known = self.shared.instances.lock().get(key).map(|watching| Arc::clone(&watching.watched));
        match known {
            Some(known) => Ok(Some(known)),
            None => {
                let Listed { instances, problem } = self.list().await;
                match (instances.into_iter().find(|watched| watched.instance.key == key), problem) {
                    (None, Some(problem)) => Err(problem),
                    (found, _) => Ok(found),
                }
            }
        }
    }

    /// Starts to watch new instances, and forgets those that are no longer listed.
    fn take(&self, mut list: Vec<Instance>) {
        list.truncate(MOST_INSTANCES);
        let mut instances = self.shared.instances.lock();
        instances.retain(|_, watching| {
            let stays = list.contains(&watching.watched.instance);
            if !stays {
                watching.part.kill("it is no longer listed");
            }
            stays
        });
        for instance in list {
            if instances.contains_key(&instance.key) {
                continue;
            }
            let key = instance.key.clone();
            // Only a dead service refuses. Then nobody is served any more.
            let started = self.shared.service.child(format!("watch {key}")).and_then(|part| {
                let apps = Arc::clone(&self.shared.apps);
                let watched = Watched::start(&part, apps, instance, self.shared.changed.clone())?;
                Ok(Watching { watched, part })
            });
            if let Ok(watching) = started {
                instances.insert(key, watching);
            }
        }
        drop(instances);
        self.shared.changed.send_modify(|changes| *changes += 1);
    }

    /// The rows of all instances, and why the list is old if it is. Looks at the instances until each was asked, at most
    /// [`PATIENCE`].
    ///
    /// # Errors
    /// There is no list.
    pub(crate) async fn rows(&self) -> Result<(Vec<Box<RawValue>>, Option<Problem>), Problem> {
        let Listed { instances, problem } = self.list().await;
        if let Some(problem) = problem.as_ref().filter(|_| instances.is_empty()) {
            return Err(problem.clone());
        }
        let looks: Vec<Look> = instances.iter().flat_map(|watched| watched.look(&[Topic::Summary])).collect();
        let mut changes = self.changes();
        // Those that are late are in the answer as they are.
        let _ = timeout(PATIENCE, async {
            while !instances.iter().all(|watched| watched.board.lock().is_asked()) {
                if changes.changed().await.is_err() {
                    break;
                }
            }
        })
        .await;
        drop(looks);
        let texts = instances.iter().filter_map(|watched| watched.board.lock().text(Topic::Summary));
        let rows = texts.filter_map(|(_, text)| RawValue::from_string(text.to_string()).ok());
        Ok((rows.collect(), problem))
    }
}
