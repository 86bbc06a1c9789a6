//! The state that a command server's task shares with the server's handles, and the end of the server.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, OnceLock},
    thread,
};

use app_errors::Error;
use tokio::sync::mpsc;

use super::{
    list::{Listing, QueueDepth},
    queue::{Command, waiting},
    state_cell::StateCell,
};
use crate::service::Once;

pub(super) struct ServerState<S> {
    /// Holds the state of an inline server. The task of any other server owns its state.
    pub(super) inline: Option<StateCell<S>>,
    /// Keeps the queue open without any handle.
    queue: mpsc::Sender<Command<S>>,
    /// The result of the server. Empty if the server was dropped, or a command panicked.
    outcome: OnceLock<Result<(), Error>>,
    ended: Once,
}

impl<S> ServerState<S> {
    pub(super) fn new(queue: mpsc::Sender<Command<S>>, inline: bool) -> Self {
        let (inline, outcome) = (inline.then(StateCell::new), OnceLock::new());
        Self { inline, queue, outcome, ended: Once::default() }
    }

    /// Waits until the server has ended. `None` if it was dropped, or a command panicked. Cancel safe.
    pub(super) async fn outcome(&self) -> Option<Result<(), Error>> {
        self.ended.wait().await;
        self.outcome.get().cloned()
    }
}

impl<S: Send> QueueDepth for ServerState<S> {
    fn depth(&self) -> usize {
        waiting(&self.queue)
    }
}

/// Ends the server in its drop: no command starts any more, and waits for the end return. The server's task owns it, so the
/// server ends however the task ends.
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
        // Cannot fail: this consumes the only guard, so the cell is empty.
        let _ = self.state.outcome.set(result);
    }
}

impl<S> Drop for ServerGuard<S> {
    fn drop(&mut self) {
        // The drop of the state is code of the service. A panic in it must not leave callers waiting.
        let closed = catch_unwind(AssertUnwindSafe(|| self.state.inline.as_ref().map(StateCell::close)));
        // Removed from the list before callers learn of the end.
        self.listing.end();
        self.state.ended.happens();
        if let Err(panic) = closed
            && !thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}
