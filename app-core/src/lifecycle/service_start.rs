//! The start of one service.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use app_errors::{Error, errors};
use tokio::sync::oneshot;

use crate::{
    App, Service, ServiceDescriptor, ServiceState, StartContext,
    events::ServiceEventKind,
    show_duration,
    trace::{self, Timeline, TraceContext},
};

/// Waits until a deadline. Without a deadline, waits for ever.
pub(super) async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// A new incarnation of a service, not started yet.
pub(super) fn new_incarnation(app: &App, descriptor: &ServiceDescriptor) -> Service {
    let host = Arc::clone(app.host());
    Service::with(host, descriptor.id(), descriptor.shared_name(), None, descriptor.timeouts().1)
}

/// Kills a service whose start function is still running, and drops the start function. Tasks that it has spawned get
/// their time to stop.
pub(super) fn abandon_start(service: &Service) {
    service.kill("the app stops");
    service.abort_start();
}

/// Starts a service, with a span in this timeline.
pub(super) async fn start_service(
    context: StartContext,
    descriptor: &ServiceDescriptor,
    timeline: &Timeline,
) -> Result<(), Error> {
    let mut span = timeline.span(format!("start {}", descriptor.name()));
    span.set("app.service.name", descriptor.name());
    span.set("app.service.id", &*descriptor.id().hex());
    let result = run_start(context, descriptor, timeline.context_of(&span)).await;
    if let Err(error) = &result {
        span.fail(error);
    }
    timeline.ended(span);
    result
}

/// Runs one start function as a task of its service, so that its panic, its error and its end belong to the service.
async fn run_start(
    context: StartContext,
    descriptor: &ServiceDescriptor,
    trace_context: Option<TraceContext>,
) -> Result<(), Error> {
    let service = &context.service().clone();
    let begun = Instant::now();
    service.advance(ServiceState::Starting);
    service.emit(ServiceEventKind::Starting);
    let (done, mut start) = oneshot::channel();
    let (me, descriptor_start) = (service.clone(), descriptor.clone());
    let called = Arc::new(AtomicBool::new(false));
    let calls = Arc::clone(&called);
    service.spawn_start(trace::within(trace_context, async move {
        calls.store(true, Ordering::Relaxed);
        let handle = descriptor_start.start(context).await.map_err(|error| start_failure(&me, error))?;
        me.host().handles.insert(&me, handle);
        // Fails if the kernel has abandoned this start.
        let _ = done.send(());
        Ok::<(), Error>(())
    }))?;
    let (start_timeout, _) = descriptor.timeouts();
    let timely = tokio::select! {
        biased;
        started = &mut start => {
            if started.is_err() {
                // It failed or panicked. That kills the service a moment later, and until then the service looks alive.
                service.dying().await;
            }
            true
        }
        () = tokio::time::sleep(start_timeout) => false,
    };
    if !timely {
        let waited = show_duration(start_timeout);
        let late = if called.load(Ordering::Relaxed) {
            format!("its start function did not return within {waited}")
        } else {
            format!(
                "its start function was not called within {waited}: every worker thread is blocked by another service"
            )
        };
        let late = errors::SERVICE_NOT_AVAILABLE.error(service.id()).message(late).build();
        service.kill(start_failure(service, late));
        service.abort_start();
    }
    if service.advance(ServiceState::Running) {
        service.emit(ServiceEventKind::Started { took: begun.elapsed() });
        return Ok(());
    }
    Err(service.error().unwrap_or_else(|| {
        let reason = service.reason().map(|reason| reason.to_string()).unwrap_or_default();
        let killed = format!("it was killed while it was starting: {reason}");
        start_failure(service, errors::SERVICE_NOT_ALIVE.error(service.id()).message(killed).build())
    }))
}

/// The error of a service that could not start.
pub(super) fn start_failure(service: &Service, error: Error) -> Error {
    if is_start_failure(service, &error) {
        return error;
    }
    let message = format!("service {} did not start", service.describe());
    errors::SERVICE_INIT_FAILED.error(service.id()).message(message).cause(error).build()
}

/// Whether an error says that this service could not start.
pub(super) fn is_start_failure(service: &Service, error: &Error) -> bool {
    error.is(&errors::SERVICE_INIT_FAILED) && error.service() == service.id()
}
