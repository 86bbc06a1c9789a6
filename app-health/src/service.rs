//! The service `health`: it registers and runs checks, and follows the services that checks belong to.

use app_config::{Configs, Configured};
use app_core::{
    events::{AppEvent, ServiceEventKind},
    prelude::*,
};
use app_metrics::Metrics;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{
    HEALTHCHECK_SERVICE_ID, HealthChecks, HealthConfig, events, linked::Linked, metrics::Meters, scheduler,
    systemd,
};

app_core::service! { id: HEALTHCHECK_SERVICE_ID, name: "health", start: start, infrastructure: true }

async fn start(
    service: Service,
    config: Configured<HealthConfig>,
    configs: Dep<Configs>,
    metrics: Dep<Metrics>,
) -> Result<HealthChecks, Error> {
    let meters = Meters::register(&metrics)?;
    let checks = HealthChecks::new(service.clone(), HealthConfig::clone(&config), meters);
    let linked = Linked::of(&App::of(&service))?;
    checks.set_pending(linked.pending());
    // Subscribe here: services may start before the task gets its first turn.
    let events = App::of(&service).events();
    let sealed = config.is_sealed();
    service.spawn("schedule", scheduler::run(checks.clone()))?;
    service.spawn("follow", follow(service.clone(), checks.clone(), linked, events, sealed))?;
    systemd::spawn(&service, &configs)?;
    Ok(checks)
}

/// Follows the other services: registers their linked checks when they start, and removes their checks when they end.
async fn follow(
    service: Service,
    checks: HealthChecks,
    mut linked: Linked,
    mut events: Receiver<AppEvent>,
    sealed: bool,
) -> Result<(), Error> {
    loop {
        checks.remove_orphans();
        linked
            .follow(&App::of(&service), &checks)
            .or_else(|error| if service.alive() { Err(error) } else { Ok(()) })?;
        checks.set_pending(linked.pending());
        loop {
            let event = tokio::select! {
                biased;
                () = service.dying() => return Ok(()),
                event = events.recv() => event,
            };
            match event {
                Ok(AppEvent::Started { .. }) => {
                    warn_about_missing(&service, &checks, sealed);
                }
                Ok(AppEvent::Service {
                    kind: ServiceEventKind::Started { .. } | ServiceEventKind::Killed { .. },
                    ..
                })
                | Err(RecvError::Lagged(_)) => break,
                Ok(_) => {}
                Err(RecvError::Closed) => service.dying().await,
            }
        }
    }
}

fn warn_about_missing(service: &Service, checks: &HealthChecks, sealed: bool) {
    let Ok(ids) = checks.ids() else { return };
    if ids.is_empty() {
        events::none_registered(service.log());
    }
    for id in checks.config().schedules.keys().filter(|id| !ids.contains(id)) {
        events::config_without_check(service.log(), (!sealed).then_some(*id));
    }
}
