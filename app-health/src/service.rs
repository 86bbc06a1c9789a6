//! The service `health`: takes checks, runs them, and beats.

use app_config::{Configs, Configured};
use app_core::{AppEvent, prelude::*};
use app_metrics::Metrics;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{HealthChecks, HealthConfig, events, heartbeat::BEAT, metrics::Gauges, systemd};

/// Service id of the health check service.
pub const HEALTHCHECK_SERVICE_ID: ServiceId = ServiceId::new(0xe105_d090_9fcc_5ec5);

app_core::service! { id: HEALTHCHECK_SERVICE_ID, name: "health", start: start, infrastructure: true }

async fn start(
    service: Service,
    config: Configured<HealthConfig>,
    configs: Dep<Configs>,
    metrics: Dep<Metrics>,
) -> Result<HealthChecks, Error> {
    let gauges = Gauges::register(&metrics)?;
    let checks = HealthChecks::new(service.clone(), HealthConfig::clone(&config), gauges);
    let beating = checks.clone();
    service.every(BEAT, move |_| beating.heartbeat().beat());
    // Subscribed here, since the app may have started before the task has its first turn.
    let (watched, events) = (checks.clone(), service.app().events());
    let me = service.clone();
    service.spawn("watch", async move {
        tokio::select! {
            biased;
            () = me.dying() => {}
            () = app_started(events) => {
                say_what_is_missing(&me, &watched);
                me.dying().await;
            }
        }
        watched.clear();
    })?;
    systemd::spawn(&service, &configs)?;
    Ok(checks)
}

/// Waits until the app has started; for ever if it never does.
async fn app_started(mut events: Receiver<AppEvent>) {
    loop {
        match events.recv().await {
            Ok(AppEvent::Started { .. }) => return,
            // What was missed is older than what is still to be received, and the start is never among the oldest.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn say_what_is_missing(service: &Service, checks: &HealthChecks) {
    let Ok(ids) = checks.ids() else { return };
    if ids.is_empty() {
        events::none_registered(service.log());
    }
    for id in checks.config().schedules.keys().filter(|id| !ids.contains(id)) {
        events::config_without_check(service.log(), *id);
    }
}
