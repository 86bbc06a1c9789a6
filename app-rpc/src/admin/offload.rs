//! What blocks, away from the threads of RPC: one that blocks there holds up the other connections of its thread.

use std::sync::Arc;

use app_core::prelude::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How many run at a time.
const AT_A_TIME: usize = 4;

/// How long one may take, its wait for a turn included.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Runs what blocks on the application's runtime. Cheap to clone.
#[derive(Clone)]
pub(super) struct Offload {
    runtime: Handle,
    turns: Arc<Semaphore>,
}

impl Offload {
    pub(super) fn new(runtime: Handle) -> Self {
        Self { runtime, turns: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    /// Runs it, and gives its result. One that takes too long goes on, with its turn, and its result is lost.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> capnp::Result<T> {
        let running = async {
            // It is never closed.
            let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
            self.runtime.spawn_blocking(move || (work(), turn)).await
        };
        match timeout(DEADLINE, running).await {
            Ok(Ok((result, _turn))) => Ok(result),
            Ok(Err(_)) => Err(capnp::Error::failed(format!("{what} panicked"))),
            Err(_) => Err(capnp::Error::failed(format!("{what} took longer than {} s", DEADLINE.as_secs()))),
        }
    }
}
