//! The limits that all connections with one certificate share: streams, readers and blocking work. Also the count of calls without an
//! audit record of their own.
//!
//! So a client with many connections gets no more than a client with one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use app_core::prelude::*;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::audit::{Audit, Outcome, Record, ShownClient, Tally};
use crate::Peer;

/// The most streams of events of a client.
const MAX_STREAMS: usize = 32;

/// The most readers of metrics of a client.
const MAX_READERS: usize = 8;

/// The most blocking work of a client at a time.
pub(super) const MAX_OFFLOADED: usize = 2;

/// The time between two records about calls without a record of their own.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// The clients that have a connection or had one a moment ago, by the fingerprint of their certificate. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Clients(Arc<Mutex<HashMap<[u8; 32], Arc<Client>>>>);

/// One client: all connections with one certificate.
pub(super) struct Client {
    pub(super) streams: Slots,
    pub(super) readers: Slots,
    pub(super) offloaded: Arc<Semaphore>,
    shown: ShownClient,
    audit: Audit,
    unrecorded: Mutex<Option<UnrecordedCalls>>,
}

/// Calls that have no record of their own and are not yet reported.
struct UnrecordedCalls {
    since: Instant,
    counts: BTreeMap<Outcome, Tally>,
}

impl Clients {
    /// Starts the task that reports calls without a record.
    pub(super) fn start(service: &Service) -> Result<Self, Error> {
        let (clients, me) = (Self::default(), service.clone());
        let own = clients.clone();
        service.spawn("audit", async move {
            let mut ticks = tokio::time::interval(REPORT_EVERY);
            loop {
                tokio::select! {
                    biased;
                    () = me.dying() => break,
                    _ = ticks.tick() => own.report(),
                }
            }
            own.report();
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
                unrecorded: Mutex::default(),
            })
        });
        Arc::clone(client)
    }

    /// Reports calls without a record, and forgets clients without a connection.
    fn report(&self) {
        let clients: Vec<_> = self.0.lock().values().map(Arc::clone).collect();
        clients.iter().for_each(|client| client.report());
        drop(clients);
        self.0.lock().retain(|_, client| Arc::strong_count(client) > 1 || client.unrecorded.lock().is_some());
    }
}

impl Client {
    /// Records a call that is not granted. Returns when to answer it.
    ///
    /// Answers are paced over all connections of the client. A call whose answer has to wait is counted instead of recorded, so that a
    /// client cannot fill the log.
    pub(super) fn reject(&self, peer: &Peer, record: &Record) -> Instant {
        let now = Instant::now();
        let answer_at = peer.account().next_denial(now);
        if answer_at > now || self.audit.write(record).is_refused() {
            let mut unrecorded = self.unrecorded.lock();
            let unrecorded =
                unrecorded.get_or_insert_with(|| UnrecordedCalls { since: now, counts: BTreeMap::new() });
            let (outcome, method) = record.key();
            *unrecorded.counts.entry(outcome).or_default().entry(method).or_default() += 1;
        }
        answer_at
    }

    /// Reports the calls without a record of their own. Counts that the log does not take are reported later.
    fn report(&self) {
        let Some(UnrecordedCalls { since, mut counts }) = self.unrecorded.lock().take() else { return };
        counts.retain(|outcome, counts| {
            self.audit.write_counts(&self.shown, *outcome, counts, since.elapsed()).is_refused()
        });
        if counts.is_empty() {
            return;
        }
        let mut unrecorded = self.unrecorded.lock();
        let later = unrecorded.get_or_insert_with(|| UnrecordedCalls { since, counts: BTreeMap::new() });
        later.since = since;
        for (outcome, counts) in counts {
            let later = later.counts.entry(outcome).or_default();
            counts.into_iter().for_each(|(method, count)| *later.entry(method).or_default() += count);
        }
    }
}

/// Reports the calls that were not granted while the service stopped.
impl Drop for Client {
    fn drop(&mut self) {
        self.report();
    }
}

/// A limited number of things of one kind.
pub(super) struct Slots {
    free: Arc<Semaphore>,
    most: usize,
}

/// One of the things, until it is dropped.
pub(super) type Slot = OwnedSemaphorePermit;

impl Slots {
    pub(super) fn new(most: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), most }
    }

    /// Takes a slot for one of `what`.
    pub(super) fn take(&self, what: &str) -> capnp::Result<Slot> {
        Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            capnp::Error::failed(format!("this client already has {} {what}: release one", self.most))
        })
    }
}
