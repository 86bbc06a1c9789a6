//! An event of the application or of a health check, with its time and as text.

use std::time::SystemTime;

use app_core::prelude::*;
use app_core::{
    AppEvent, ServiceEventKind, StopCause,
    duration::{counted, show_duration},
};
use app_health::log_events::{
    HEALTHCHECK_PAUSED, HEALTHCHECK_REGISTERED, HEALTHCHECK_RESULT, HEALTHCHECK_RESUMED,
};
use app_health::{HealthEvent, HealthEventKind, HealthTransition};

use super::super::health;
use super::super::text::short;

/// An event of the application or of a health check.
#[derive(Debug)]
pub(crate) struct Occurrence {
    pub(super) at: SystemTime,
    pub(super) kind: &'static str,
    pub(super) event: Option<LogEventId>,
    pub(super) service: Option<(ServiceId, String)>,
    pub(super) check: Option<(HealthCheckId, String)>,
    pub(super) message: String,
}

impl Occurrence {
    pub(super) fn of_app(app: &App, event: &AppEvent) -> Self {
        let id = event.log_event_id();
        let (service, message) = match event {
            AppEvent::Service { id, kind } => (Some((*id, short(&name(app, *id)))), of_service(kind)),
            event => (None, of_app(event)),
        };
        Self {
            at: SystemTime::now(),
            kind: id.name().unwrap_or_default(),
            event: Some(id),
            service,
            check: None,
            message: short(&message),
        }
    }

    pub(super) fn of_check(HealthEvent { spec, kind, .. }: &HealthEvent) -> Self {
        let (kind, event, message) = match kind {
            HealthEventKind::Registered { replaced: false } => named(HEALTHCHECK_REGISTERED, "registered"),
            HealthEventKind::Registered { replaced: true } => {
                named(HEALTHCHECK_REGISTERED, "registered, replaces an earlier check")
            }
            HealthEventKind::Unregistered => ("healthcheck_unregistered", None, "unregistered".to_owned()),
            HealthEventKind::Paused => named(HEALTHCHECK_PAUSED, "paused"),
            HealthEventKind::Resumed => named(HEALTHCHECK_RESUMED, "resumed"),
            HealthEventKind::Changed(transition) => named(HEALTHCHECK_RESULT, changed(transition)),
            HealthEventKind::Abandoned => {
                let message = "a cancelled run does not end: it blocks its thread";
                ("healthcheck_abandoned", None, message.to_owned())
            }
            _ => ("healthcheck_event", None, "an event without a description".to_owned()),
        };
        Self {
            at: SystemTime::now(),
            kind,
            event,
            service: None,
            check: Some((spec.id, short(&health::name(spec)))),
            message: short(&format!("health check {spec}: {message}")),
        }
    }
}

fn named(event: LogEventId, message: impl Into<String>) -> (&'static str, Option<LogEventId>, String) {
    (event.name().unwrap_or_default(), Some(event), message.into())
}

fn changed(HealthTransition { from, to, result, .. }: &HealthTransition) -> String {
    match result.as_ref().map(|result| &result.error) {
        Some(Some(error)) => format!("is {to}, was {from}: {error}"),
        Some(None) => format!("is {to}, was {from}"),
        None => format!("is {to}, was {from}: the last result is too old"),
    }
}

/// The name of a service, even after its end.
fn name(app: &App, id: ServiceId) -> String {
    if let Some(service) = app.service(id) {
        return service.name().to_owned();
    }
    let made = app.service_specs().iter().find(|service| service.id() == id);
    made.map(app_core::plugins::ServiceSpec::name).or_else(|| id.name()).unwrap_or_default().to_owned()
}

fn of_app(event: &AppEvent) -> String {
    match event {
        AppEvent::Started { services, took } => {
            format!(
                "the application is ready: {} running, after {}",
                counted(*services as u64, "service"),
                show_duration(*took)
            )
        }
        AppEvent::Stopping { cause: StopCause::Fatal(failure) } => {
            format!("the application stops: a service failed with a fatal error: {failure}")
        }
        AppEvent::Stopping { cause } => format!("the application stops: {cause}"),
        AppEvent::StoppingTimeout { waited, services } => {
            let services: Vec<_> = services.iter().map(ToString::to_string).collect();
            let (waited, services) = (show_duration(*waited), services.join(", "));
            format!("the application did not stop within {waited}, aborts what is left: {services}")
        }
        AppEvent::Stopped { cause, took, .. } => {
            format!("the application stopped, after {}: {cause}", show_duration(*took))
        }
        AppEvent::Reset => "the application was reset".to_owned(),
        _ => "an event without a description".to_owned(),
    }
}

fn of_service(kind: &ServiceEventKind) -> String {
    match kind {
        ServiceEventKind::Registered => "registered".to_owned(),
        ServiceEventKind::Starting => "starts".to_owned(),
        ServiceEventKind::Started { took } => format!("runs, after {}", show_duration(*took)),
        ServiceEventKind::Killed { reason } => format!("was killed: {reason}"),
        ServiceEventKind::Stopping => "stops".to_owned(),
        ServiceEventKind::StoppingTimeout { waited, tasks } => {
            format!(
                "did not stop within {} and is abandoned: tasks {}",
                show_duration(*waited),
                tasks.join(", ")
            )
        }
        ServiceEventKind::Stopped { failure: None } => "stopped".to_owned(),
        ServiceEventKind::Stopped { failure: Some(failure) } => format!("stopped after a failure: {failure}"),
        ServiceEventKind::Unregistered => "unregistered".to_owned(),
        ServiceEventKind::RestartRequested { reason } => format!("a restart was requested: {reason}"),
        ServiceEventKind::RestartScheduled { attempt, max_restarts, delay, reason, .. } => {
            format!("restarts in {} ({attempt} of {max_restarts}): {reason}", show_duration(*delay))
        }
        ServiceEventKind::Restarted { down } => format!("restarted, down for {}", show_duration(*down)),
        ServiceEventKind::RestartsExhausted { error } => format!("does not restart any more: {error}"),
        _ => "an event without a description".to_owned(),
    }
}
