//! The start: plan, preflight, then level by level, in parallel inside a level; all or nothing.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use app_errors::{Error, errors};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::sync::oneshot;

use super::{stop, supervise};
use crate::{
    APP_SERVICE, App, AppEvent, Service, ServiceDescriptor, ServiceEventKind, ServiceState, StartContext,
    StopCause, StopReport, app::Phase, graph::Plan, panics, param::StartHistory, show_duration, startable,
};

/// How long the start functions beside one that failed may still take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the preflights may take together. They read files, and a network file system may hang.
const PREFLIGHT_TIMEOUT: Duration = Duration::from_secs(30);

/// Starts an app, and the supervisor that sees it to its end.
pub(crate) async fn start(app: &App) -> Result<(), StopReport> {
    if !app.begin(Phase::Starting) {
        // A signal can be so early that it kills the app before its start: that ended it then, and no failure.
        if app.phase() == Phase::Stopped {
            return Err(app.stopped().await);
        }
        let error = errors::ILLEGAL_ARGUMENT.error(APP_SERVICE).message("the app was started before").build();
        let cause = StopCause::StartFailed(vec![error]);
        return Err(StopReport { cause, took: Duration::ZERO, abandoned: Vec::new() });
    }
    app.keep_timers_here();
    let planned = tokio::select! {
        biased;
        () = app.dying() => return Err(stop::stop(app, &Plan::default()).await),
        planned = plan(app) => planned,
    };
    let plan = match planned {
        Ok(plan) => Arc::new(plan),
        Err(problems) => {
            app.kill(StopCause::StartFailed(problems));
            return Err(stop::stop(app, &Plan::default()).await);
        }
    };
    app.inner.board.enter(plan.services());
    // In a task of its own, so that a dropped start does not leave half an app behind.
    let (ready, started) = oneshot::channel();
    let (runner, planned) = (app.clone(), Arc::clone(&plan));
    tokio::spawn(async move {
        let life = live(&runner, &planned, ready);
        if let Err(panic) = AssertUnwindSafe(life).catch_unwind().await {
            broken(&runner, panics::message(panic.as_ref()));
        }
    });
    match started.await {
        Ok(()) => Ok(()),
        Err(_) => Err(app.stopped().await),
    }
}

/// The whole life of an app that could be planned.
async fn live(app: &App, plan: &Plan, ready: oneshot::Sender<()>) {
    let mut services = Vec::with_capacity(plan.services().len());
    let result = levels(app, plan, &mut services).await;
    if let Err(problems) = result {
        app.kill(StopCause::StartFailed(problems));
    } else if app.alive() {
        app.enter_phase(Phase::Running);
        app.emit(AppEvent::Started { services: plan.services().len(), took: app.inner.created.elapsed() });
        // Nobody may be waiting for it any more.
        let _ = ready.send(());
    }
    supervise::until_killed(app, plan, services).await;
    stop::stop(app, plan).await;
}

/// The kernel itself panicked: the app ends at once, and says so.
fn broken(app: &App, message: &str) {
    let error = errors::BUG.error(APP_SERVICE).message(format!("the kernel panicked: {message}")).build();
    let cause = StopCause::Internal(error);
    app.kill(cause.clone());
    app.emit(AppEvent::Stopping { cause: cause.clone() });
    app.close(StopReport { cause, took: app.killed_at().elapsed(), abandoned: Vec::new() });
}

/// The plan, made on the services' runtime: what checks it is code of any crate, may block, and the kernel's thread must not.
async fn plan(app: &App) -> Result<Plan, Vec<Error>> {
    let checked = app.clone();
    let running = app.runtime().spawn(async move { startable::plan(&checked) });
    let message = match tokio::time::timeout(PREFLIGHT_TIMEOUT, running).await {
        Ok(Ok(planned)) => return planned,
        Ok(Err(failed)) => format!("the checks before the start did not end: {failed}"),
        Err(_) => format!(
            "the checks before the start did not end within {}; does a file system hang, such as that of the config directory?",
            show_duration(PREFLIGHT_TIMEOUT)
        ),
    };
    Err(vec![errors::SERVICE_INIT_FAILED.error(APP_SERVICE).message(message).build()])
}

/// Starts level by level; `all` are the services that were made.
async fn levels(app: &App, plan: &Plan, all: &mut Vec<Service>) -> Result<(), Vec<Error>> {
    for level in plan.levels() {
        let services: Vec<_> = level.map(|descriptor| (made(app, descriptor), descriptor)).collect();
        let handles: Vec<_> = services.iter().map(|(service, _)| service.clone()).collect();
        app.enter(&handles).map_err(|error| vec![error])?;
        all.extend(handles);
        let failures = tokio::select! {
            biased;
            failures = start_level(&services) => failures,
            () = app.dying() => {
                abandon_starts(&services);
                return Ok(());
            }
        };
        let (told, mut problems): (Vec<_>, Vec<_>) = failures.into_iter().unzip();
        // One that started and failed since, of this level or a lower one, is as good a reason.
        problems.extend(app.failures().into_iter().filter_map(|(service, failure)| {
            let known = told.iter().any(|told| told.same(&service));
            (!known).then(|| failed(&service, failure))
        }));
        if !problems.is_empty() {
            return Err(problems);
        }
    }
    Ok(())
}

