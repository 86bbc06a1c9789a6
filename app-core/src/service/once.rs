//! Something that happens once.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Something that happens once, and that many may wait for.
#[derive(Default)]
pub(super) struct Once {
    happened: AtomicBool,
    told: Notify,
}

impl Once {
    /// It happens. Who waits for it sees all that was done before.
    pub(super) fn happens(&self) {
        self.happened.store(true, Ordering::Release);
        self.told.notify_waiters();
    }

    /// Waits until it has happened. Cancel safe.
    pub(super) async fn wait(&self) {
        // Made before it looks: what happens after that reaches it, polled or not.
        let told = self.told.notified();
        if !self.happened.load(Ordering::Acquire) {
            told.await;
        }
    }
}
