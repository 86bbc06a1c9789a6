//! Ids of this crate, and the id of the service that its metric belongs to.

use app_core::prelude::*;

/// Service id of the admin interface. The metric of this crate has it, because the names of metrics are a contract.
pub const APP_RPC_SERVICE_ID: ServiceId = ServiceId::new(0xe492_14fa_20b3_5ba8);

ids! {
    /// Gauge vector, by `service`, `what` and `name`: when a certificate or a revocation list in use expires, in seconds since
    /// 1970.
    pub CERTIFICATE_END: MetricId = 0x7176_d7c0_3049_f0b9, "certificate_end";
}
