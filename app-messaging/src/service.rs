//! The descriptor and the start of the service, and the decision where messages go.

use std::sync::Arc;

use app_config::LiveConfig;
use app_core::{App, Provided, plugins::Preflight, preflight, prelude::*};
use app_health::{HealthCheckSpec, HealthChecks, health_check, health_notes};
use app_metrics::Metrics;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, as_errors};
use crate::config::MessagingConfig;
use crate::connection;
use crate::ids::{CONSUMERS_CHECK, MESSAGES_STAY_INSIDE, MESSAGING_CHECK, MESSAGING_SERVICE_ID};
use crate::in_process::{Faults, InProcess};
use crate::messaging::Messaging;
use crate::metrics::MessagingMetrics;
use crate::nats::LinkMeters;
use crate::place::{NO_SERVER, Place};
use crate::transport::Transport;

app_core::service! { id: MESSAGING_SERVICE_ID, name: "messaging", start: start }

preflight! { Preflight::new("messages and streams", check_declarations) }

health_notes! { notes }

fn check_declarations(app: &App) -> Vec<Error> {
    // An application without the service has no use for what its libraries declare.
    if !app.service_specs().iter().any(|service| service.id() == MESSAGING_SERVICE_ID) {
        return Vec::new();
    }
    Catalog::linked().err().map(as_errors).unwrap_or_default()
}

health_check! {
    service: MESSAGING_SERVICE_ID,
    spec: HealthCheckSpec::new(CONSUMERS_CHECK).name("consumers"),
    check: consumers_work
}

async fn consumers_work(messaging: Arc<Messaging>, _: CancellationToken) -> Result<(), String> {
    let troubles = messaging.troubles();
    if troubles.is_empty() { Ok(()) } else { Err(troubles.join("; ")) }
}

async fn start(
    service: Service,
    config: LiveConfig<MessagingConfig>,
    metrics: Dep<Metrics>,
    health: Dep<HealthChecks>,
    faults: Option<Provided<Faults>>,
    place: Option<Provided<Place>>,
) -> Result<Messaging, Error> {
    let app = App::of(&service);
    // The preflight check has told every problem.
    let catalog = Catalog::linked().map_err(|problems| {
        errors::SERVICE_INIT_FAILED.error(MESSAGING_SERVICE_ID).message(problems.join("; ")).build()
    })?;
    let current = config.current();
    let place = place.map_or_else(|| Place::of(&current, app.domain(), app.any_port()), |place| *place);
    match place {
        Place::Servers => {}
        Place::Inside => {
            info!(service.log(), "messages stay inside of this process and are gone with it; to reach others, name servers in the config of messaging"; "event" => MESSAGES_STAY_INSIDE.hex());
        }
        Place::NoServer => warn!(service.log(), "{}", NO_SERVER; "event" => MESSAGES_STAY_INSIDE.hex()),
    }
    let metrics = MessagingMetrics::register(&metrics)?;
    metrics.connected.set(if place == Place::Inside { 1.0 } else { 0.0 });
    let transport: Arc<dyn Transport> = if place == Place::Servers {
        let dropped = metrics.dropped.with(["other"])?;
        let meters = LinkMeters { connected: metrics.connected.clone(), dropped };
        Arc::new(connection::start(&service, config, meters).await?)
    } else {
        Arc::new(InProcess::new(faults.map(|faults| (*faults).clone()).unwrap_or_default()))
    };
    register_check(&service, &health, place, &current)?;
    let messaging = Messaging::new(&service, &current, catalog, place, transport, metrics).await?;
    messaging.discover(&service, &current)?;
    Ok(messaging)
}

/// The check whether messages can be stored. It is critical if the config says so.
fn register_check(
    service: &Service,
    health: &HealthChecks,
    place: Place,
    config: &MessagingConfig,
) -> Result<(), Error> {
    let spec = HealthCheckSpec::new(MESSAGING_CHECK).name("messaging");
    let spec = if config.required && place == Place::Servers { spec.critical() } else { spec };
    let app = App::of(service);
    health.register(service, spec, move |_cancelled| {
        let trouble = match place {
            Place::Servers => connection::trouble(&app),
            Place::Inside => None,
            Place::NoServer => Some(NO_SERVER.to_owned()),
        };
        std::future::ready(trouble.map_or(Ok(()), Err))
    })
}

/// What `/readyz` says.
fn notes(app: &App) -> Vec<String> {
    let Ok(messaging) = app.get::<Messaging>() else { return Vec::new() };
    let mut notes = messaging.notes();
    notes.extend(connection::trouble(app).map(|trouble| format!("messaging: {trouble}")));
    notes
}

#[cfg(test)]
mod tests;
