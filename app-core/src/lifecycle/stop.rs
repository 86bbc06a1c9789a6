//! The stop of an app: readiness first, then services in reverse order, each within its stop timeout.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use parking_lot::Mutex;

use crate::{
    Abandoned, App, DEFAULT_STOP_TIMEOUT, Service, StopCause, StopReport,
    events::{AppEvent, ServiceEventKind},
    graph::Plan,
    service::AppPhase,
    trace::Timeline,
};

/// How long the tasks of an abandoned service may take to notice that they were aborted.
const ABORT_GRACE: Duration = Duration::from_millis(100);
/// How often the kernel checks that a worker thread of the services still runs tasks.
const CHECK_EVERY: Duration = Duration::from_millis(250);
/// How long the worker threads may be blocked when the app was never ready.
const BLOCKED_START: Duration = Duration::from_secs(1);

/// Stops an app that was killed.
pub(super) async fn stop(app: &App, plan: &Plan) -> StopReport {
    let cause = app.cause().unwrap_or_else(|| StopCause::Killed(String::new()));
    let state = &app.host().state;
    let was_ready = state.phase() == AppPhase::Running;
    state.enter(AppPhase::Stopping);
    app.host().emit(AppEvent::Stopping { cause: cause.clone() });
    let timeline = Timeline::begin("app stop", app.killed_at().into_std());
    timeline.change(|root| root.set("app.stop.cause", &*cause.to_string()));
    // An app that was never ready got no work, so it has nothing to drain.
    if was_ready {
        let drain = timeline.span("drain");
        app.drained().await;
        timeline.ended(drain);
    }
    let abandoned = Arc::new(Mutex::new(Vec::new()));
    let limit = app.stop_timeout();
    let waited = tokio::select! {
        biased;
        () = stop_services(app, plan, &abandoned, &timeline) => None,
        () = tokio::time::sleep(limit) => Some(limit),
        waited = workers_blocked(app, was_ready) => Some(waited),
    };
    if let Some(waited) = waited {
        timeline.finish();
        give_up(app, waited, &abandoned).await;
    }
    let abandoned = std::mem::take(&mut *abandoned.lock());
    let report = StopReport { cause, took: app.killed_at().elapsed(), abandoned };
    let StopReport { cause, took, abandoned } = report.clone();
    app.host().emit(AppEvent::Stopped { cause, took, abandoned });
    app.close(report.clone());
    report
}

/// Waits until every worker thread of the services is blocked for the longest stop timeout. No service can stop then, so
/// waiting for each in turn cannot help. If the app was never ready, a moment is enough.
async fn workers_blocked(app: &App, was_ready: bool) -> Duration {
    loop {
        let patience = if was_ready {
            app.services().iter().map(Service::stop_timeout).max().unwrap_or(DEFAULT_STOP_TIMEOUT)
        } else {
            BLOCKED_START
        };
        let probe =
            app.host().spawn_kernel_task(app.host().runtime(), "probe of the worker threads", async {});
        if tokio::time::timeout(patience, probe).await.is_err() {
            return patience;
        }
        tokio::time::sleep(CHECK_EVERY).await;
    }
}

async fn stop_services(app: &App, plan: &Plan, abandoned: &Mutex<Vec<Abandoned>>, timeline: &Timeline) {
    let accept_last = app.host().listeners.accept_last();
    // Closed first, because no later step would stop a service that registers now.
    app.host().registry.close();
    let others: Vec<_> = app.services().into_iter().filter(|service| !plan.contains(service.id())).collect();
    stop_all(&others, abandoned, timeline).await;
    // What accepts for the next process stops last, with what it needs: clients wait from then on. Infrastructure serves it, too.
    let last = plan.below(|descriptor| {
        let listens = accept_last.iter().any(|name| *name == descriptor.name());
        listens || (!accept_last.is_empty() && descriptor.is_infrastructure())
    });
    for is_last in [false, true] {
        for level in plan.levels().rev() {
            let level: Vec<_> =
                level.filter(|descriptor| last.contains(&descriptor.id()) == is_last).collect();
            // The sink of the spans stops with the infrastructure.
            if level.iter().any(|descriptor| descriptor.is_infrastructure()) {
                timeline.finish();
            }
            let services: Vec<_> =
                level.into_iter().filter_map(|descriptor| app.service(descriptor.id())).collect();
            stop_all(&services, abandoned, timeline).await;
        }
    }
    // Last, so that operators see the stop: they follow the events and the log by operations of the app itself.
    let own: Vec<_> = app.host().close_own_service().into_iter().collect();
    stop_all(&own, abandoned, timeline).await;
    timeline.finish();
}

/// Kills services, and waits until each is dead or its stop timeout has passed.
async fn stop_all(services: &[Service], abandoned: &Mutex<Vec<Abandoned>>, timeline: &Timeline) {
    let stop = |service: &Service| {
        let mut span = timeline.span(format!("stop {}", service.name()));
        span.set("app.service.name", service.name());
        span.set("app.service.id", &*service.id().hex());
        service.kill("the app stops");
        span
    };
    let spans: Vec<_> = services.iter().map(stop).collect();
    let ends = services.iter().zip(spans).map(|(service, mut span)| async move {
        wait_for(service, abandoned).await;
        match service.error() {
            _ if !service.is_dead() => span.fail_because("timeout", "it did not stop in time"),
            Some(error) => span.fail(&error),
            None => {}
        }
        timeline.ended(span);
    });
    join_all(ends).await;
}

/// Waits until a killed service is dead. After its stop timeout, abandons it.
pub(super) async fn wait_for(service: &Service, abandoned: &Mutex<Vec<Abandoned>>) {
    let limit = service.stop_timeout();
    if tokio::time::timeout(limit, service.dead()).await.is_ok() {
        return;
    }
    abandoned.lock().push(abandon(service, limit));
    // A task that blocks its thread stays.
    let _ = tokio::time::timeout(ABORT_GRACE, service.dead()).await;
}

fn abandon(service: &Service, waited: Duration) -> Abandoned {
    let abandoned = as_abandoned(service);
    // Several callers may wait for it, and one event is enough.
    if service.give_up() {
        service.emit(ServiceEventKind::StoppingTimeout { waited, tasks: service.open_tasks() });
    }
    service.abort_tasks();
    abandoned
}

fn as_abandoned(service: &Service) -> Abandoned {
    let tasks = service.open_tasks().into_iter().map(|task| task.into_owned()).collect();
    Abandoned { id: service.id(), name: service.name().to_owned(), tasks }
}

/// Aborts all remaining services, because the whole app took too long.
async fn give_up(app: &App, limit: Duration, abandoned: &Mutex<Vec<Abandoned>>) {
    let left = app.services();
    app.host()
        .emit(AppEvent::StoppingTimeout { waited: limit, services: left.iter().map(as_abandoned).collect() });
    for service in &left {
        service.kill("the app stops");
        if !abandoned.lock().iter().any(|known| known.id == service.id()) {
            let late = abandon(service, limit);
            abandoned.lock().push(late);
        }
    }
    let deadline = Instant::now() + ABORT_GRACE;
    for service in &left {
        // A task that blocks its thread stays.
        let _ = tokio::time::timeout_at(deadline.into(), service.dead()).await;
    }
}
