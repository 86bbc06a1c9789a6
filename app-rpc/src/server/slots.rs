//! ConnectionSlots for open connections. Some of them are reserved for clients with a grant.
//!
//! Only clients with a role above `read` can take reserved slots, so that other clients can't keep an operator out. One certificate
//! can take only a few reserved slots, so that one operator can't keep the others out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many slots there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SlotLimits {
    /// ConnectionSlots for all clients together.
    pub(super) all: usize,
    /// The slots of these that are reserved for clients with a grant.
    pub(super) reserved: usize,
}

impl SlotLimits {
    /// A sixteenth is reserved if any client has a grant: at least 4, and at most half of all.
    pub(super) fn new(all: usize, is_granted: bool) -> Self {
        let reserved = if is_granted { (all / 16).max(4).min(all / 2) } else { 0 };
        Self { all, reserved }
    }

    /// How many reserved slots one certificate may take.
    fn reserved_of_certificate(self) -> usize {
        (self.reserved / 4).max(2)
    }
}

/// The slots in use. `Relaxed` is enough: the numbers do not depend on each other, and guard no other data.
#[derive(Default)]
pub(super) struct ConnectionSlots {
    ordinary: AtomicUsize,
    reserved: AtomicUsize,
}

/// A slot in use, until this is dropped.
pub(super) struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    is_reserved: bool,
}

impl ConnectionSlots {
    /// How many slots are in use.
    pub(super) fn taken(&self) -> usize {
        self.ordinary.load(Ordering::Relaxed) + self.reserved.load(Ordering::Relaxed)
    }

    /// Takes a slot for a client, if there is one. `of_certificate` is the number of connections of its certificate, including this
    /// one.
    pub(super) fn take(
        self: &Arc<Self>,
        limits: SlotLimits,
        is_granted: bool,
        of_certificate: usize,
    ) -> Option<ConnectionSlot> {
        let may_be_reserved = is_granted && of_certificate <= limits.reserved_of_certificate();
        let is_reserved = may_be_reserved && add(&self.reserved, limits.reserved);
        if !is_reserved && !add(&self.ordinary, limits.all - limits.reserved) {
            return None;
        }
        Some(ConnectionSlot { slots: Arc::clone(self), is_reserved })
    }
}

fn add(taken: &AtomicUsize, limit: usize) -> bool {
    let add = |now: usize| (now < limit).then_some(now + 1);
    taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let taken = if self.is_reserved { &self.slots.reserved } else { &self.slots.ordinary };
        taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_reserved_where_a_client_has_a_grant_and_there_are_enough() {
        for (all, reserved) in [(1, 0), (2, 1), (6, 3), (8, 4), (64, 4), (1024, 64)] {
            assert_eq!(SlotLimits::new(all, true), SlotLimits { all, reserved }, "{all}");
            assert_eq!(SlotLimits::new(all, false), SlotLimits { all, reserved: 0 }, "{all}");
        }
    }

    #[test]
    fn clients_without_a_grant_can_not_take_all_slots() {
        let (slots, limits) = (Arc::<ConnectionSlots>::default(), SlotLimits::new(64, true));
        let readers: Vec<_> = std::iter::from_fn(|| slots.take(limits, false, 1)).collect();
        assert_eq!((readers.len(), slots.taken()), (60, 60));
        let operators: Vec<_> = std::iter::from_fn(|| slots.take(limits, true, 1)).collect();
        assert_eq!((operators.len(), slots.taken()), (4, 64));
        // A reserved slot stays reserved when it is free again.
        drop(operators);
        assert!(slots.take(limits, false, 1).is_none());
        drop(readers);
        assert_eq!(slots.taken(), 0);
    }

    #[test]
    fn one_certificate_with_a_grant_does_not_keep_out_the_others() {
        let (slots, limits) = (Arc::<ConnectionSlots>::default(), SlotLimits::new(1024, true));
        let readers: Vec<_> = std::iter::from_fn(|| slots.take(limits, false, 1)).collect();
        assert_eq!(readers.len(), 960);
        let mut of_certificate = 0;
        let first: Vec<_> = std::iter::from_fn(|| {
            of_certificate += 1;
            slots.take(limits, true, of_certificate)
        })
        .collect();
        assert_eq!(first.len(), 16);
        assert!(slots.take(limits, true, 1).is_some());
    }
}
