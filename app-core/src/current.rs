//! The current app of the process, which [`run`](crate::run()) installs.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

use app_errors::{Error, app_not_alive_error};
use arc_swap::ArcSwapOption;

use crate::{App, StopCause, StopReport, events::AppEvent};

static CURRENT: ArcSwapOption<App> = ArcSwapOption::const_empty();

/// Makes an app the process's current one: [`run`](crate::run()) does.
pub fn install(app: &App) {
    CURRENT.store(Some(Arc::new(app.clone())));
}

/// The process's current app.
///
/// # Errors
/// `AppNotAlive` when none was installed.
pub fn current() -> Result<App, Error> {
    CURRENT.load().as_deref().cloned().ok_or_else(app_not_alive_error)
}

/// Waits for something of the current app; at once without an app.
pub(crate) async fn wait_for<F: Future<Output = ()>>(wait: impl FnOnce(App) -> F) {
    if let Ok(app) = current() {
        wait(app).await;
    }
}

/// The stacks of the current app, or of the threads alone without an app.
pub(crate) fn dump_all_stacks(out: &mut dyn Write) -> io::Result<()> {
    match current() {
        Ok(app) => app.dump_stacks(out),
        Err(_) => crate::stacks::dump_threads(out),
    }
}

/// Stops the current app and starts another one of the same services, with this config directory.
pub(crate) async fn reset_with(config_dir: PathBuf) -> Result<StopReport, Error> {
    let old = current()?;
    old.kill(StopCause::Killed("reset".to_owned()));
    let report = old.stopped().await;
    let new = old.remake(config_dir);
    install(&new);
    new.host().emit(AppEvent::Reset);
    match new.start().await {
        Ok(()) => Ok(report),
        Err(failed) => Err(failed.into_error()),
    }
}
