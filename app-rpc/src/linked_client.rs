//! The list of all clients that are services: which endpoint each calls, and its health check.

use app_core::prelude::*;
use app_health::HealthCheckSpec;

/// The check's first run is at once. Later ones find out when a server went away.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// Combined with the id of a client, it is the id of the client's health check.
const CHECK_OF_CLIENT: u64 = 0x8f3d_6ac1_52e0_97b4;

/// A client that is linked into the program. [`rpc_client!`](crate::rpc_client) submits it through inventory.
#[derive(Debug, Clone, Copy)]
pub struct LinkedClient {
    service: ServiceId,
    calls: Option<ServiceId>,
    critical: bool,
}

inventory::collect!(LinkedClient);

impl LinkedClient {
    /// The client of this service. Its health check is not critical.
    #[must_use]
    pub const fn of(service: ServiceId) -> Self {
        Self { service, calls: None, critical: false }
    }

    /// Sets the endpoint that the client calls. A config for another endpoint is refused then.
    #[must_use]
    pub const fn calls(mut self, endpoint: ServiceId) -> Self {
        self.calls = Some(endpoint);
        self
    }

    /// Sets whether the application is ready only while an instance answers.
    #[must_use]
    pub const fn critical(mut self, critical: bool) -> Self {
        self.critical = critical;
        self
    }

    /// The id of its service.
    #[must_use]
    pub const fn service(&self) -> ServiceId {
        self.service
    }

    /// The endpoint that it calls, if its author said so.
    #[must_use]
    pub const fn endpoint(&self) -> Option<ServiceId> {
        self.calls
    }

    /// The id of its health check.
    #[must_use]
    pub const fn health_check(&self) -> HealthCheckId {
        HealthCheckId::new(self.service.as_u64() ^ CHECK_OF_CLIENT)
    }

    /// The client of a service, if it is linked.
    pub(crate) fn find(service: ServiceId) -> Option<Self> {
        inventory::iter::<Self>.into_iter().find(|client| client.service == service).copied()
    }

    pub(crate) fn spec(&self, service: &Service) -> HealthCheckSpec {
        let spec = HealthCheckSpec::new(self.health_check())
            .name(format!("{}_connected", service.name()))
            .interval(CHECK_EVERY)
            .description(format!(
                "An instance of the server that {} calls answers. If none does, its calls fail.",
                service.name()
            ));
        if self.critical { spec.critical() } else { spec }
    }
}
