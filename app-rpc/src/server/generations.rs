//! Connections by when they were made, so that a stopping server can end the earlier ones and still take new ones.
//!
//! A server whose listener outlives the process stops in two steps. First it ends the connections that it has: their clients are told to
//! go elsewhere, and running calls end. In the meantime it accepts, because clients that connect would otherwise wait for the next
//! process. Then it accepts no more, and ends the connections that came in between.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use app_core::prelude::Duration;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// The part of the drain limit that is left for connections which came during the drain. The process ends within a second of the
/// last connection that it accepts, if no call takes longer.
const LAST: Duration = Duration::from_millis(750);

/// The connections of some time. Each holds this.
pub(super) struct Generation {
    retired: CancellationToken,
    /// Closes its channel when the last connection has ended.
    _held: mpsc::Sender<Infallible>,
}

impl Generation {
    fn begin() -> (Arc<Self>, mpsc::Receiver<Infallible>) {
        let (held, ended) = mpsc::channel(1);
        (Arc::new(Self { retired: CancellationToken::new(), _held: held }), ended)
    }

    /// Waits until its connections are to end. Cancel safe.
    pub(super) async fn retired(&self) {
        self.retired.cancelled().await;
    }
}

/// All generations of a server.
pub(super) struct Generations {
    current: Mutex<(Arc<Generation>, mpsc::Receiver<Infallible>)>,
    /// When the drain is over, once the stop has begun.
    until: OnceLock<Instant>,
}

impl Default for Generations {
    fn default() -> Self {
        Self { current: Mutex::new(Generation::begin()), until: OnceLock::new() }
    }
}

impl Generations {
    /// The generation of a new connection.
    pub(super) fn current(&self) -> Arc<Generation> {
        Arc::clone(&self.current.lock().0)
    }

    /// Begins the stop: all connections together have this time.
    pub(super) fn begin_stop(&self, drain: Duration) {
        // A second stop changes nothing.
        let _ = self.until.set(Instant::now() + drain);
    }

    /// How long running calls of a connection may take from now on, if the server has this drain limit.
    pub(super) fn drain(&self, limit: Duration) -> Duration {
        match self.until.get() {
            Some(until) => until.saturating_duration_since(Instant::now()).max(LAST.min(limit)),
            None => limit,
        }
    }

    /// Ends the connections so far, and waits for that. Leaves some of the drain limit for later ones.
    pub(super) async fn retire(&self) {
        let until = self.until.get().copied().unwrap_or_else(Instant::now);
        let limit = until.saturating_duration_since(Instant::now());
        let (earlier, mut ended) = std::mem::replace(&mut *self.current.lock(), Generation::begin());
        earlier.retired.cancel();
        drop(earlier);
        // Without a message, it ends when the last connection does.
        let _ = timeout_at(until - LAST.min(limit / 2), ended.recv()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn earlier_connections_are_waited_for_and_later_ones_have_what_is_left() {
        let generations = Arc::new(Generations::default());
        let (first, second) = (generations.current(), generations.current());
        assert_eq!(generations.drain(8 * SECOND), 8 * SECOND, "no stop");
        generations.begin_stop(8 * SECOND);
        let own = Arc::clone(&generations);
        let retiring = tokio::spawn(async move { own.retire().await });
        first.retired().await;
        drop(first);
        let later = generations.current();
        tokio::time::sleep(3 * SECOND).await;
        assert!(!retiring.is_finished() && !later.retired.is_cancelled());
        drop(second);
        retiring.await.unwrap();
        assert_eq!(generations.drain(8 * SECOND), 5 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_end_leaves_time_for_later_ones() {
        let generations = Generations::default();
        let _held = generations.current();
        let begun = Instant::now();
        generations.begin_stop(8 * SECOND);
        generations.retire().await;
        assert_eq!(begun.elapsed(), 8 * SECOND - LAST);
        assert_eq!(generations.drain(8 * SECOND), LAST);
    }
}