/// Starts services beside each other. Once one has failed, the others get a moment for their own reasons, and no more:
/// nobody waits half a minute to be told of a port that is in use.
async fn start_level(services: &[(Service, &ServiceDescriptor)]) -> Vec<(Service, Error)> {
    let starts = services.iter().map(|(service, descriptor)| {
        let context = StartContext::new(service.clone(), StartHistory::default());
        start_one(context, descriptor).map(move |r| (service, r))
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
            () = passed(deadline) => {
                abandon_starts(services);
                return failures;
            }
        }
    }
}

pub(super) async fn passed(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

pub(super) fn made(app: &App, descriptor: &ServiceDescriptor) -> Service {
    Service::with(app.clone(), descriptor.id(), descriptor.shared_name(), None, descriptor.timeouts().1)
}

/// Gives up on start functions that have not come back. They know nothing of it: theirs is dropped, what they spawned is
/// stopped as usual.
fn abandon_starts(services: &[(Service, &ServiceDescriptor)]) {
    for (service, _) in services.iter().filter(|(service, _)| service.state() <= ServiceState::Starting) {
        service.kill("the app stops");
        service.abort_start();
    }
}

/// Runs one start function as a task of its service, so that its panic, its error and its end are the service's.
pub(super) async fn start_one(context: StartContext, descriptor: &ServiceDescriptor) -> Result<(), Error> {
    let service = &context.service().clone();
    let begun = Instant::now();
    service.advance(ServiceState::Starting);
    service.emit(ServiceEventKind::Starting);
    let (done, mut start) = oneshot::channel();
    let (me, descriptor_start) = (service.clone(), descriptor.clone());
    let called = Arc::new(AtomicBool::new(false));
    let calls = Arc::clone(&called);
    service.spawn_start(async move {
        calls.store(true, Ordering::Relaxed);
        let handle = descriptor_start.start(context).await.map_err(|error| failed(&me, error))?;
        me.app().expose(&me, handle);
        // The kernel may have given up on it.
        let _ = done.send(());
        Ok::<(), Error>(())
    })?;
    let (start_timeout, _) = descriptor.timeouts();
    let timely = tokio::select! {
        biased;
        started = &mut start => {
            if started.is_err() {
                // It failed or panicked, which kills its service, but a moment later: until then it looks alive.
                service.dying().await;
            }
            true
        }
        () = tokio::time::sleep(start_timeout) => false,
    };
    if !timely {
        let waited = show_duration(start_timeout);
        let late = if called.load(Ordering::Relaxed) {
            format!("its start function did not come back within {waited}")
        } else {
            format!(
                "its start function was not called within {waited}: every worker thread is blocked by another service"
            )
        };
        service
            .kill(failed(service, errors::SERVICE_NOT_AVAILABLE.error(service.id()).message(late).build()));
        service.abort_start();
    }
    if service.advance(ServiceState::Running) {
        service.emit(ServiceEventKind::Started { took: begun.elapsed() });
        return Ok(());
    }
    Err(service.error().unwrap_or_else(|| {
        let reason = service.reason().map(|reason| reason.to_string()).unwrap_or_default();
        let killed = format!("it was killed while it was starting: {reason}");
        failed(service, errors::SERVICE_NOT_ALIVE.error(service.id()).message(killed).build())
    }))
}

fn failed(service: &Service, error: Error) -> Error {
    // An error that says by itself that a service could not start is told once.
    if error.is(&errors::SERVICE_INIT_FAILED) && error.service() == service.id() {
        return error;
    }
    let message = format!("service {} did not start", service.describe());
    errors::SERVICE_INIT_FAILED.error(service.id()).message(message).cause(error).build()
}

#[cfg(test)]
mod tests {
    use crate::{ExitStatus, testing::TestApp};

    #[tokio::test]
    async fn a_panic_of_the_kernel_ends_the_app_at_once_with_70() {
        let app = TestApp::builder().build();
        super::broken(app.app(), "on purpose");
        let report = app.stopped().await;
        assert_eq!(report.exit_status(), ExitStatus::Internal);
        assert_eq!(report.exit_status().code(), 70);
        let log = app.captured().text();
        assert!(log.contains("internal error: the kernel panicked: on purpose"), "{log}");
    }
}
