//! The descriptor and the start of the service, and the decision where messages go.

use std::sync::Arc;

use app_config::Configured;
use app_core::{App, Preflight, Provided, preflight, prelude::*};
use app_health::{HealthCheckSpec, health_check, health_notes};
use app_metrics::Metrics;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Catalog, as_errors};
use crate::config::MessagingConfig;
use crate::ids::{CONSUMERS_CHECK, MESSAGES_STAY_INSIDE, MESSAGING_CHECK, MESSAGING_SERVICE_ID};
use crate::in_process::{Faults, InProcess};
use crate::messaging::Messaging;
use crate::metrics::MessagingMetrics;
use crate::place::{NO_SERVER, Place};

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
    spec: HealthCheckSpec::new(MESSAGING_CHECK).name("messaging"),
    check: messages_can_be_stored
}

health_check! {
    service: MESSAGING_SERVICE_ID,
    spec: HealthCheckSpec::new(CONSUMERS_CHECK).name("consumers"),
    check: consumers_work
}

async fn messages_can_be_stored(messaging: Arc<Messaging>, _: CancellationToken) -> Result<(), String> {
    if messaging.place() == Place::NoServer { Err(NO_SERVER.to_owned()) } else { Ok(()) }
}

async fn consumers_work(messaging: Arc<Messaging>, _: CancellationToken) -> Result<(), String> {
    let troubles = messaging.troubles();
    if troubles.is_empty() { Ok(()) } else { Err(troubles.join("; ")) }
}

async fn start(
    service: Service,
    config: Configured<MessagingConfig>,
    metrics: Dep<Metrics>,
    faults: Option<Provided<Faults>>,
    place: Option<Provided<Place>>,
) -> Result<Messaging, Error> {
    let app = App::of(&service);
    // The preflight check has told every problem.
    let catalog = Catalog::linked().map_err(|problems| {
        errors::SERVICE_INIT_FAILED.error(MESSAGING_SERVICE_ID).message(problems.join("; ")).build()
    })?;
    let place = place.map_or_else(|| Place::of(&config, app.domain(), app.any_port()), |place| *place);
    match place {
        Place::Inside => {
            info!(service.log(), "messages stay inside of this process and are gone with it; to reach others, name servers in the config of messaging"; "event" => MESSAGES_STAY_INSIDE.hex());
        }
        Place::NoServer => warn!(service.log(), "{}", NO_SERVER; "event" => MESSAGES_STAY_INSIDE.hex()),
    }
    let transport = InProcess::new(faults.map(|faults| (*faults).clone()).unwrap_or_default());
    let metrics = MessagingMetrics::register(&metrics)?;
    metrics.connected.set(if place == Place::Inside { 1.0 } else { 0.0 });
    Messaging::new(&service, &config, catalog, place, Arc::new(transport), metrics).await
}

/// What `/readyz` says.
fn notes(app: &App) -> Vec<String> {
    let Ok(messaging) = app.get::<Messaging>() else { return Vec::new() };
    messaging.notes()
}

#[cfg(test)]
mod tests;
