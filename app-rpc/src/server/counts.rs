//! Counters of an RPC server. They count with and without a metrics service.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::meters::Meters;
use super::slots::{ConnectionSlot, ConnectionSlots, SlotLimits};
use crate::connection::RefusedCall;
use crate::measured::CallMeters;
use crate::{End, Refusal};

/// Counters of a server. `Relaxed` is enough: the counters do not depend on each other, and guard no other data.
pub(crate) struct Counts {
    accepted: AtomicU64,
    established: AtomicU64,
    slots: Arc<ConnectionSlots>,
    connecting: AtomicUsize,
    calls_refused: AtomicU64,
    refusals: [AtomicU64; Refusal::ALL.len()],
    ends: [AtomicU64; End::ALL.len()],
    meters: Meters,
}

impl Counts {
    /// New counters, which also count these metrics.
    pub(crate) fn new(meters: Meters) -> Self {
        Self {
            meters,
            accepted: AtomicU64::new(0),
            established: AtomicU64::new(0),
            slots: Arc::default(),
            connecting: AtomicUsize::new(0),
            calls_refused: AtomicU64::new(0),
            refusals: [const { AtomicU64::new(0) }; Refusal::ALL.len()],
            ends: [const { AtomicU64::new(0) }; End::ALL.len()],
        }
    }

    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        self.refusals[refusal as usize].fetch_add(1, Ordering::Relaxed);
        self.meters.refused(refusal).inc();
    }

    pub(crate) fn ended(&self, end: End, calls_refused: u64) {
        self.ends[end as usize].fetch_add(1, Ordering::Relaxed);
        self.calls_refused.fetch_add(calls_refused, Ordering::Relaxed);
        self.meters.ended(end).inc();
        self.meters.calls_refused.add(calls_refused);
    }

    /// A call was refused.
    pub(super) fn call_refused(&self, why: RefusedCall) {
        self.meters.call_refused(why).inc();
    }

    /// The metrics of the calls, by method.
    pub(super) fn calls(&self) -> Arc<CallMeters> {
        Arc::clone(&self.meters.calls)
    }

    pub(crate) fn established(&self) {
        self.established.fetch_add(1, Ordering::Relaxed);
        self.meters.established.inc();
    }

    /// Open connections.
    pub(crate) fn active(&self) -> usize {
        self.slots.taken()
    }

    /// Takes a slot for a connection, if there is one: see [`ConnectionSlots::take`].
    pub(super) fn enter(
        self: &Arc<Self>,
        limits: SlotLimits,
        is_granted: bool,
        of_certificate: usize,
    ) -> Option<Active> {
        let slot = self.slots.take(limits, is_granted, of_certificate)?;
        self.meters.active.inc();
        Some(Active { counts: Arc::clone(self), _slot: slot })
    }

    pub(crate) fn connecting(&self) -> &AtomicUsize {
        &self.connecting
    }

    pub(crate) fn snapshot(&self) -> ServerCounts {
        ServerCounts {
            accepted: self.accepted.load(Ordering::Relaxed),
            established: self.established.load(Ordering::Relaxed),
            active: self.active(),
            connecting: self.connecting.load(Ordering::Relaxed),
            calls_refused: self.calls_refused.load(Ordering::Relaxed),
            refusals: Refusal::ALL
                .map(|refusal| (refusal, self.refusals[refusal as usize].load(Ordering::Relaxed))),
            ends: End::ALL.map(|end| (end, self.ends[end as usize].load(Ordering::Relaxed))),
        }
    }
}

/// A counted open connection, until this is dropped.
pub(super) struct Active {
    counts: Arc<Counts>,
    _slot: ConnectionSlot,
}

impl Drop for Active {
    fn drop(&mut self) {
        self.counts.meters.active.dec();
    }
}

/// Counters of an RPC server at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerCounts {
    /// Accepted connections, including the refused ones.
    pub accepted: u64,
    /// Connections with an accepted client.
    pub established: u64,
    /// Connections with an accepted client that are open now.
    pub active: usize,
    /// Connections with a handshake in progress.
    pub connecting: usize,
    /// Refused calls of connections that have ended.
    pub calls_refused: u64,
    /// Refused connections, by reason.
    pub refusals: [(Refusal, u64); Refusal::ALL.len()],
    /// Ended connections, by reason.
    pub ends: [(End, u64); End::ALL.len()],
}

impl ServerCounts {
    /// How many connections were refused for this reason.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.refusals[refusal as usize].1
    }

    /// How many connections ended for this reason.
    #[must_use]
    pub fn ended(&self, end: End) -> u64 {
        self.ends[end as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_index_of_its_number() {
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, index);
        }
        for (index, end) in End::ALL.into_iter().enumerate() {
            assert_eq!(end as usize, index);
        }
    }
}
