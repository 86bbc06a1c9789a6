//! The open connections.

use super::stream::Activity;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// The open connections, with a task each. Dropping this value aborts the tasks.
#[derive(Default)]
pub(super) struct Connections {
    tasks: JoinSet<()>,
    open: HashMap<Id, (Arc<Activity>, AbortHandle)>,
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn add(
        &mut self,
        activity: Arc<Activity>,
        connection: impl Future<Output = ()> + Send + 'static,
    ) {
        let handle = self.tasks.spawn(connection);
        self.open.insert(handle.id(), (activity, handle));
    }

    /// Waits until a connection ends; for ever if there is none. Returns the panic of a connection that panicked.
    /// Cancel safe.
    pub(super) async fn ended(&mut self) -> Option<JoinError> {
        let Some(ended) = self.tasks.join_next_with_id().await else { return std::future::pending().await };
        let (id, failure) = match ended {
            Ok((id, ())) => (id, None),
            Err(error) => (error.id(), Some(error)),
        };
        self.open.remove(&id);
        failure.filter(JoinError::is_panic)
    }

    /// Closes the connection that has waited longest for its client. Returns `false` if all are being answered.
    pub(super) async fn close_longest_waiting(&mut self) -> bool {
        let waiting =
            self.open.values().filter_map(|(activity, handle)| Some((activity.waiting_since()?, handle)));
        let Some((_, handle)) = waiting.min_by_key(|(since, _)| *since) else { return false };
        handle.abort();
        // The task ends as soon as it is scheduled, unless another ends first, which is as good.
        self.ended().await;
        true
    }

    /// Waits until all connections have ended.
    pub(super) async fn all_ended(&mut self) {
        while !self.is_empty() {
            self.ended().await;
        }
    }
}
