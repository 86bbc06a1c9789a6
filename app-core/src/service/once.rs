//! Something that happens once.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
};

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
        while !self.has_happened() {
            let mut told = pin!(self.told.notified());
            // Before it looks: what happens after that is told.
            told.as_mut().enable();
            if !self.has_happened() {
                told.await;
            }
        }
    }

    fn has_happened(&self) -> bool {
        self.happened.load(Ordering::Acquire)
    }
}
