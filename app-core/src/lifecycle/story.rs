//! The adapter of lifecycle events to log lines: the story that a log tells of a start and a stop.

use std::time::Duration;

use slog::{Level, Logger, error, info, o, warn};

use crate::{AppEvent, KillReason, ServiceEventKind, StopCause};

/// The least of the levels at which an event may be logged.
pub(crate) fn level(event: &AppEvent) -> Level {
    use ServiceEventKind as Kind;
    match event {
        AppEvent::Service { kind: Kind::Killed { reason: KillReason::Failed(_) }, .. }
        | AppEvent::Service { kind: Kind::StoppingTimeout { .. } | Kind::RestartsExhausted { .. }, .. } => {
            Level::Error
        }
        AppEvent::Service {
            kind: Kind::Stopped { failure: Some(_) } | Kind::RestartScheduled { .. },
            ..
        } => Level::Warning,
        _ => Level::Info,
    }
}

/// Logs an event with the logger of whom it is about.
pub(crate) fn log_event(logger: &Logger, event: &AppEvent) {
    let id = event.log_event_id().hex();
    match event {
        AppEvent::Started { services, took } => {
            info!(logger, "app started"; "event" => id, "services" => services, "took_seconds" => took.as_secs_f64());
        }
        AppEvent::Stopping { cause: StopCause::Fatal(failure) } => {
            error!(logger, "app stopping: a service failed with a fatal error"; "event" => id, "err" => #failure);
        }
        AppEvent::Stopping { cause: StopCause::StartFailed(problems) } => {
            for problem in problems {
                error!(logger, "{problem}"; "event" => &id, "err" => #problem);
            }
        }
        AppEvent::Stopping { cause } => info!(logger, "app stopping: {cause}"; "event" => id),
        AppEvent::StoppingTimeout { waited, services } => {
            let services: Vec<_> = services.iter().map(ToString::to_string).collect();
            error!(logger, "app did not stop in time: what is left is aborted";
                "event" => id, "waited_seconds" => waited.as_secs_f64(), "services" => services.join(", "));
        }
        AppEvent::Stopped { cause, took, abandoned } if abandoned.is_empty() => {
            info!(logger, "app stopped: {cause}"; "event" => id, "took_seconds" => took.as_secs_f64());
        }
        AppEvent::Stopped { cause, took, abandoned } => {
            let abandoned: Vec<_> = abandoned.iter().map(ToString::to_string).collect();
            error!(logger, "app stopped, but had to abandon services: {cause}";
                "event" => id, "took_seconds" => took.as_secs_f64(), "abandoned" => abandoned.join(", "));
        }
        AppEvent::Reset => info!(logger, "app reset"; "event" => id),
        AppEvent::Service { kind, .. } => log_service_event(&logger.new(o!("event" => id)), kind),
    }
}

fn log_service_event(logger: &Logger, kind: &ServiceEventKind) {
    match kind {
        ServiceEventKind::Registered => info!(logger, "service registered"),
        ServiceEventKind::Starting => info!(logger, "service starting"),
        ServiceEventKind::Started { took } => {
            info!(logger, "service started"; "took_seconds" => took.as_secs_f64());
        }
        ServiceEventKind::Killed { reason: KillReason::Requested(reason) } => {
            info!(logger, "service killed: {reason}");
        }
        ServiceEventKind::Killed { reason: KillReason::Failed(failure) } => {
            error!(logger, "service failed"; "err" => #failure);
        }
        ServiceEventKind::Stopping => info!(logger, "service stopping"),
        ServiceEventKind::StoppingTimeout { waited, tasks } => {
            error!(logger, "service did not stop in time and was abandoned";
                "waited_seconds" => waited.as_secs_f64(), "tasks" => tasks.join(", "));
        }
        ServiceEventKind::Stopped { failure: None } => info!(logger, "service stopped"),
        ServiceEventKind::Stopped { failure: Some(failure) } => {
            warn!(logger, "service stopped after a failure"; "failure" => %failure);
        }
        ServiceEventKind::Unregistered => info!(logger, "service unregistered"),
        ServiceEventKind::RestartRequested { reason } => {
            info!(logger, "restart of the service asked for: {reason}");
        }
        ServiceEventKind::RestartScheduled { attempt, max_restarts, window, delay, reason } => {
            let (wait, window) = (in_millis(*delay), humantime::format_duration(*window));
            warn!(logger, "service restarts in {wait} ({attempt} of {max_restarts} in {window}): {reason}";
                "attempt" => attempt, "max_restarts" => max_restarts, "delay_seconds" => delay.as_secs_f64());
        }
        ServiceEventKind::Restarted { down } => {
            info!(logger, "service restarted"; "down_seconds" => down.as_secs_f64());
        }
        ServiceEventKind::RestartsExhausted { error } => error!(logger, "{error}"; "err" => #error),
    }
}

/// For people, who need no nanoseconds.
fn in_millis(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}
