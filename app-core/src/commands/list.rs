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
use crate::Service;

/// The status of a command server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CommandServerStatus {
    /// The id of the service.
    pub service: ServiceId,
    /// The name of the service, or of the part of it (`quota/import`) that the server belongs to.
    pub service_name: String,
    /// The name of the server. A service may have several servers of one name.
    pub name: String,
    /// Distinguishes servers of the same name, also from ended ones. Unique within the app.
    pub number: u64,
    /// Whether the server has not ended: it accepts commands, or runs those that it accepted before the kill.
    pub serving: bool,
    /// How many commands wait.
    pub depth: usize,
    /// How many commands may wait.
    pub capacity: usize,
    /// How many commands ran, also those that panicked.
    pub run: u64,
    /// How many commands were refused with an error: the queue was full, or the service was not alive.
    pub refused: u64,
    /// How many commands panicked. Each ended the server, and failed its service.
    pub panicked: u64,
    /// The time from a command's submission until it ran, which includes the wait for room in the queue.
    ///
    /// Below 1,000 commands a second, the server measures all commands. Above, it measures one in 64, chosen at random, and
    /// counts it 64 times: counts and sums are then unbiased estimates. Run times leave out commands that panicked.
    pub wait: TimeHistogram,
    /// The time that a command ran. [`wait`](Self::wait) says which commands are timed.
    pub run_time: TimeHistogram,
}

/// The command servers of an app. Only making, ending and listing servers takes the lock; running a command does not.
#[derive(Default)]
pub(crate) struct CommandServers {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    /// By service and number.
    servers: BTreeMap<(ServiceId, u64), ServerEntry>,
    number: u64,
}

/// The depth of a server's queue.
pub(super) trait QueueDepth: Send + Sync {
    /// How many commands wait.
    fn depth(&self) -> usize;
}

struct ServerEntry {
    service_name: Cow<'static, str>,
    name: Cow<'static, str>,
    capacity: usize,
    queue: Weak<dyn QueueDepth>,
    meter: Arc<Meter>,
    /// Whether the entry stays after the server has ended, so that the next server of the service continues the counts.
    stays: bool,
}

impl CommandServers {
    /// The command servers of the app of a service.
    pub(super) fn of(service: &Service) -> Arc<Self> {
        service.host().kept.get()
    }

    /// Adds a server, until its [`Listing`] ends.
    ///
    /// A service of the app's plan may be restarted. Then its new server continues the counts of the ended server of the
    /// same name.
    pub(super) fn enter(
        self: &Arc<Self>,
        service: &Service,
        name: Cow<'static, str>,
        capacity: usize,
        queue: Weak<dyn QueueDepth>,
    ) -> Listing {
        let stays = service.parent().is_none() && service.is_on_board();
        let id = service.id();
        let mut list = self.list.lock();
        let continues = |entry: &ServerEntry| entry.stays && entry.name == name && !entry.serves();
        let mut of_service = list.servers.range_mut((id, 0)..=(id, u64::MAX));
        if stays && let Some((key, entry)) = of_service.find(|(_, entry)| continues(entry)) {
            (entry.queue, entry.capacity) = (queue, capacity);
            entry.meter.serving.store(true, Release);
            let (key, meter) = (*key, Arc::clone(&entry.meter));
            return Listing { servers: Arc::clone(self), key, meter, stays };
        }
        list.number += 1;
        let (key, meter) = ((id, list.number), Arc::<Meter>::default());
        let service_name = service.shared_name();
        let entry = ServerEntry { service_name, name, capacity, queue, meter: Arc::clone(&meter), stays };
        list.servers.insert(key, entry);
        Listing { servers: Arc::clone(self), key, meter, stays }
    }

    pub(crate) fn statuses(&self) -> Vec<CommandServerStatus> {
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
        // Dropped outside the lock, because the drop of a queue may drop commands.
        drop(queues);
        statuses
    }
}

/// The entry of a server in the list, owned by the server's task.
pub(super) struct Listing {
    servers: Arc<CommandServers>,
    key: (ServiceId, u64),
    pub(super) meter: Arc<Meter>,
    stays: bool,
}

impl Listing {
    /// Marks the server as ended.
    pub(super) fn end(&self) {
        // Release: pairs with the load in `serves`, which then sees all counts.
        self.meter.serving.store(false, Release);
        if !self.stays {
            let gone = self.servers.list.lock().servers.remove(&self.key);
            // Dropped outside the lock.
            drop(gone);
        }
    }
}

impl ServerEntry {
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
