//! An event that happens once.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// An event that happens once, and that any number of tasks may wait for.
#[derive(Default)]
pub(crate) struct Once {
    happened: AtomicBool,
    told: Notify,
}

impl Once {
    /// Wakes all waiters. They see everything that was done before.
    pub(crate) fn happens(&self) {
        self.happened.store(true, Ordering::Release);
        self.told.notify_waiters();
    }

    /// Waits until it has happened. Cancel safe.
    pub(crate) async fn wait(&self) {
        // Made before the load, so that it is notified of a later event even before its first poll.
        let told = self.told.notified();
        if !self.happened.load(Ordering::Acquire) {
            told.await;
        }
    }
}
