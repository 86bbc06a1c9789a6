//! An event of the application or of a health check, with its time and as text.

use std::time::SystemTime;

use app_core::events::AppEvent;
use app_core::prelude::*;
use app_health::HealthEvent;

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
        let service = match event {
            AppEvent::Service { id, .. } => Some((*id, short(&name(app, *id)))),
            _ => None,
        };
        Self {
            at: SystemTime::now(),
            kind: id.name().unwrap_or_default(),
            event: Some(id),
            service,
            check: None,
            message: short(&event.to_string()),
        }
    }

    pub(super) fn of_check(event: &HealthEvent) -> Self {
        Self {
            at: SystemTime::now(),
            kind: event.kind.name(),
            event: event.kind.log_event_id(),
            service: None,
            check: Some((event.spec.id, short(&health::name(&event.spec)))),
            message: short(&event.to_string()),
        }
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
