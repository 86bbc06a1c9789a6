//! What blocks, away from the threads of RPC: one that blocks there holds up the other connections of its thread.

use std::sync::Arc;

use app_core::{prelude::Duration, run_blocking, show_duration};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How many run at a time.
const AT_A_TIME: usize = 4;

/// How long one may take, its wait for a turn included.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Runs what blocks, on a thread of its own. Cheap to clone.
#[derive(Clone)]
pub(super) struct Offload {
    turns: Arc<Semaphore>,
}

impl Offload {
    pub(super) fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    /// Runs the work, and gives its result. Work that takes too long runs on, with its turn, and its result is lost.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> capnp::Result<T> {
        let running = async {
            // It is never closed.
            let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
            run_blocking("rpc-blocking", move || (work(), turn)).await
        };
        match timeout(DEADLINE, running).await {
            Ok(Ok((result, _turn))) => Ok(result),
            Ok(Err(error)) => Err(capnp::Error::failed(format!("{what} failed: {error}"))),
            Err(_) => {
                Err(capnp::Error::failed(format!("{what} took longer than {}", show_duration(DEADLINE))))
            }
        }
    }
}
