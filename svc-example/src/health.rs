//! The health check: the command server answers.

use app_core::prelude::*;
use app_health::{HealthCheckSpec, HealthChecks};

use crate::{Buckets, COMMANDS_ANSWER};

/// Short, so that an instance that hangs leaves the load balancer soon. The check costs one command.
const INTERVAL: Duration = Duration::from_secs(10);

/// Registers the check for this incarnation of the service. The next incarnation registers it again.
pub(crate) fn register(
    health: &HealthChecks,
    service: &Service,
    commands: &CommandServer<Buckets>,
) -> Result<(), Error> {
    let commands = commands.clone();
    let spec = HealthCheckSpec::new(COMMANDS_ANSWER)
        .interval(INTERVAL)
        .description(
            "The command server of the quota service answers. If it does not, no permits are granted.",
        )
        .critical();
    health.register(service, spec, move |_cancelled| {
        let commands = commands.clone();
        async move { commands.call(|_| ()).await }
    })
}
