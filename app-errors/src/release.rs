//! Dropping long chains of causes without recursion.
//!
//! The usual drop of an error drops its cause, which drops the next cause, and so on: a chain of thousands overflows the
//! stack. Here, the outermost drop on a thread owns a queue. Drops of errors inside it only put their cause into the
//! queue, and the outermost drop empties it in a loop.
//!
//! Foreign errors between [`Error`](crate::Error)s are fine, because the next [`Error`](crate::Error) uses the queue
//! again. A long chain of foreign errors alone still recurses.

use std::cell::RefCell;

use crate::chain::Cause;

thread_local! {
    /// Causes to drop. `None` while no drop of an error runs on this thread.
    static QUEUE: RefCell<Option<Vec<Cause>>> = const { RefCell::new(None) };
}

/// Drops the cause of an error that is being dropped.
pub(crate) fn release(cause: Cause) {
    // At the end of the thread the queue is gone. Then the closure, and with it the cause, is dropped right here.
    let outermost = QUEUE.try_with(|queue| {
        let mut queue = queue.borrow_mut();
        if let Some(queue) = queue.as_mut() {
            queue.push(cause);
            return None;
        }
        *queue = Some(Vec::new());
        Some(cause)
    });
    let Ok(Some(first)) = outermost else { return };
    let guard = QueueGuard;
    let mut next = Some(first);
    while let Some(cause) = next {
        drop(cause);
        next = QUEUE.with_borrow_mut(|queue| queue.as_mut().and_then(Vec::pop));
    }
    drop(guard);
}

/// Removes the queue, also when the drop of a foreign error panics.
struct QueueGuard;

impl Drop for QueueGuard {
    fn drop(&mut self) {
        // Taken out first: dropping what a panic left in the queue calls `release` again, which borrows `QUEUE`.
        let rest = QUEUE.try_with(RefCell::take);
        drop(rest);
    }
}

#[cfg(test)]
mod tests;
