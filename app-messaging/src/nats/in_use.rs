//! A link that a call uses. It does not close before the call ends.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::link::Link;

/// Counts the calls that use a link.
///
/// A call counts itself first, and looks then whether the link closes. Who closes says so first, and looks at the count then. All
/// four are sequentially consistent, so one of both sees the other.
#[derive(Default)]
pub(super) struct Uses {
    closing: AtomicBool,
    count: AtomicUsize,
}

impl Uses {
    /// New calls take another link, if there is one.
    pub(super) fn begin_close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// A link, as long as a call uses it.
pub(super) struct LinkInUse(Arc<Link>);

impl LinkInUse {
    pub(super) fn new(link: Arc<Link>) -> Self {
        link.uses().count.fetch_add(1, Ordering::SeqCst);
        Self(link)
    }

    pub(super) fn is_closing(&self) -> bool {
        self.uses().closing.load(Ordering::SeqCst)
    }

    /// The link, for what goes on when it closes: a pull or a watch.
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.0
    }
}

impl Deref for LinkInUse {
    type Target = Link;

    fn deref(&self) -> &Link {
        &self.0
    }
}

impl Drop for LinkInUse {
    fn drop(&mut self) {
        self.uses().count.fetch_sub(1, Ordering::SeqCst);
    }
}
