//! Blocking work, apart from the threads of RPC. On those, it would hold up the other connections of its thread.

use std::io;
use std::sync::Arc;

use app_core::{duration::show_duration, prelude::Duration, threads::run_blocking};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::gate::Session;
use crate::Role;

/// The most work at a time for readers. One client has two of these permits at most.
const FOR_READERS: usize = 4;

/// The most work at a time for operators and administrators, whatever readers do.
const FOR_OPERATORS: usize = 2;

/// The longest time for one piece of work, including its wait for permits.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Runs blocking work, each piece on a thread of its own.
pub(super) struct Offload {
    readers: Arc<Semaphore>,
    operators: Arc<Semaphore>,
}

impl Offload {
    pub(super) fn new() -> Self {
        Self {
            readers: Arc::new(Semaphore::new(FOR_READERS)),
            operators: Arc::new(Semaphore::new(FOR_OPERATORS)),
        }
    }

    /// Runs work for a client and returns its result. Work that takes too long goes on and keeps its permits, but its result is lost.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        session: &Session,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> capnp::Result<T> {
        let shared = if session.peer.role_now() > Role::Read { &self.operators } else { &self.readers };
        let running = run(&session.client.offloaded, shared, work);
        match timeout(DEADLINE, running).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(capnp::Error::failed(format!("{what} failed: {error}"))),
            Err(_) => {
                Err(capnp::Error::failed(format!("{what} took longer than {}", show_duration(DEADLINE))))
            }
        }
    }
}

/// Runs work when there is one of the client's own permits, and one of those that it shares with others.
///
/// The own permit comes first. So a client never holds a shared permit without using it.
async fn run<T: Send + 'static>(
    own: &Arc<Semaphore>,
    shared: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    // Neither semaphore is ever closed.
    let own = Arc::clone(own).acquire_owned().await.ok();
    let permits = (own, Arc::clone(shared).acquire_owned().await.ok());
    let (result, _permits) = run_blocking("rpc-blocking", move || (work(), permits)).await?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::future::join_all;

    use super::super::clients::MAX_OFFLOADED;
    use super::*;

    #[tokio::test]
    async fn one_client_does_not_hold_the_permits_of_all() {
        let shared = Arc::new(Semaphore::new(FOR_READERS));
        let clients = [(); 2].map(|()| Arc::new(Semaphore::new(MAX_OFFLOADED)));
        let (go_on, waits): (Vec<_>, Vec<_>) = (0..20).map(|_| mpsc::channel::<()>()).unzip();
        let stuck =
            join_all(waits.into_iter().map(|wait| run(&clients[0], &shared, move || wait.recv().is_ok())));
        let (mut stuck, other) = (Box::pin(stuck), run(&clients[1], &shared, || 7));
        let answered = tokio::select! {
            biased;
            _ = &mut stuck => None,
            answered = other => answered.ok(),
        };
        assert_eq!(answered, Some(7), "the other client's work runs");
        drop(go_on);
        assert!(stuck.await.into_iter().all(|ended| ended.is_ok()), "all work ends");
    }
}
