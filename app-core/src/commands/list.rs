//! The command servers of an app, for whoever watches them.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
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
    /// Tells servers of one name apart, and one from another that comes after it. Unique within the app.
    pub number: u64,
    /// Whether its task is there: it takes commands, or runs those that it took before its service was killed.
    pub serving: bool,
    /// How many commands wait.
    pub depth: usize,
    /// How many commands may wait.
    pub capacity: usize,
    /// How many commands were run, one that panicked included.
    pub run: u64,
    /// How many were refused, and told so: the queue was full (`try_submit` alone), or the service was not alive.
    pub refused: u64,
    /// How many panicked: each ended the server, and failed its service.
    pub panicked: u64,
    /// From when a command was handed over until it ran; to wait for room in the queue counts.
    ///
    /// Of a server that runs less than 1,000 commands a second, every command is timed. Of a busier one, one in 64 is,
    /// chosen at random, and counts 64 times: counts and sums are then estimates, right in the mean. Commands
    /// that panicked are left out of the run times.
    pub wait: TimeHistogram,
    /// How long a command ran; what is timed is said at [`wait`](Self::wait).
    pub run_time: TimeHistogram,
}

/// The servers of an app. A server is entered when it is made; nothing that a command passes takes this lock.
#[derive(Default)]
pub(crate) struct CommandServers {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    /// By service and number.
    servers: BTreeMap<(ServiceId, u64), Entry>,
    number: u64,
    /// How many were left when those that had ended were last thrown out.
    left: usize,
}

struct Entry {
    service_name: String,
    name: Cow<'static, str>,
    capacity: usize,
    depth: Box<dyn Fn() -> usize + Send + Sync>,
    meter: Arc<Meter>,
    /// Held by the server's task.
    serving: Weak<()>,
    /// Whether it stays when it has ended, for its successor to count on.
    stays: bool,
}

impl CommandServers {
    /// Enters a server whose task is about to hold `serving`.
    ///
    /// A service that the app was made of may be started again: its server then goes on with the counts of the one of
    /// that name which ended.
    pub(super) fn enter(
        &self,
        service: &Service,
        name: Cow<'static, str>,
        capacity: usize,
        serving: &Arc<()>,
        depth: impl Fn() -> usize + Send + Sync + 'static,
    ) -> Arc<Meter> {
        let stays = service.parent().is_none() && service.app().inner.board.has(service.id());
        let (serving, depth) = (Arc::downgrade(serving), Box::new(depth));
        let mut list = self.list.lock();
        let goes_on = |entry: &&mut Entry| entry.stays && entry.name == name && !entry.serves();
        let of_service = (service.id(), 0)..=(service.id(), u64::MAX);
        if stays && let Some(entry) = list.servers.range_mut(of_service).map(|(_, entry)| entry).find(goes_on)
        {
            (entry.serving, entry.depth, entry.capacity) = (serving, depth, capacity);
            return Arc::clone(&entry.meter);
        }
        let meter = Arc::<Meter>::default();
        let entry = Entry {
            service_name: service.name().to_owned(),
            name,
            capacity,
            depth,
            meter: Arc::clone(&meter),
            serving,
            stays,
        };
        list.number += 1;
        let number = list.number;
        list.servers.insert((service.id(), number), entry);
        // Now and then, so that each costs a constant time.
        if list.servers.len() > 2 * list.left + 16 {
            list.throw_out();
        }
        meter
    }

    fn statuses(&self) -> Vec<CommandServerStatus> {
        let mut list = self.list.lock();
        list.throw_out();
        list.servers.iter().map(|((service, number), entry)| entry.status(*service, *number)).collect()
    }
}

impl List {
    fn throw_out(&mut self) {
        self.servers.retain(|_, entry| entry.stays || entry.serves());
        self.left = self.servers.len();
    }
}

impl Entry {
    fn serves(&self) -> bool {
        self.serving.strong_count() > 0
    }

    fn status(&self, service: ServiceId, number: u64) -> CommandServerStatus {
        let Self { meter, .. } = self;
        CommandServerStatus {
            service,
            service_name: self.service_name.clone(),
            name: self.name.to_string(),
            number,
            serving: self.serves(),
            depth: (self.depth)(),
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
    /// The command servers, sorted by service, and inside one in the order of their making.
    ///
    /// A server is listed from its making to the end of its task. Those of services that the app was made of stay on
    /// the list after that: when the service is started again, its server goes on with their counts.
    #[must_use]
    pub fn command_servers(&self) -> Vec<CommandServerStatus> {
        self.inner.command_servers.statuses()
    }
}
