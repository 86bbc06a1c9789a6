//! What the connections of one certificate share in the admin interface: places for streams and readers, turns for what blocks, and
//! the count of calls that have no audit record of their own.
//!
//! A client that opens many connections so gets no more than a client with one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use app_core::prelude::*;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::audit::{Audit, Outcome, Record, ShownClient, Tally};
use crate::Peer;

/// Streams of events that a client may have.
const MAX_STREAMS: usize = 32;

/// Readers of metrics that a client may have.
const MAX_READERS: usize = 8;

/// How much of what blocks a client may have running at a time.
pub(super) const MAX_OFFLOADED: usize = 2;

/// Calls without a record of their own are told once in this time.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// The clients that have a connection, or had one a moment ago, by the identity of their certificates. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Clients(Arc<Mutex<HashMap<[u8; 32], Arc<Client>>>>);

/// One client: all connections with one certificate.
pub(super) struct Client {
    pub(super) streams: Slots,
    pub(super) readers: Slots,
    pub(super) offloaded: Arc<Semaphore>,
    shown: ShownClient,
    audit: Audit,
    left_out: Mutex<Option<LeftOut>>,
}

/// Calls that have no record of their own and were not told yet.
struct LeftOut {
    since: Instant,
    counts: BTreeMap<Outcome, Tally>,
}

impl Clients {
    /// Starts the task that tells of calls without a record.
    pub(super) fn start(service: &Service) -> Result<Self, Error> {
        let (clients, me) = (Self::default(), service.clone());
        let own = clients.clone();
        service.spawn("audit", async move {
            let mut ticks = tokio::time::interval(TELL_EVERY);
            loop {
                tokio::select! {
                    biased;
                    () = me.dying() => break,
                    _ = ticks.tick() => own.tell(),
                }
            }
            own.tell();
        })?;
        Ok(clients)
    }

    /// The client of this connection.
    pub(super) fn enter(&self, peer: &Peer, audit: &Audit) -> Arc<Client> {
        let key = peer.certificate.identity;
        let mut clients = self.0.lock();
        let client = clients.entry(key).or_insert_with(|| {
            Arc::new(Client {
                streams: Slots::new(MAX_STREAMS),
                readers: Slots::new(MAX_READERS),
                offloaded: Arc::new(Semaphore::new(MAX_OFFLOADED)),
                shown: ShownClient::new(&peer.certificate, peer.granted_now().by.as_deref()),
                audit: audit.clone(),
                left_out: Mutex::default(),
            })
        });
        Arc::clone(client)
    }

    /// Tells of calls without a record, and forgets clients without a connection.
    fn tell(&self) {
        let clients: Vec<_> = self.0.lock().values().map(Arc::clone).collect();
        clients.iter().for_each(|client| client.tell());
        drop(clients);
        self.0.lock().retain(|_, client| Arc::strong_count(client) > 1 || client.left_out.lock().is_some());
    }
}

impl Client {
    /// Puts a call on record that is not granted, and says when to answer it.
    ///
    /// Answers are paced over all connections of the client. A call whose answer has to wait has no record of its own, and is counted:
    /// a client must not fill the log.
    pub(super) fn turn_down(&self, peer: &Peer, record: &Record) -> Instant {
        let now = Instant::now();
        let answer_at = peer.account().next_denial(now);
        if answer_at > now || self.audit.write(record).is_refused() {
            let mut left_out = self.left_out.lock();
            let left_out = left_out.get_or_insert_with(|| LeftOut { since: now, counts: BTreeMap::new() });
            let (outcome, method) = record.what();
            *left_out.counts.entry(outcome).or_default().entry(method).or_default() += 1;
        }
        answer_at
    }

    /// Tells of the calls that have no record of their own. Those that the log does not take are told later.
    fn tell(&self) {
        let Some(LeftOut { since, mut counts }) = self.left_out.lock().take() else { return };
        counts.retain(|outcome, counts| {
            self.audit.write_counts(&self.shown, *outcome, counts, since.elapsed()).is_refused()
        });
        if counts.is_empty() {
            return;
        }
        let mut left_out = self.left_out.lock();
        let later = left_out.get_or_insert_with(|| LeftOut { since, counts: BTreeMap::new() });
        later.since = since;
        for (outcome, counts) in counts {
            let later = later.counts.entry(outcome).or_default();
            counts.into_iter().for_each(|(method, count)| *later.entry(method).or_default() += count);
        }
    }
}

/// Calls that were turned down while the service stopped.
impl Drop for Client {
    fn drop(&mut self) {
        self.tell();
    }
}

/// So many of something may be there.
pub(super) struct Slots {
    free: Arc<Semaphore>,
    most: usize,
}

/// A place, until it is dropped.
pub(super) type Slot = OwnedSemaphorePermit;

impl Slots {
    pub(super) fn new(most: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), most }
    }

    /// Takes a place for one of `what`.
    pub(super) fn take(&self, what: &str) -> capnp::Result<Slot> {
        Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            capnp::Error::failed(format!("this client has {} {what} already: let go of one", self.most))
        })
    }
}
