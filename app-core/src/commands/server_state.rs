//! What a command server's task shares with the server's handles, and how the server ends.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, OnceLock},
    thread,
};

use app_errors::Error;
use tokio::sync::mpsc;

use super::{
    channel::{Command, waiting},
    list::{Listing, Queue},
    state_cell::StateCell,
};
use crate::service::Once;

pub(super) struct ServerState<S> {
    /// Holds the state of an inline server. The task of any other server owns its state.
    pub(super) inline: Option<StateCell<S>>,
    /// Keeps the queue open when no handle is left.
    queue: mpsc::Sender<Command<S>>,
    /// How the server ended; empty when it was dropped or panicked.
    outcome: OnceLock<Result<(), Error>>,
    ended: Once,
}

impl<S> ServerState<S> {
    pub(super) fn new(queue: mpsc::Sender<Command<S>>, inline: bool) -> Self {
        let (inline, outcome) = (inline.then(StateCell::new), OnceLock::new());
        Self { inline, queue, outcome, ended: Once::default() }
    }

    /// Waits until the server has ended. `None` when it was dropped or panicked. Cancel safe.
    pub(super) async fn outcome(&self) -> Option<Result<(), Error>> {
        self.ended.wait().await;
        self.outcome.get().cloned()
    }
}

impl<S: Send> Queue for ServerState<S> {
    fn depth(&self) -> usize {
        waiting(&self.queue)
    }
}

/// Owned by the server's task. Its drop ends the server, whatever happened to the task: no command starts any more, and
/// everyone who waits for the end is told.
pub(super) struct ServerGuard<S> {
    state: Arc<ServerState<S>>,
    listing: Listing,
}

impl<S> ServerGuard<S> {
    pub(super) fn new(state: Arc<ServerState<S>>, listing: Listing) -> Self {
        Self { state, listing }
    }

    pub(super) fn state(&self) -> &ServerState<S> {
        &self.state
    }

    /// Ends the server with this result.
    pub(super) fn end(self, result: Result<(), Error>) {
        // Empty: this consumes the one guard.
        let _ = self.state.outcome.set(result);
    }
}

impl<S> Drop for ServerGuard<S> {
    fn drop(&mut self) {
        // The state's drop is code of the author's: a panic in it must not keep anyone waiting.
        let closed = catch_unwind(AssertUnwindSafe(|| self.state.inline.as_ref().map(StateCell::close)));
        // Off the list before anyone learns of the end.
        self.listing.end();
        self.state.ended.happens();
        if let Err(panic) = closed
            && !thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}
