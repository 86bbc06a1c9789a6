//! Between start and stop: what the end of a service means for the rest.

use app_errors::ErrorSeverity;
use futures_util::{StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;

use super::stop;
use crate::{App, Service, StopCause, graph::Plan};

/// Looks after the services until the app is killed.
///
/// Those that fall are seen to their end beside each other: one that hangs holds up neither the dependents of others,
/// nor the end that a FATAL error means.
pub(super) async fn until_killed(app: &App, plan: &Plan) {
    let mut ending = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            () = app.dying() => return,
            () = app.inner.fell.notified() => {
                ending.extend(app.take_fallen().into_iter().map(|service| fell(app, plan, service)));
            }
            Some(()) = ending.next() => {}
        }
    }
}

/// A service that was killed gets its time to stop. Gone for good, it takes its dependents along; one with a FATAL
/// error takes the app, at once.
async fn fell(app: &App, plan: &Plan, service: Service) {
    if fatal(app, &service) {
        return;
    }
    let abandoned = Mutex::default();
    stop::wait_for(&service, &abandoned).await;
    // It may have failed while it stopped.
    if !fatal(app, &service) {
        stop::stop_dependents(app, plan, &service, service.error().as_ref()).await;
    }
}

fn fatal(app: &App, service: &Service) -> bool {
    let failure = service.error().filter(|failure| failure.severity() == ErrorSeverity::Fatal);
    let is_fatal = failure.is_some();
    failure.into_iter().for_each(|failure| app.kill(StopCause::Fatal(failure)));
    is_fatal
}
