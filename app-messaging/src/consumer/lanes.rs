//! Lanes: messages of one key run one after another, in the order in which they came.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The last ticket of each key that has one.
#[derive(Debug, Default)]
pub(super) struct Lanes(Arc<Mutex<Tickets>>);

#[derive(Debug, Default)]
struct Tickets {
    last_number: u64,
    by_key: HashMap<u64, (u64, oneshot::Receiver<()>)>,
}

/// A place in a lane. Dropping it lets the next one go.
#[derive(Debug)]
pub(super) struct Ticket {
    tickets: Arc<Mutex<Tickets>>,
    key: u64,
    number: u64,
    before: Option<oneshot::Receiver<()>>,
    /// Dropped with the ticket, which tells the next one.
    _done: oneshot::Sender<()>,
}

impl Lanes {
    /// The next place in the lane of a key.
    pub(super) fn ticket(&self, key: u64) -> Ticket {
        let (done, after) = oneshot::channel();
        let mut tickets = self.0.lock();
        tickets.last_number += 1;
        let number = tickets.last_number;
        let before = tickets.by_key.insert(key, (number, after)).map(|(_, before)| before);
        drop(tickets);
        Ticket { tickets: Arc::clone(&self.0), key, number, before, _done: done }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().by_key.len()
    }
}

impl Ticket {
    /// Waits until all before it are done. Cancel safe.
    pub(super) async fn turn(&mut self) {
        if let Some(before) = &mut self.before {
            // An error means that the one before was dropped: it is done.
            let _ = before.await;
            self.before = None;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut tickets = self.tickets.lock();
        if tickets.by_key.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            tickets.by_key.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn messages_of_one_key_wait_for_each_other_and_leave_nothing_behind() {
        let lanes = Lanes::default();
        let (mut first, mut second, mut other) = (lanes.ticket(1), lanes.ticket(1), lanes.ticket(2));
        assert!(first.turn().now_or_never().is_some());
        assert!(other.turn().now_or_never().is_some());
        assert!(second.turn().now_or_never().is_none());
        drop(first);
        assert!(second.turn().now_or_never().is_some());
        let mut third = lanes.ticket(1);
        assert!(third.turn().now_or_never().is_none());
        drop(second);
        assert!(third.turn().now_or_never().is_some());
        drop((third, other));
        assert_eq!(lanes.len(), 0);
    }
}
