//! Rings: the last items of a process, each with its number, for readers that poll.
//!
//! A ring holds a number of items and of bytes. A new item takes the place of the oldest ones. Numbers begin at 1 and have no
//! gaps, so a reader that names the last number it knows gets the items after it, and learns exactly how many it missed.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// What each item takes in addition to its own bytes.
const ITEM_BYTES: usize = 64;

/// The last items, with their numbers.
pub(crate) struct Ring<T> {
    state: Mutex<RingState<T>>,
    /// Wakes readers that wait for an item.
    news: Notify,
    most_items: usize,
    most_bytes: usize,
}

struct RingState<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    /// The number of the last item that was put in, or 0.
    last: u64,
}

/// Items of a ring.
#[derive(Debug)]
pub(crate) struct RingSlice<T> {
    /// The items with their numbers, oldest first.
    pub(crate) items: Vec<(u64, T)>,
    /// How many items after the asked number are no longer there.
    pub(crate) missed: u64,
    /// The number of the last item of the ring.
    pub(crate) last: u64,
}

impl<T: Clone> Ring<T> {
    /// A ring of at most this many items and bytes. It always keeps the last item.
    pub(crate) fn new(most_items: usize, most_bytes: usize) -> Self {
        let state = RingState { items: VecDeque::new(), bytes: 0, last: 0 };
        Self { state: Mutex::new(state), news: Notify::new(), most_items, most_bytes }
    }

    /// Puts in an item of this many bytes.
    pub(crate) fn push(&self, item: T, bytes: usize) {
        self.state.lock().push(item, bytes, (self.most_items, self.most_bytes));
        self.news.notify_waiters();
    }

    /// Puts in items, each with its bytes. `skipped` items before them get numbers and are not kept.
    pub(crate) fn extend(&self, skipped: u64, items: impl Iterator<Item = (T, usize)>) {
        let mut state = self.state.lock();
        if skipped > 0 {
            state.items.clear();
            state.bytes = 0;
            state.last += skipped;
        }
        for (item, bytes) in items {
            state.push(item, bytes, (self.most_items, self.most_bytes));
        }
        drop(state);
        self.news.notify_waiters();
    }

    /// The first items after this number, at most this many.
    pub(crate) fn after(&self, number: u64, most: usize) -> RingSlice<T> {
        let state = self.state.lock();
        let first = state.last + 1 - state.items.len() as u64;
        let from = number.saturating_add(1).max(first);
        let skip = usize::try_from(from - first).unwrap_or(usize::MAX);
        // The items come first: a range that begins at the largest number has no next one.
        let items = state.items.iter().skip(skip).take(most).zip(from..);
        RingSlice {
            items: items.map(|((item, _), number)| (number, item.clone())).collect(),
            missed: from - number.saturating_add(1).min(from),
            last: state.last,
        }
    }

    /// The number of the last item, or 0.
    pub(crate) fn last(&self) -> u64 {
        self.state.lock().last
    }

    /// Waits until there is an item after this number. Cancel safe.
    pub(crate) async fn news_after(&self, number: u64) {
        loop {
            // Registered before the look, so that no item in between is missed.
            let mut news = std::pin::pin!(self.news.notified());
            news.as_mut().enable();
            if self.last() > number {
                return;
            }
            news.await;
        }
    }
}

impl<T> RingState<T> {
    fn push(&mut self, item: T, bytes: usize, (most_items, most_bytes): (usize, usize)) {
        let bytes = bytes + ITEM_BYTES;
        while !self.items.is_empty() && (self.items.len() >= most_items || self.bytes + bytes > most_bytes) {
            self.bytes -= self.items.pop_front().map_or(0, |(_, bytes)| bytes);
        }
        self.items.push_back((item, bytes));
        self.bytes += bytes;
        self.last += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(slice: &RingSlice<u64>) -> Vec<u64> {
        assert!(slice.items.iter().all(|(number, item)| number == item), "{slice:?}");
        slice.items.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn a_reader_gets_what_is_after_its_number_and_learns_what_it_missed() {
        let ring = Ring::new(4, 1 << 20);
        assert_eq!((numbers(&ring.after(0, 9)), ring.last()), (vec![], 0));
        (1..=3).for_each(|item| ring.push(item, 1));
        assert_eq!(numbers(&ring.after(0, 9)), [1, 2, 3]);
        assert_eq!((numbers(&ring.after(1, 1)), ring.after(1, 1).missed), (vec![2], 0));
        (4..=10).for_each(|item| ring.push(item, 1));
        let late = ring.after(2, 9);
        assert_eq!((numbers(&late), late.missed, late.last), (vec![7, 8, 9, 10], 4, 10));
        assert_eq!((numbers(&ring.after(10, 9)), ring.after(10, 9).missed), (vec![], 0));
        assert_eq!((numbers(&ring.after(u64::MAX, 9)), ring.after(u64::MAX, 9).missed), (vec![], 0));
    }

    #[test]
    fn bytes_are_bounded_and_the_last_item_always_stays() {
        let ring = Ring::new(1000, 1000);
        (1..=100).for_each(|item| ring.push(item, 100 - ITEM_BYTES));
        assert_eq!(numbers(&ring.after(0, 999)), (91..=100).collect::<Vec<_>>());
        ring.push(101, 5000);
        assert_eq!(numbers(&ring.after(0, 999)), [101]);
        ring.push(102, 1);
        assert_eq!((numbers(&ring.after(0, 999)), ring.after(0, 1).missed), (vec![102], 101));
    }

    #[test]
    fn what_was_skipped_counts_as_missed() {
        let ring = Ring::new(10, 1000);
        ring.push(1, 1);
        ring.extend(5, [(7, 1), (8, 1)].into_iter());
        let slice = ring.after(0, 9);
        assert_eq!((numbers(&slice), slice.missed), (vec![7, 8], 6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_waits_wakes_up_with_the_next_item() {
        let ring = std::sync::Arc::new(Ring::new(10, 1000));
        let waits = {
            let ring = std::sync::Arc::clone(&ring);
            tokio::spawn(async move { ring.news_after(1).await })
        };
        ring.push(1, 1);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert!(!waits.is_finished(), "the item is known to the reader");
        ring.push(2, 1);
        waits.await.unwrap();
        ring.news_after(1).await;
    }
}
