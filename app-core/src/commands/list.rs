//! The list of an app's command servers, for metrics and operators.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::Ordering::{Acquire, Relaxed, Release},
    },
};

use app_ids::ServiceId;
use parking_lot::Mutex;

use super::{TimeHistogram, meter::Meter};
use crate::{App, Service};

/// A command server as seen from outside.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CommandServerStatus {
    /// Its service.
    pub service: ServiceId,
    /// The name of its service, or of the part of it (`quota/import`) that the server belongs to.
    pub service_name: String,
    /// Its own name, of which a service may have several servers.
    pub name: String,
    /// Distinguishes servers of the same name, also from one that ended before. Unique within the app.
    pub number: u64,
    /// Whether it has not ended: it takes commands, or runs those that it took before its service was killed.
    pub serving: bool,
    /// How many commands wait.
    pub depth: usize,
    /// How many commands may wait.
    pub capacity: usize,
    /// How many commands were run, one that panicked included.
    pub run: u64,
    /// How many were refused, with an error for the caller: the queue was full, or the service was not alive.
    pub refused: u64,
    /// How many panicked: each ended the server, and failed its service.
    pub panicked: u64,
    /// The time from a command's submission until it ran, which includes the wait for room in the queue.
    ///
    /// A server that runs less than 1,000 commands a second times every command. A busier one times one in 64, chosen at
    /// random, and counts it 64 times: counts and sums are then estimates, right in the mean. The run times leave out
    /// commands that panicked.
    pub wait: TimeHistogram,
    /// The time that a command ran. [`wait`](Self::wait) says which commands are timed.
    pub run_time: TimeHistogram,
}

/// The servers of an app. A server is entered when it is made; no command takes this lock.
#[derive(Default)]
pub(crate) struct CommandServers {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    /// By service and number.
    servers: BTreeMap<(ServiceId, u64), Entry>,
    number: u64,
}

/// The queue of a server.
pub(super) trait Queue: Send + Sync {
    /// How many commands wait in it.
    fn depth(&self) -> usize;
}

struct Entry {
    service_name: Cow<'static, str>,
    name: Cow<'static, str>,
    capacity: usize,
    queue: Weak<dyn Queue>,
    meter: Arc<Meter>,
    /// Whether the entry stays when the server has ended, so that its successor continues the counts.
    stays: bool,
}

impl CommandServers {
    /// Enters a server, until its [`Listing`] ends.
    ///
    /// A service that the app was made of may be started again. Its server then continues the counts of the ended server
    /// of the same name.
    pub(super) fn enter(
        &self,
        service: &Service,
        name: Cow<'static, str>,
        capacity: usize,
        queue: Weak<dyn Queue>,
    ) -> Listing {
        let stays = service.parent().is_none() && service.is_on_board();
        let id = service.id();
        let mut list = self.list.lock();
        let continues = |entry: &Entry| entry.stays && entry.name == name && !entry.serves();
        let mut of_service = list.servers.range_mut((id, 0)..=(id, u64::MAX));
        if stays && let Some((key, entry)) = of_service.find(|(_, entry)| continues(entry)) {
            (entry.queue, entry.capacity) = (queue, capacity);
            entry.meter.serving.store(true, Release);
            let (key, meter) = (*key, Arc::clone(&entry.meter));
            return Listing { app: service.app().clone(), key, meter, stays };
        }
        list.number += 1;
        let (key, meter) = ((id, list.number), Arc::<Meter>::default());
        let service_name = service.shared_name();
        let entry = Entry { service_name, name, capacity, queue, meter: Arc::clone(&meter), stays };
        list.servers.insert(key, entry);
        Listing { app: service.app().clone(), key, meter, stays }
    }

    fn statuses(&self) -> Vec<CommandServerStatus> {
        let mut queues = Vec::new();
        let list = self.list.lock();
        let statuses = list.servers.iter().map(|((service, number), entry)| {
            let queue = entry.queue.upgrade();
            let depth = queue.as_ref().map_or(0, |queue| queue.depth());
            queues.extend(queue);
            entry.status(*service, *number, depth)
        });
        let statuses = statuses.collect();
        drop(list);
        // Outside the lock: the drop of the last one drops commands that are left in the queue.
        drop(queues);
        statuses
    }
}

/// A server's entry in the list, owned by its task.
pub(super) struct Listing {
    app: App,
    key: (ServiceId, u64),
    pub(super) meter: Arc<Meter>,
    stays: bool,
}

impl Listing {
    /// The server has ended.
    pub(super) fn end(&self) {
        // Pairs with the load in `serves`, which then sees all counts.
        self.meter.serving.store(false, Release);
        if !self.stays {
            let gone = self.app.inner.command_servers.list.lock().servers.remove(&self.key);
            // Outside the lock.
            drop(gone);
        }
    }
}

impl Entry {
    fn serves(&self) -> bool {
        self.meter.serving.load(Acquire)
    }

    fn status(&self, service: ServiceId, number: u64, depth: usize) -> CommandServerStatus {
        let Self { meter, .. } = self;
        CommandServerStatus {
            service,
            service_name: self.service_name.to_string(),
            name: self.name.to_string(),
            number,
            serving: self.serves(),
            depth,
            capacity: self.capacity,
            run: meter.run.load(Relaxed),
            refused: meter.refused.load(Relaxed),
            panicked: meter.panicked.load(Relaxed),
            wait: meter.waited.read(),
            run_time: meter.ran.read(),
        }
    }
}

impl App {
    /// The command servers, sorted by service, and within a service in the order of their making.
    ///
    /// A server is listed from its making to the end of its task. Servers of services that the app was made of stay on
    /// the list after that: when the service is started again, its server continues their counts.
    #[must_use]
    pub fn command_servers(&self) -> Vec<CommandServerStatus> {
        self.inner.command_servers.statuses()
    }
}
