//! The descriptor and the start function of the service.

use app_config::LiveConfig;
use app_core::{Restart, prelude::*};
use app_health::HealthChecks;
use app_messaging::Messaging;
use app_metrics::Metrics;

use crate::greetings::Greetings;
use crate::{MY_SERVICE, MyService, MyServiceConfig, health, messages, metrics};

/// Calls that may wait. Further calls wait for room.
const QUEUE: u16 = 1024;

app_core::service! { id: MY_SERVICE, name: "my-service", start: start, restart: Restart::on_failure() }

// The parameters are the dependencies: they run before this function is called, and stop after the service.
async fn start(
    service: Service,
    config: LiveConfig<MyServiceConfig>,
    metrics: Dep<Metrics>,
    health: Dep<HealthChecks>,
    messaging: Dep<Messaging>,
) -> Result<MyService, Error> {
    let hellos = metrics::register(&metrics)?;
    let commands = CommandServer::builder("greetings", QUEUE);
    let commands = commands.spawn(&service, Greetings::default())?;
    let handle = MyService::new(commands, config, hellos);
    health::register(&health, &service, &handle)?;
    messages::start(&service, &messaging, &handle)?;
    Ok(handle)
}
