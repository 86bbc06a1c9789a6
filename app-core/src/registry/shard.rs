//! A snapshot with a version, so that what was found in it can be remembered.
//!
//! 1. One writer at a time publishes. The version is odd from before a snapshot is published until after it was.
//! 2. What is remembered was looked for after the version had been read, and holds as long as that is the version, and even.
//!    So nothing was published since: whoever has seen a newer snapshot, or was told of it, sees a newer version too.

use std::sync::Arc;

use super::sync::{ArcSwapOption, AtomicU64, Loaded, Ordering};

pub(crate) struct Shard<T> {
    version: AtomicU64,
    snapshot: ArcSwapOption<T>,
}

/// Something that was looked for in a shard.
#[derive(Clone)]
pub(crate) struct Remembered<R> {
    version: u64,
    pub(crate) what: R,
}

impl<T> Shard<T> {
    pub(crate) fn new() -> Self {
        Self { version: AtomicU64::new(0), snapshot: ArcSwapOption::empty() }
    }

    pub(crate) fn load(&self) -> Loaded<T> {
        self.snapshot.load()
    }

    /// Only for one writer at a time.
    pub(crate) fn publish(&self, next: Option<Arc<T>>) {
        // The snapshot carries this one along to whoever sees it, the second one carries the snapshot.
        self.version.fetch_add(1, Ordering::Relaxed);
        self.snapshot.store(next);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Looks for something that is to be remembered.
    pub(crate) fn remember<R>(&self, look: impl FnOnce() -> R) -> Remembered<R> {
        // Before it looks. Pairs with the release of a publication: what is looked for is not older than it says.
        let version = self.version.load(Ordering::Acquire);
        Remembered { version, what: look() }
    }
}

impl<R> Remembered<R> {
    /// Whether it would be found again.
    pub(crate) fn holds<T>(&self, shard: &Shard<T>) -> bool {
        let version = shard.version.load(Ordering::Acquire);
        self.version == version && version.is_multiple_of(2)
    }
}
