//! Checks that run before any service starts, contributed by the crates that know what to check.

use std::panic::{AssertUnwindSafe, catch_unwind};

use app_errors::{Error, errors};

use crate::{App, ids::APP_SERVICE, panics};

/// A check of what a start rests on, run before any service starts and by `--check`.
///
/// app-config contributes a check that reads every config. [`preflight!`](crate::preflight) contributes another one:
///
/// ```
/// use app_core::{App, plugins::Preflight, prelude::*};
///
/// fn clock_is_sane(app: &App) -> Vec<Error> {
///     if app.started_on() > std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000) { return Vec::new() }
///     vec![errors::SERVICE_INIT_FAILED.error(app_core::APP_SERVICE).message("the clock is wrong").build()]
/// }
///
/// app_core::preflight! { Preflight::new("clock", clock_is_sane) }
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Preflight {
    name: &'static str,
    run: fn(&App) -> Vec<Error>,
}

inventory::collect!(Preflight);

impl Preflight {
    /// A check that returns every problem it finds. A problem that is a `ConfigFailure` means exit status 78.
    #[must_use]
    pub const fn new(name: &'static str, run: fn(&App) -> Vec<Error>) -> Self {
        Self { name, run }
    }

    /// Runs every linked check, sorted by name so that runs are alike, and collects what they find.
    pub(crate) fn run_all(app: &App) -> Vec<Error> {
        let mut checks: Vec<_> = inventory::iter::<Self>.into_iter().collect();
        checks.sort_by_key(|check| check.name);
        checks.into_iter().flat_map(|check| check.run(app)).collect()
    }

    fn run(&self, app: &App) -> Vec<Error> {
        catch_unwind(AssertUnwindSafe(|| (self.run)(app))).unwrap_or_else(|panic| {
            let message = format!("preflight {:?} panicked: {}", self.name, panics::message(panic.as_ref()));
            vec![errors::BUG.error(APP_SERVICE).message(message).build()]
        })
    }
}

/// Contributes a [`Preflight`].
#[macro_export]
macro_rules! preflight {
    ($preflight:expr) => {
        $crate::__private::inventory::submit! { $preflight }
    };
}
