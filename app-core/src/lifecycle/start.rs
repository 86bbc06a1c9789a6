//! The start of an app: checks first, then level by level, in parallel within a level. All services start, or none.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use app_errors::{Error, errors};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::sync::oneshot;

use super::{
    service_start::{abandon_start, new_incarnation, start_failure, start_service, until},
    startable, stop, supervise, takeover,
};
use crate::{
    App, Service, ServiceDescriptor, ServiceState, StartContext, StopCause, StopReport, events::AppEvent,
    graph::Plan, ids::APP_SERVICE, panics, plugins::StartHistory, service::AppPhase, show_duration,
    trace::Timeline,
};

/// How long the other start functions of a level may still take once one has failed.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long all preflights together may take. They read files, and a network file system may hang.
const PREFLIGHT_TIMEOUT: Duration = Duration::from_secs(30);

/// Starts an app, and then the supervisor that runs it to its end.
pub(super) async fn start(
    app: &App,
    services: Arc<[ServiceDescriptor]>,
    linked: bool,
) -> Result<(), StopReport> {
    if !app.host().state.begin(AppPhase::Starting) {
        // A signal may kill the app before its start. That kill ended the app, and it is no failure.
        if app.host().state.phase() == AppPhase::Stopped {
            return Err(app.stopped().await);
        }
        let error = errors::ILLEGAL_ARGUMENT.error(APP_SERVICE).message("the app was started before").build();
        let cause = StopCause::StartFailed(vec![error]);
        return Err(StopReport { cause, took: Duration::ZERO, abandoned: Vec::new() });
    }
    app.host().keep_timers_here();
    let planned = tokio::select! {
        biased;
        () = app.dying() => return Err(stop::stop(app, &Plan::default()).await),
        planned = plan(app, services, linked) => planned,
    };
    let plan = match planned {
        Ok(plan) => Arc::new(plan),
        Err(problems) => {
            app.kill(StopCause::StartFailed(problems));
            return Err(stop::stop(app, &Plan::default()).await);
        }
    };
    let names = plan.services().iter().map(|service| (service.id(), service.name()));
    app.host().bus.board().enter(names);
    // In a task, so that a dropped start does not leave half an app behind.
    let (ready, started) = oneshot::channel();
    let (runner, planned) = (app.clone(), Arc::clone(&plan));
    app.host().spawn_kernel_task(&tokio::runtime::Handle::current(), "kernel", async move {
        let life = live(&runner, &planned, ready);
        if let Err(panic) = AssertUnwindSafe(life).catch_unwind().await {
            end_broken(&runner, panics::message(panic.as_ref()));
        }
    });
    match started.await {
        Ok(()) => Ok(()),
        Err(_) => Err(app.stopped().await),
    }
}

/// The whole life of an app that has a plan.
async fn live(app: &App, plan: &Plan, ready: oneshot::Sender<()>) {
    let mut services = Vec::with_capacity(plan.services().len());
    let timeline = Timeline::begin("app start", app.host().created);
    let result = start_levels(app, plan, &timeline, &mut services).await;
    timeline.change(|root| {
        root.set("app.services", i64::try_from(services.len()).unwrap_or(i64::MAX));
        result.as_ref().err().into_iter().flatten().for_each(|error| root.fail(error));
    });
    timeline.finish();
    if let Err(problems) = result {
        app.kill(StopCause::StartFailed(problems));
    } else if app.alive() {
        let host = app.host();
        host.state.enter(AppPhase::Running);
        host.emit(AppEvent::Started { services: plan.services().len(), took: host.created.elapsed() });
        // Fails if the caller no longer waits for the start.
        let _ = ready.send(());
        takeover::begin(app);
    }
    supervise::until_killed(app, plan, services).await;
    stop::stop(app, plan).await;
}

/// Ends an app at once after a panic of the kernel itself.
fn end_broken(app: &App, message: &str) {
    let error = errors::BUG.error(APP_SERVICE).message(format!("the kernel panicked: {message}")).build();
    let cause = StopCause::Internal(error);
    app.kill(cause.clone());
    app.host().emit(AppEvent::Stopping { cause: cause.clone() });
    app.close(StopReport { cause, took: app.killed_at().elapsed(), abandoned: Vec::new() });
}

