//! Notes that a crate contributes by being linked: what needs attention although the application can do its work.

use app_core::App;

/// Notes of a linked crate, for [`notes`](crate::notes), `/readyz` and `/healthz`.
///
/// A note does not make the application unready. It tells people what they should look at.
pub struct LinkedNotes {
    notes: fn(&App) -> Vec<String>,
}

inventory::collect!(LinkedNotes);

impl LinkedNotes {
    /// Notes that this function finds. It must not block. [`health_notes!`](crate::health_notes) expands to this call.
    #[must_use]
    pub const fn new(notes: fn(&App) -> Vec<String>) -> Self {
        Self { notes }
    }

    /// The notes of every linked crate.
    pub(crate) fn all(app: &App) -> Vec<String> {
        let mut all: Vec<_> =
            inventory::iter::<Self>.into_iter().flat_map(|linked| (linked.notes)(app)).collect();
        all.sort();
        all
    }
}

/// Contributes a function `fn(&App) -> Vec<String>` whose notes `/readyz` shows.
///
/// ```
/// use app_core::{App, testing::TestApp};
///
/// fn disk(_: &App) -> Vec<String> {
///     vec!["the disk is nearly full".to_owned()]
/// }
///
/// app_health::health_notes! { disk }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = TestApp::empty().await;
/// assert_eq!(app_health::notes(&app), ["the disk is nearly full"]);
/// # }
/// ```
#[macro_export]
macro_rules! health_notes {
    ($notes:path $(,)?) => {
        $crate::__private::inventory::submit! { $crate::LinkedNotes::new($notes) }
    };
}
