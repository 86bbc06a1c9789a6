//! Dropping long chains of causes without recursion.
//!
//! Dropped in the plain way, an error drops its cause from inside its own drop, and that one drops its cause, until a
//! chain of thousands has used the stack up. Here the first drop of an error on a thread does the work for all: the
//! drops that happen inside it only leave their cause in a list of the thread. Other libraries' errors between ours are
//! fine, since they end up in a drop of ours again; a long chain of theirs alone is in their hands.

use std::cell::RefCell;

use crate::error::Cause;

thread_local! {
    /// Causes that wait for the drop at work on this thread; none when no drop is at work.
    static WAITING: RefCell<Option<Vec<Cause>>> = const { RefCell::new(None) };
}

/// Drops the cause of an error that is being dropped.
pub(crate) fn release(cause: Cause) {
    // At the thread's very end its list is gone, and with it the cause, in the plain way.
    let mine = WAITING.try_with(|waiting| {
        let mut waiting = waiting.borrow_mut();
        if let Some(list) = waiting.as_mut() {
            list.push(cause);
            return None;
        }
        *waiting = Some(Vec::new());
        Some(cause)
    });
    let Ok(Some(first)) = mine else { return };
    let at_work = AtWork;
    let mut next = Some(first);
    while let Some(cause) = next {
        drop(cause);
        next = WAITING.with_borrow_mut(|waiting| waiting.as_mut().and_then(Vec::pop));
    }
    drop(at_work);
}

/// Ends the work, also when another library's drop panics.
struct AtWork;

impl Drop for AtWork {
    fn drop(&mut self) {
        // Taken out before it is dropped: what is left after a panic comes back here when it drops.
        let left = WAITING.try_with(RefCell::take);
        drop(left);
    }
}

#[cfg(test)]
mod tests;
