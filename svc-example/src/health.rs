//! What the service's health is: its command loop answers.

use app_core::prelude::*;
use app_health::{HealthCheckSpec, HealthChecks};

use crate::Buckets;

ids! {
    /// Critical: the command loop answers within the timeout of the check.
    pub COMMANDS_ANSWER: HealthCheckId = 0x8d0a_0181_c77f_e5ec, "quota_commands_answer";
}

/// A loop that hangs should be out of the load balancer soon, and the check costs one command.
const INTERVAL: Duration = Duration::from_secs(10);

/// For as long as `service` lives: one that is started again registers it again.
pub(crate) fn register(
    health: &HealthChecks,
    service: &Service,
    commands: &CommandServer<Buckets>,
) -> Result<(), Error> {
    let commands = commands.clone();
    let spec = HealthCheckSpec::new(COMMANDS_ANSWER)
        .interval(INTERVAL)
        .description("The command loop of the quota service answers; if not, no permits are granted.")
        .critical();
    health.register(service, spec, move |_cancelled| {
        let commands = commands.clone();
        async move { commands.call(|_| ()).await }
    })
}
