//! The event log: writes lifecycle events as log records.

use app_errors::errors;
use app_ids::ServiceId;
use slog::{Level, Logger, debug, error, info, o, warn};

use super::{AppEvent, KillReason, ServiceEventKind};
use crate::{StopCause, show_duration};

/// The stage that an incarnation of a service has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It starts together with the app, whose own record has every reason of a failed start.
    Starting,
    /// It is started again.
    Restarting,
    /// It has run.
    HasRun,
}

/// The log level of an event. A start is one record at info level, and so is a stop.
pub(super) fn service_level(kind: &ServiceEventKind, stage: Stage) -> Level {
    use ServiceEventKind as Kind;
    match kind {
        Kind::Killed { .. } if stage == Stage::Starting => Level::Debug,
        Kind::Killed { reason: KillReason::Failed(_) }
        | Kind::StoppingTimeout { .. }
        | Kind::RestartsExhausted { .. } => Level::Error,
        Kind::RestartScheduled { .. } => Level::Warning,
        Kind::Stopped { .. } if stage == Stage::HasRun => Level::Info,
        Kind::Started { .. } | Kind::RestartRequested { .. } | Kind::Restarted { .. } => Level::Info,
        _ => Level::Debug,
    }
}

/// Logs an event of the application.
pub(super) fn log_event(logger: &Logger, event: &AppEvent) {
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
            error!(logger, "app did not stop in time: the remaining tasks are aborted";
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
        AppEvent::Service { id, kind } => log_service_event(logger, *id, kind, Stage::HasRun),
    }
}

/// Logs an event of a service with its logger.
pub(super) fn log_service_event(logger: &Logger, service: ServiceId, kind: &ServiceEventKind, stage: Stage) {
    let logger = &logger.new(o!("event" => kind.log_event_id().hex()));
    match kind {
        ServiceEventKind::Registered => debug!(logger, "service registered"),
        ServiceEventKind::Starting => debug!(logger, "service starting"),
        ServiceEventKind::Started { took } => {
            info!(logger, "service started"; "took_seconds" => took.as_secs_f64());
        }
        ServiceEventKind::Killed { reason: KillReason::Requested(reason) } => {
            debug!(logger, "service told to stop: {reason}");
        }
        ServiceEventKind::Killed { reason: KillReason::Failed(failure) } => {
            let own_start = failure.is(&errors::SERVICE_INIT_FAILED) && failure.service() == service;
            let what = if own_start { "service did not start" } else { "service failed" };
            match stage {
                Stage::Starting => debug!(logger, "{what}"; "err" => #failure),
                _ => error!(logger, "{what}"; "err" => #failure),
            }
        }
        ServiceEventKind::Stopping => debug!(logger, "service stopping"),
        ServiceEventKind::StoppingTimeout { waited, tasks } => {
            error!(logger, "service did not stop in time and was abandoned";
                "waited_seconds" => waited.as_secs_f64(), "tasks" => tasks.join(", "));
        }
        // The failure itself was logged when it happened.
        ServiceEventKind::Stopped { failure } => stopped(logger, failure.is_some(), stage),
        ServiceEventKind::Unregistered => debug!(logger, "service unregistered"),
        ServiceEventKind::RestartRequested { reason } => {
            info!(logger, "restart of the service asked for: {reason}");
        }
        ServiceEventKind::RestartScheduled { attempt, max_restarts, window, delay, reason } => {
            let (wait, window) = (show_duration(*delay), show_duration(*window));
            warn!(logger, "service restarts in {wait} ({attempt} of {max_restarts} in {window}): {reason}";
                "attempt" => attempt, "max_restarts" => max_restarts, "delay_seconds" => delay.as_secs_f64());
        }
        ServiceEventKind::Restarted { down } => {
            info!(logger, "service restarted"; "down_seconds" => down.as_secs_f64());
        }
        ServiceEventKind::RestartsExhausted { error } => error!(logger, "{error}"; "err" => #error),
    }
}

fn stopped(logger: &Logger, failed: bool, stage: Stage) {
    match (stage == Stage::HasRun, failed) {
        (true, true) => info!(logger, "service stopped after a failure"),
        (true, false) => info!(logger, "service stopped"),
        (false, _) => debug!(logger, "service stopped before it had started"),
    }
}
