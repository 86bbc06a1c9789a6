//! What this instance knows about earlier deliveries of messages.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// The most messages that are remembered. Beyond it the oldest is forgotten, and its attempts begin again.
const MAX_REMEMBERED: usize = 65_536;

/// How many deliveries may have an unknown end before a message runs alone.
const UNKNOWN_ENDS: u64 = 2;

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    attempts: u64,
    ends: u64,
}

/// Attempts and known ends of messages that are not settled, by sequence.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<BTreeMap<u64, Known>>);

impl Attempts {
    /// How many attempts a message had.
    pub(super) fn of(&self, sequence: u64) -> u64 {
        self.0.lock().get(&sequence).map_or(0, |known| known.attempts)
    }

    /// Counts an attempt that ended. Returns how many there were.
    pub(super) fn ended(&self, sequence: u64) -> u64 {
        self.change(sequence, |known| {
            known.attempts += 1;
            known.ends += 1;
            known.attempts
        })
    }

    /// Counts a delivery that was handed back: its end is known, and it was no attempt.
    pub(super) fn handed_back(&self, sequence: u64) {
        self.change(sequence, |known| known.ends += 1);
    }

    /// Whether a message, with this many deliveries in all, was delivered more than twice without a known end.
    pub(super) fn is_suspicious(&self, sequence: u64, deliveries: u64) -> bool {
        let ends = self.0.lock().get(&sequence).map_or(0, |known| known.ends);
        deliveries.saturating_sub(ends) > UNKNOWN_ENDS
    }

    /// Forgets a message that is settled.
    pub(super) fn forget(&self, sequence: u64) {
        self.0.lock().remove(&sequence);
    }

    fn change<T>(&self, sequence: u64, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut all = self.0.lock();
        if all.len() >= MAX_REMEMBERED && !all.contains_key(&sequence) {
            all.pop_first();
        }
        change(all.entry(sequence).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_whose_deliveries_all_have_a_known_end_is_not_suspicious() {
        let attempts = Attempts::default();
        for delivery in 1..20 {
            assert!(!attempts.is_suspicious(7, delivery), "{delivery}");
            if delivery % 2 == 0 {
                attempts.handed_back(7);
            } else {
                attempts.ended(7);
            }
        }
        assert_eq!(attempts.of(7), 10, "a hand-back is no attempt");
    }

    #[test]
    fn the_third_delivery_without_a_known_end_is_suspicious() {
        let attempts = Attempts::default();
        assert!(!attempts.is_suspicious(7, 2));
        assert!(attempts.is_suspicious(7, 3));
        attempts.ended(7);
        assert!(!attempts.is_suspicious(7, 3));
        attempts.forget(7);
        assert!(attempts.is_suspicious(7, 3));
    }

    #[test]
    fn no_more_than_the_bound_is_remembered() {
        let attempts = Attempts::default();
        for sequence in 0..70_000 {
            attempts.ended(sequence);
        }
        assert_eq!(attempts.0.lock().len(), MAX_REMEMBERED);
        assert_eq!((attempts.of(0), attempts.of(69_999)), (0, 1));
    }
}
