//! What an RPC server counts, whether somebody reads it or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::meters::Meters;
use super::places::{Place, Places, Room};
use crate::{End, Refusal};

/// Counters of a server. `Relaxed` throughout: each is a number of its own, and nothing is read through it.
pub(crate) struct Counts {
    accepted: AtomicU64,
    established: AtomicU64,
    places: Arc<Places>,
    connecting: AtomicUsize,
    calls_refused: AtomicU64,
    refusals: [AtomicU64; Refusal::ALL.len()],
    ends: [AtomicU64; End::ALL.len()],
    meters: Meters,
}

impl Counts {
    /// Of zero, and of these metrics.
    pub(crate) fn new(meters: Meters) -> Self {
        Self {
            meters,
            accepted: AtomicU64::new(0),
            established: AtomicU64::new(0),
            places: Arc::default(),
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

    pub(crate) fn established(&self) {
        self.established.fetch_add(1, Ordering::Relaxed);
        self.meters.established.inc();
    }

    /// Connections that are open.
    pub(crate) fn active(&self) -> usize {
        self.places.taken()
    }

    /// Takes a place among the connections that are open, if there is one: see [`Places::take`].
    pub(super) fn enter(
        self: &Arc<Self>,
        room: Room,
        is_granted: bool,
        of_certificate: usize,
    ) -> Option<Active> {
        let place = self.places.take(room, is_granted, of_certificate)?;
        self.meters.active.inc();
        Some(Active { counts: Arc::clone(self), _place: place })
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

/// A connection that is open, until this is dropped.
pub(super) struct Active {
    counts: Arc<Counts>,
    _place: Place,
}

impl Drop for Active {
    fn drop(&mut self) {
        self.counts.meters.active.dec();
    }
}

/// What an RPC server counted until now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerCounts {
    /// Connections that were accepted, refused ones included.
    pub accepted: u64,
    /// Connections whose client was let in.
    pub established: u64,
    /// Connections that are open now, their client let in.
    pub active: usize,
    /// Connections whose handshake goes on now.
    pub connecting: usize,
    /// Calls that were refused because a connection had too many, of connections that have ended.
    pub calls_refused: u64,
    /// Connections that were refused, by reason.
    pub refusals: [(Refusal, u64); Refusal::ALL.len()],
    /// Connections that were open and ended, by reason.
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
    fn every_reason_has_the_place_of_its_number() {
        for (place, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, place);
        }
        for (place, end) in End::ALL.into_iter().enumerate() {
            assert_eq!(end as usize, place);
        }
    }
}
