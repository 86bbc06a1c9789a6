//! How a run is ended from outside.

use tokio_util::sync::CancellationToken;

/// Ends a run.
#[derive(Clone)]
pub(crate) struct RunHandle {
    /// Asks the check to end.
    pub(crate) cancel: CancellationToken,
    /// Drops the check's future.
    pub(crate) drop: CancellationToken,
}
