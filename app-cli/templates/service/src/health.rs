//! The health check: the command server answers.

use app_core::prelude::*;
use app_health::{HealthCheckSpec, HealthChecks};

use crate::{ANSWERS, MyService};

/// Short, so that an instance that hangs leaves the load balancer soon. The check costs one command.
const INTERVAL: Duration = Duration::from_secs(10);

/// Registers the check for this incarnation of the service. The next incarnation registers it again.
pub(crate) fn register(
    health: &HealthChecks,
    service: &Service,
    handle: &MyService,
) -> Result<(), Error> {
    let handle = handle.clone();
    let spec = HealthCheckSpec::new(ANSWERS)
        .interval(INTERVAL)
        .description("The service answers. If it does not, no guest is greeted.")
        .critical();
    health.register(service, spec, move |_cancelled| {
        let handle = handle.clone();
        async move { handle.answers().await }
    })
}
