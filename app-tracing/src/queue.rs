//! The queue between the threads whose spans end and the exporter.
//!
//! Invariants:
//! 1. At most `limit` items wait. A further one is dropped and counted.
//! 2. Each item that was offered is taken once, or counted once as dropped.
//! 3. An item waits in a batch. The exporter takes batches as a whole, so the lock is held for a push alone.
//! 4. After [`Queue::close`] every item is dropped and counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// How many items a full batch has.
pub(crate) const BATCH: usize = 512;

/// The queue. `T` is a span.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    limit: AtomicUsize,
    dropped: AtomicU64,
    /// Told when a batch is full.
    full: Notify,
}

#[derive(Debug)]
struct State<T> {
    /// Full batches, the oldest first.
    batches: VecDeque<Vec<T>>,
    /// The batch that is being filled.
    last: Vec<T>,
    /// An empty batch that was given back.
    spare: Vec<T>,
    waiting: usize,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(limit: usize) -> Self {
        let state = State {
            batches: VecDeque::new(),
            last: Vec::new(),
            spare: Vec::new(),
            waiting: 0,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            limit: AtomicUsize::new(limit),
            dropped: AtomicU64::new(0),
            full: Notify::new(),
        }
    }

    /// Another limit. Items that wait already stay.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Adds an item. Returns false if it was dropped.
    pub(crate) fn push(&self, item: T) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let mut state = self.state.lock();
        if state.closed || state.waiting >= limit {
            drop(state);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        state.waiting += 1;
        state.last.push(item);
        if state.last.len() < BATCH {
            return true;
        }
        let next = std::mem::take(&mut state.spare);
        let full = std::mem::replace(&mut state.last, next);
        state.batches.push_back(full);
        drop(state);
        self.full.notify_one();
        true
    }

    /// The oldest full batch.
    pub(crate) fn take_full(&self) -> Option<Vec<T>> {
        let mut state = self.state.lock();
        let batch = state.batches.pop_front()?;
        state.waiting -= batch.len();
        Some(batch)
    }

    /// The oldest batch: a full one, or else what there is. `None` if nothing waits.
    pub(crate) fn take(&self) -> Option<Vec<T>> {
        let mut state = self.state.lock();
        let batch = match state.batches.pop_front() {
            Some(batch) => batch,
            None if state.last.is_empty() => return None,
            None => {
                let next = std::mem::take(&mut state.spare);
                std::mem::replace(&mut state.last, next)
            }
        };
        state.waiting -= batch.len();
        Some(batch)
    }

    /// Gives back the memory of a batch.
    pub(crate) fn give_back(&self, mut batch: Vec<T>) {
        batch.clear();
        let mut state = self.state.lock();
        if state.spare.capacity() == 0 {
            state.spare = batch;
        }
    }

    /// Waits until a batch is full. Returns at once if one is.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn batch_is_full(&self) {
        while self.state.lock().batches.is_empty() {
            self.full.notified().await;
        }
    }

    /// How many items wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().waiting
    }

    /// How many items were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Drops and counts what waits, and everything that comes later. Returns how many items waited.
    pub(crate) fn close(&self) -> u64 {
        let mut state = self.state.lock();
        state.closed = true;
        let left = std::mem::take(&mut state.waiting) as u64;
        let (batches, last) = (std::mem::take(&mut state.batches), std::mem::take(&mut state.last));
        drop(state);
        self.dropped.fetch_add(left, Ordering::Relaxed);
        // Outside of the lock: it may be much.
        drop((batches, last));
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_and_counted_exactly() {
        let queue = Queue::new(1_000);
        let accepted = (0..1_500).filter(|n| queue.push(*n)).count();
        assert_eq!((accepted, queue.waiting(), queue.dropped()), (1_000, 1_000, 500));
        let first = queue.take().unwrap();
        assert_eq!((first.len(), first[0], queue.waiting()), (BATCH, 0, 488));
        queue.give_back(first);
        assert!(queue.push(1_500));
        assert_eq!(queue.take().unwrap().len(), 489);
        assert!(queue.take().is_none());
        queue.push(1);
        assert_eq!(queue.close(), 1);
        assert!(!queue.push(2));
        assert_eq!((queue.waiting(), queue.dropped(), queue.take()), (0, 502, None));
        assert_eq!(queue.close(), 0);
    }

    #[test]
    fn another_limit_holds_from_the_next_item_on() {
        let queue = Queue::new(2);
        queue.push(1);
        queue.push(2);
        queue.set_limit(1);
        assert!(!queue.push(3));
        queue.set_limit(3);
        assert!(queue.push(4));
        assert_eq!(queue.take(), Some(vec![1, 2, 4]));
    }

    #[test]
    fn no_item_is_lost_or_doubled_between_threads() {
        const EACH: u64 = 50_000;
        let queue = Queue::new(4_096);
        let taken = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|scope| {
            let producers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..EACH).filter(|n| queue.push(*n)).count() as u64)).collect();
            let consumer = scope.spawn(|| {
                while taken.load(Ordering::Relaxed) + queue.dropped() < 4 * EACH {
                    match queue.take() {
                        Some(batch) => {
                            assert!(batch.len() <= BATCH);
                            taken.fetch_add(batch.len() as u64, Ordering::Relaxed);
                            queue.give_back(batch);
                        }
                        None => std::thread::yield_now(),
                    }
                }
            });
            let accepted: u64 = producers.into_iter().map(|producer| producer.join().unwrap()).sum();
            consumer.join().unwrap();
            assert_eq!(accepted, taken.load(Ordering::Relaxed));
        });
        assert_eq!(queue.waiting(), 0);
    }
}
