//! The handshakes that go on, at most so many: one more, and the oldest makes room.
//!
//! Whoever connects is nobody yet. So clients that say nothing, however many, keep nobody out: those that do shake hands are done
//! in a moment, and the silent ones are the oldest.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// Handshakes at a time, of a server.
const HANDSHAKES: usize = 512;

/// The handshakes of a server.
#[derive(Clone, Default)]
pub(super) struct Handshakes(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    next: u64,
    /// By number: the oldest first.
    going_on: BTreeMap<u64, CancellationToken>,
}

/// A handshake that goes on, until this is dropped.
pub(super) struct Handshake {
    number: u64,
    displaced: CancellationToken,
    all: Handshakes,
}

impl Handshakes {
    pub(super) fn begin(&self) -> Handshake {
        let displaced = CancellationToken::new();
        let (number, oldest) = {
            let mut open = self.0.lock();
            let oldest = if open.going_on.len() >= HANDSHAKES { open.going_on.pop_first() } else { None };
            open.next += 1;
            let number = open.next;
            open.going_on.insert(number, displaced.clone());
            (number, oldest)
        };
        if let Some((_, oldest)) = oldest {
            oldest.cancel();
        }
        Handshake { number, displaced, all: self.clone() }
    }
}

impl Handshake {
    /// Waits until it has to make room. Cancel safe.
    pub(super) async fn displaced(&self) {
        self.displaced.cancelled().await;
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.all.0.lock().going_on.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_displaces_the_oldest_that_is_not_done() {
        let all = Handshakes::default();
        let mut going_on: Vec<_> = (0..HANDSHAKES).map(|_| all.begin()).collect();
        // This one is done.
        drop(going_on.remove(0));
        let _one_more = all.begin();
        assert!(!going_on[0].displaced.is_cancelled());
        let _another = all.begin();
        assert!(going_on[0].displaced.is_cancelled() && !going_on[1].displaced.is_cancelled());
        assert_eq!(all.0.lock().going_on.len(), HANDSHAKES);
    }
}
