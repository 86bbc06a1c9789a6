//! What an app is to wait for before it takes over from another process, as plugins.

use crate::App;

/// A function that says whether the app can do its work. A crate submits it through inventory.
///
/// The kernel knows whether every service runs. app-health contributes the critical health checks.
#[derive(Debug, Clone, Copy)]
pub struct ReadyWhen(fn(&App) -> Vec<String>);

inventory::collect!(ReadyWhen);

impl ReadyWhen {
    /// A function that returns every reason why the app is not ready. It may not block.
    #[must_use]
    pub const fn new(reasons: fn(&App) -> Vec<String>) -> Self {
        Self(reasons)
    }

    /// Every reason of all.
    pub(crate) fn reasons(app: &App) -> Vec<String> {
        inventory::iter::<Self>.into_iter().flat_map(|when| (when.0)(app)).collect()
    }
}
