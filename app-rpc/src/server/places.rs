//! Places for connections: how many of them may be open, and which of them are kept for clients with a grant.
//!
//! A part of all places can be taken only by clients that have a role above `read`, so that others, however many, do not keep an
//! operator out. One certificate has a few of those places at most, so that one operator does not keep out the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Connections of all clients together.
    pub(super) all: usize,
    /// Those of them that are kept for clients with a grant.
    pub(super) kept: usize,
}

impl Room {
    /// With places kept where a client has a grant: a sixteenth, at least 4, at most half of all.
    pub(super) fn new(all: usize, is_granted: bool) -> Self {
        let kept = if is_granted { (all / 16).max(4).min(all / 2) } else { 0 };
        Self { all, kept }
    }

    /// How many of the places that are kept one certificate may have.
    fn kept_of_certificate(self) -> usize {
        (self.kept / 4).max(2)
    }
}

/// The places that are taken. `Relaxed` throughout: each number is looked at alone, and nothing is read through it.
#[derive(Default)]
pub(super) struct Places {
    ordinary: AtomicUsize,
    kept: AtomicUsize,
}

/// A place, until this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    is_kept: bool,
}

impl Places {
    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.ordinary.load(Ordering::Relaxed) + self.kept.load(Ordering::Relaxed)
    }

    /// Takes a place for a client, if there is one. `of_certificate` is how many connections of its certificate there are, this one
    /// included.
    pub(super) fn take(
        self: &Arc<Self>,
        room: Room,
        is_granted: bool,
        of_certificate: usize,
    ) -> Option<Place> {
        let may_be_kept = is_granted && of_certificate <= room.kept_of_certificate();
        let is_kept = may_be_kept && add(&self.kept, room.kept);
        if !is_kept && !add(&self.ordinary, room.all - room.kept) {
            return None;
        }
        Some(Place { places: Arc::clone(self), is_kept })
    }
}

fn add(taken: &AtomicUsize, most: usize) -> bool {
    let add = |now: usize| (now < most).then_some(now + 1);
    taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
}

impl Drop for Place {
    fn drop(&mut self) {
        let taken = if self.is_kept { &self.places.kept } else { &self.places.ordinary };
        taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_kept_where_a_client_has_a_grant_and_there_are_enough() {
        for (all, kept) in [(1, 0), (2, 1), (6, 3), (8, 4), (64, 4), (1024, 64)] {
            assert_eq!(Room::new(all, true), Room { all, kept }, "{all}");
            assert_eq!(Room::new(all, false), Room { all, kept: 0 }, "{all}");
        }
    }

    #[test]
    fn clients_without_a_grant_can_not_take_all_places() {
        let (places, room) = (Arc::<Places>::default(), Room::new(64, true));
        let readers: Vec<_> = std::iter::from_fn(|| places.take(room, false, 1)).collect();
        assert_eq!((readers.len(), places.taken()), (60, 60));
        let operators: Vec<_> = std::iter::from_fn(|| places.take(room, true, 1)).collect();
        assert_eq!((operators.len(), places.taken()), (4, 64));
        // A place goes back to where it was taken from.
        drop(operators);
        assert!(places.take(room, false, 1).is_none());
        drop(readers);
        assert_eq!(places.taken(), 0);
    }

    #[test]
    fn one_certificate_with_a_grant_does_not_keep_out_the_others() {
        let (places, room) = (Arc::<Places>::default(), Room::new(1024, true));
        let readers: Vec<_> = std::iter::from_fn(|| places.take(room, false, 1)).collect();
        assert_eq!(readers.len(), 960);
        let mut of_certificate = 0;
        let first: Vec<_> = std::iter::from_fn(|| {
            of_certificate += 1;
            places.take(room, true, of_certificate)
        })
        .collect();
        assert_eq!(first.len(), 16);
        assert!(places.take(room, true, 1).is_some());
    }
}
