//! Between start and stop: what the death of a service means for the rest.

use app_errors::{Error, ErrorSeverity};
use futures_util::{StreamExt, stream::FuturesUnordered};

use super::stop;
use crate::{App, Service, StopCause, graph::Plan};

/// Looks after the services until the app is killed.
///
/// Dependents stop beside each other: those that hang hold up neither others, nor the end that a FATAL error means.
pub(super) async fn until_killed(app: &App, plan: &Plan) {
    let mut stopping = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            () = app.dying() => return,
            () = app.inner.died.notified() => {
                stopping.extend(app.take_deaths().into_iter().map(|(service, failure)| died(app, plan, service, failure)));
            }
            Some(()) = stopping.next() => {}
        }
    }
}

/// A service that died for good takes its dependents along; one that died of a FATAL error takes the app.
async fn died(app: &App, plan: &Plan, service: Service, failure: Option<Error>) {
    if let Some(failure) = failure.as_ref().filter(|failure| failure.severity() == ErrorSeverity::Fatal) {
        app.kill(StopCause::Fatal(failure.clone()));
        return;
    }
    stop::stop_dependents(app, plan, &service, failure.as_ref()).await;
}
