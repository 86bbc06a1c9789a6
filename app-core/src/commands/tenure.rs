//! The time of a command server, from its making to its end, as others see it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{Arc, OnceLock},
    thread,
};

use app_errors::Error;
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc},
};

use super::{
    channel::{Command, waiting},
    desk::Desk,
    list::{Listing, Queue},
};

#[derive(Debug, Clone)]
pub(super) enum Phase {
    Initialising,
    Running,
    Ended(Result<(), Error>),
    /// Without an end of its own: dropped, or by a panic.
    Gone,
}

/// What a command server's task shares with the handles.
pub(super) struct Tenure<S> {
    pub(super) desk: Desk<S>,
    /// Made before the first command goes into it.
    pub(super) queue: OnceLock<mpsc::Sender<Command<S>>>,
    /// Where the commands run.
    pub(super) runtime: Handle,
    phase: Mutex<Phase>,
    changed: Notify,
}

impl<S> Tenure<S> {
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn new(phase: Phase) -> Arc<Self> {
        let (desk, queue, runtime) = (Desk::new(), OnceLock::new(), Handle::current());
        let (phase, changed) = (Mutex::new(phase), Notify::new());
        Arc::new(Self { desk, queue, runtime, phase, changed })
    }

    /// Waits for a phase. Cancel safe.
    pub(super) async fn reaches(&self, which: impl Fn(&Phase) -> bool) -> Phase {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Before it looks: what changes after that is told.
            changed.as_mut().enable();
            let phase = self.phase.lock().clone();
            if which(&phase) || matches!(phase, Phase::Ended(_) | Phase::Gone) {
                return phase;
            }
            changed.await;
        }
    }

    fn turns(&self, phase: Phase) {
        *self.phase.lock() = phase;
        self.changed.notify_waiters();
    }
}

impl<S: Send> Queue for Tenure<S> {
    fn depth(&self) -> usize {
        self.queue.get().map_or(0, waiting)
    }
}

/// Held by the server's task: when that is gone, whatever became of it, nothing runs any more, and everybody knows.
pub(super) struct Tenant<S> {
    tenure: Arc<Tenure<S>>,
    ended: bool,
    listing: Listing,
}

impl<S> Tenant<S> {
    pub(super) fn new(tenure: Arc<Tenure<S>>, listing: Listing) -> Self {
        Self { tenure, ended: false, listing }
    }

    pub(super) fn tenure(&self) -> &Tenure<S> {
        &self.tenure
    }

    pub(super) fn desk(&self) -> &Desk<S> {
        &self.tenure.desk
    }

    pub(super) fn runs(&self) {
        self.tenure.turns(Phase::Running);
    }

    /// The server has ended as it should. It is off the list before anyone learns of it.
    pub(super) fn ended(mut self, result: Result<(), Error>) {
        self.ended = true;
        self.listing.ends();
        self.tenure.turns(Phase::Ended(result));
    }
}

impl<S> Drop for Tenant<S> {
    fn drop(&mut self) {
        // The state's drop is the service's own code: a panic in it must not keep anyone waiting.
        let closed = catch_unwind(AssertUnwindSafe(|| self.tenure.desk.close()));
        if !self.ended {
            self.listing.ends();
            self.tenure.turns(Phase::Gone);
        }
        if let Err(panic) = closed
            && !thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}
