//! The stop: readiness first, then services in reverse order, each within its time; never a hang.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use parking_lot::Mutex;

use crate::{
    Abandoned, App, AppEvent, DEFAULT_STOP_TIMEOUT, Service, ServiceEventKind, StopCause, StopReport,
    app::Phase, graph::Plan,
};

/// How long the tasks of a service that was given up may take to notice that they were aborted.
const ABORT_GRACE: Duration = Duration::from_millis(100);
/// How often to look whether the worker threads of the services turn over.
const LOOK: Duration = Duration::from_millis(250);
/// How long the worker threads may be blocked when the app was never ready.
const BLOCKED_START: Duration = Duration::from_secs(1);

/// Stops an app that was killed.
pub(super) async fn stop(app: &App, plan: &Plan) -> StopReport {
    let cause = app.cause().unwrap_or_else(|| StopCause::Killed(String::new()));
    let was_ready = app.phase() == Phase::Running;
    app.enter_phase(Phase::Stopping);
    app.emit(AppEvent::Stopping { cause: cause.clone() });
    // An app that was never ready gets no work from others that it would have to wait for.
    if was_ready {
        app.drained().await;
    }
    let abandoned = Arc::new(Mutex::new(Vec::new()));
    let limit = app.stop_timeout();
    let waited = tokio::select! {
        biased;
        () = stop_services(app, plan, &abandoned) => None,
        () = tokio::time::sleep(limit) => Some(limit),
        waited = workers_blocked(app, was_ready) => Some(waited),
    };
    if let Some(waited) = waited {
        give_up(app, waited, &abandoned).await;
    }
    let abandoned = std::mem::take(&mut *abandoned.lock());
    let report = StopReport { cause, took: app.killed_at().elapsed(), abandoned };
    let StopReport { cause, took, abandoned } = report.clone();
    app.emit(AppEvent::Stopped { cause, took, abandoned });
    app.close(report.clone());
    report
}

/// Waits until every worker thread of the services is blocked: for as long as the most patient service may take to stop,
/// or for a moment when the app was never ready. No service can stop then, and waiting for each in turn is in vain.
async fn workers_blocked(app: &App, was_ready: bool) -> Duration {
    loop {
        let patience = if was_ready {
            app.services().iter().map(Service::stop_timeout).max().unwrap_or(DEFAULT_STOP_TIMEOUT)
        } else {
            BLOCKED_START
        };
        let turn = app.runtime().spawn(async {});
        if tokio::time::timeout(patience, turn).await.is_err() {
            return patience;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn stop_services(app: &App, plan: &Plan, abandoned: &Mutex<Vec<Abandoned>>) {
    // Closed first: what registers late would be stopped by nobody.
    app.inner.registry.close();
    let others: Vec<_> = app.services().into_iter().filter(|service| !plan.contains(service.id())).collect();
    stop_all(&others, "the app stops", abandoned).await;
    for level in plan.levels().rev() {
        let level: Vec<_> = level.filter_map(|descriptor| app.service(descriptor.id())).collect();
        stop_all(&level, "the app stops", abandoned).await;
    }
}

/// Kills services and waits until each is dead, or its time is up.
async fn stop_all(services: &[Service], reason: &'static str, abandoned: &Mutex<Vec<Abandoned>>) {
    services.iter().for_each(|service| service.kill(reason));
    join_all(services.iter().map(|service| wait_for(service, abandoned))).await;
}

/// Waits until a service that was killed is dead, or its time is up.
pub(super) async fn wait_for(service: &Service, abandoned: &Mutex<Vec<Abandoned>>) {
    let limit = service.stop_timeout();
    if tokio::time::timeout(limit, service.dead()).await.is_ok() {
        return;
    }
    abandoned.lock().push(abandon(service, limit));
    // Best effort: a task that blocks its thread stays.
    let _ = tokio::time::timeout(ABORT_GRACE, service.dead()).await;
}

fn abandon(service: &Service, waited: Duration) -> Abandoned {
    let given_up = given_up(service);
    // Several may wait for it, and it is told once.
    if service.give_up() {
        service.emit(ServiceEventKind::StoppingTimeout { waited, tasks: service.open_tasks() });
    }
    service.abort_tasks();
    given_up
}

fn given_up(service: &Service) -> Abandoned {
    let tasks = service.open_tasks().into_iter().map(|task| task.into_owned()).collect();
    Abandoned { id: service.id(), name: service.name().to_owned(), tasks }
}

/// The whole app took too long: everything that is left is aborted.
async fn give_up(app: &App, limit: Duration, abandoned: &Mutex<Vec<Abandoned>>) {
    let left = app.services();
    app.emit(AppEvent::StoppingTimeout { waited: limit, services: left.iter().map(given_up).collect() });
    for service in &left {
        service.kill("the app stops");
        if !abandoned.lock().iter().any(|known| known.id == service.id()) {
            let late = abandon(service, limit);
            abandoned.lock().push(late);
        }
    }
    let deadline = Instant::now() + ABORT_GRACE;
    for service in &left {
        // Best effort, as above.
        let _ = tokio::time::timeout_at(deadline.into(), service.dead()).await;
    }
}