/// Makes the plan, on the services' runtime. The checks are code of any crate and may block, and the kernel's thread must
/// not block.
async fn plan(app: &App, services: Arc<[ServiceDescriptor]>, linked: bool) -> Result<Plan, Vec<Error>> {
    let (host, checked) = (app.host(), app.clone());
    let running = host.spawn_kernel_task(host.runtime(), "checks before the start", async move {
        startable::plan(&checked, &services, linked)
    });
    let message = match tokio::time::timeout(PREFLIGHT_TIMEOUT, running).await {
        Ok(Ok(Ok(planned))) => return planned,
        Ok(Ok(Err(panic))) => format!("the checks before the start panicked: {panic}"),
        Ok(Err(cancelled)) => format!("the checks before the start did not end: {cancelled}"),
        Err(_) => format!(
            "the checks before the start did not end within {}; does a file system hang, such as that of the config directory?",
            show_duration(PREFLIGHT_TIMEOUT)
        ),
    };
    Err(vec![errors::SERVICE_INIT_FAILED.error(APP_SERVICE).message(message).build()])
}

/// Starts level by level. Adds every service that was made to `all`.
async fn start_levels(
    app: &App,
    plan: &Plan,
    timeline: &Timeline,
    all: &mut Vec<Service>,
) -> Result<(), Vec<Error>> {
    for level in plan.levels() {
        let services: Vec<_> =
            level.map(|descriptor| (new_incarnation(app, descriptor), descriptor)).collect();
        let handles: Vec<_> = services.iter().map(|(service, _)| service.clone()).collect();
        app.host().register(&handles).map_err(|error| vec![error])?;
        all.extend(handles);
        let failures = tokio::select! {
            biased;
            failures = start_level(&services, timeline) => failures,
            () = app.dying() => {
                abandon_starts(&services);
                return Ok(());
            }
        };
        let (known, mut problems): (Vec<_>, Vec<_>) = failures.into_iter().unzip();
        // A service of this level or a lower one may have started and failed since. That is a reason too.
        problems.extend(app.host().mailbox.failures().into_iter().filter_map(|(service, failure)| {
            let is_known = known.iter().any(|known| known.same(&service));
            (!is_known).then(|| start_failure(&service, failure))
        }));
        if !problems.is_empty() {
            return Err(problems);
        }
    }
    Ok(())
}

/// Starts the services of a level in parallel. Once one has failed, the others get a moment to report their own failures.
/// So the caller learns of a port in use at once, and not after the start timeout of another service.
async fn start_level(
    services: &[(Service, &ServiceDescriptor)],
    timeline: &Timeline,
) -> Vec<(Service, Error)> {
    let starts = services.iter().map(|(service, descriptor)| {
        let context = StartContext::new(service.clone(), StartHistory::default());
        start_service(context, descriptor, timeline).map(move |result| (service, result))
    });
    let mut starts: FuturesUnordered<_> = starts.collect();
    let mut failures = Vec::new();
    let mut deadline = None;
    loop {
        tokio::select! {
            biased;
            next = starts.next() => match next {
                None => return failures,
                Some((_, Ok(()))) => {}
                Some((service, Err(error))) => {
                    deadline.get_or_insert(tokio::time::Instant::now() + PATIENCE);
                    failures.push((service.clone(), error));
                }
            },
            () = until(deadline) => {
                abandon_starts(services);
                return failures;
            }
        }
    }
}

/// Abandons the start functions that have not returned.
fn abandon_starts(services: &[(Service, &ServiceDescriptor)]) {
    let starting = services.iter().filter(|(service, _)| service.state() <= ServiceState::Starting);
    starting.for_each(|(service, _)| abandon_start(service));
}

#[cfg(test)]
mod tests {
    use crate::{ExitStatus, testing::TestApp};

    #[tokio::test]
    async fn a_panic_of_the_kernel_ends_the_app_at_once_with_70() {
        let app = TestApp::builder().build();
        super::end_broken(app.app(), "on purpose");
        let report = app.stopped().await;
        assert_eq!(report.exit_status(), ExitStatus::Internal);
        assert_eq!(report.exit_status().code(), 70);
        let log = app.captured().text();
        assert!(log.contains("internal error: the kernel panicked: on purpose"), "{log}");
    }
}
