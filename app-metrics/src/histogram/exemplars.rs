//! Exemplars: for each bucket of a histogram, the last observation that belongs to a sampled trace.
//!
//! Invariants:
//! 1. The cells exist once there is something for them. A histogram that no sampled trace observes has none.
//! 2. `version` is odd while a thread writes. A second writer gives up: of two observations at once one is as good as the other.
//! 3. A reader takes what it read only if `version` was even and the same before and after. So it never sees parts of two.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use app_core::trace::{SpanId, TraceId};

use crate::sync::{AtomicU64, OnceLock, Ordering, fence};

/// How long an exemplar is shown.
const SHOWN: Duration = Duration::from_secs(300);

/// How often a reader tries again while writers are at work.
const TRIES: usize = 4;

/// The exemplars of one histogram.
#[derive(Debug)]
pub(super) struct Exemplars(OnceLock<Box<[Cell]>>);

#[derive(Debug, Default)]
struct Cell {
    version: AtomicU64,
    words: [AtomicU64; 5],
}

/// An observation that belongs to a sampled trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) value: f64,
    /// Milliseconds since 1970.
    pub(crate) at_millis: u64,
}

fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Exemplars {
    pub(super) fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Keeps an observation of now as the exemplar of its bucket.
    #[cold]
    pub(super) fn keep(&self, buckets: usize, bucket: usize, value: f64, ids: (TraceId, SpanId)) {
        let cells = self.0.get_or_init(|| (0..buckets).map(|_| Cell::default()).collect());
        let [high, low] = halves(ids.0.to_bytes());
        let words = [high, low, u64::from_be_bytes(ids.1.to_bytes()), value.to_bits(), now_millis()];
        if let Some(cell) = cells.get(bucket) {
            cell.write(words);
        }
    }

    /// The exemplar of a bucket, if it is one of the past five minutes.
    pub(super) fn of(&self, bucket: usize) -> Option<Exemplar> {
        let words = self.0.get()?.get(bucket)?.read()?;
        let recent = now_millis().saturating_sub(words[4]) <= SHOWN.as_millis() as u64;
        Exemplar::of(words).filter(|_| recent)
    }
}

impl Exemplar {
    fn of([high, low, span, value, at_millis]: [u64; 5]) -> Option<Self> {
        let mut trace = [0; 16];
        trace[..8].copy_from_slice(&high.to_be_bytes());
        trace[8..].copy_from_slice(&low.to_be_bytes());
        Some(Self {
            trace_id: TraceId::from_bytes(trace)?,
            span_id: SpanId::from_bytes(span.to_be_bytes())?,
            value: f64::from_bits(value),
            at_millis,
        })
    }
}

fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let number = u128::from_be_bytes(bytes);
    [(number >> 64) as u64, number as u64]
}

impl Cell {
    fn write(&self, words: [u64; 5]) {
        let before = self.version.load(Ordering::Relaxed);
        // Invariant 2. Acquire: the words of the last writer are before these.
        let free = before.is_multiple_of(2)
            && self
                .version
                .compare_exchange(before, before + 1, Ordering::Acquire, Ordering::Relaxed)
                .is_ok();
        if !free {
            return;
        }
        // Pairs with the fence of `read`: a reader of one of these words reads an odd or a later version after it.
        fence(Ordering::Release);
        for (place, word) in self.words.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        // Pairs with the first load of `read`.
        self.version.store(before + 2, Ordering::Release);
    }

    fn read(&self) -> Option<[u64; 5]> {
        for _ in 0..TRIES {
            let before = self.version.load(Ordering::Acquire);
            let words = std::array::from_fn(|index| self.words[index].load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before {
                // Version 0 has no words.
                return (before > 0).then_some(words);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(number: u8) -> (TraceId, SpanId) {
        (TraceId::from_bytes([number; 16]).unwrap(), SpanId::from_bytes([number; 8]).unwrap())
    }

    #[test]
    fn the_last_observation_of_a_bucket_is_its_exemplar() {
        let exemplars = Exemplars::new();
        assert_eq!(exemplars.of(0), None);
        exemplars.keep(3, 1, 0.5, ids(1));
        exemplars.keep(3, 1, 0.7, ids(2));
        exemplars.keep(3, 2, 9.0, ids(3));
        assert_eq!(exemplars.of(0), None);
        let one = exemplars.of(1).unwrap();
        assert_eq!((one.value, (one.trace_id, one.span_id)), (0.7, ids(2)));
        assert_eq!(exemplars.of(2).unwrap().value, 9.0);
        assert_eq!(exemplars.of(3), None);
    }

    #[test]
    fn an_old_one_is_not_shown() {
        let exemplars = Exemplars::new();
        exemplars.keep(1, 0, 0.5, ids(1));
        let cell = &exemplars.0.get().unwrap()[0];
        let mut words = cell.read().unwrap();
        words[4] -= SHOWN.as_millis() as u64 + 1_000;
        cell.write(words);
        assert_eq!(exemplars.of(0), None);
    }

    #[test]
    fn a_reader_never_sees_parts_of_two() {
        let exemplars = Exemplars::new();
        exemplars.keep(1, 0, 1.0, ids(1));
        std::thread::scope(|scope| {
            for number in 1..=3 {
                let exemplars = &exemplars;
                scope.spawn(move || {
                    for _ in 0..20_000 {
                        exemplars.keep(1, 0, f64::from(number), ids(number));
                    }
                });
            }
            for _ in 0..20_000 {
                if let Some(one) = exemplars.of(0) {
                    assert_eq!((one.trace_id, one.span_id), ids(one.value as u8));
                }
            }
        });
    }
}
