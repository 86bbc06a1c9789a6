//! Handlers wait behind a gate while their stream is filled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};

pub(super) struct Gate {
    open: watch::Sender<bool>,
    /// How many messages may still come.
    left: AtomicU64,
    all: Notify,
}

impl Gate {
    pub(super) fn closed() -> Arc<Self> {
        Arc::new(Self { open: watch::Sender::new(false), left: AtomicU64::new(0), all: Notify::new() })
    }

    /// What a handler does. The last one that may pass closes the gate.
    pub(super) async fn pass(&self) {
        loop {
            if !*self.open.borrow() {
                // The gate outlives its handlers.
                let _ = self.open.subscribe().wait_for(|open| *open).await;
            }
            let one_less = |left: u64| left.checked_sub(1);
            match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) {
                Ok(1) => {
                    self.open.send_replace(false);
                    self.all.notify_one();
                    return;
                }
                Ok(_) => return,
                // Another one was the last.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    /// Opens until so many messages passed. Returns how long that took.
    pub(super) async fn lets_through(&self, count: u64) -> Duration {
        self.left.store(count, Ordering::Relaxed);
        let began = Instant::now();
        self.open.send_replace(true);
        self.all.notified().await;
        began.elapsed()
    }
}
