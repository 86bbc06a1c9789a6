//! The ids of the crate. They are random and never change: config files, metric names and logs contain them.

use app_core::prelude::*;

/// Service id of the service.
pub const MY_SERVICE: ServiceId = ServiceId::new(0x9d00_0000_0000_0005);

ids! {
    /// Service id of the endpoint. It listens if it has a config, which says which clients may connect.
    pub MY_SERVICE_RPC: ServiceId = 0x9d00_0000_0000_0006, "my-service-rpc";
    /// Critical: the command server answers within the timeout of the check.
    pub ANSWERS: HealthCheckId = 0x9d00_0000_0000_0007, "my_service_answers";
    /// Counter: guests that were greeted.
    pub HELLOS: MetricId = 0x9d00_0000_0000_0008, "my_service_hellos";
}
