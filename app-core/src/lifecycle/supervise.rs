//! Between start and stop: what the death of a service means for the rest.

use app_errors::{Error, ErrorSeverity};

use super::stop;
use crate::{App, Service, StopCause, graph::Plan};

/// Looks after the services until the app is killed.
pub(super) async fn until_killed(app: &App, plan: &Plan) {
    loop {
        tokio::select! {
            biased;
            () = app.dying() => return,
            () = app.inner.died.notified() => {}
        }
        for (service, failure) in app.take_deaths() {
            tokio::select! {
                biased;
                () = app.dying() => return,
                () = died(app, plan, &service, failure) => {}
            }
        }
    }
}

/// A service that died for good takes its dependents along; one that died of a FATAL error takes the app.
async fn died(app: &App, plan: &Plan, service: &Service, failure: Option<Error>) {
    if let Some(failure) = failure.as_ref().filter(|failure| failure.severity() == ErrorSeverity::Fatal) {
        app.kill(StopCause::Fatal(failure.clone()));
        return;
    }
    stop::stop_dependents(app, plan, service, failure.as_ref()).await;
}
