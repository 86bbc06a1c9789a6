//! Ids of the log events of health checks.

use app_core::prelude::{LogEventId, ids};

ids! {
    /// The application has started, and no health check is registered.
    pub ZERO_HEALTHCHECKS: LogEventId = 0x8c80_5853_a70e_c666, "zero_healthchecks";
    /// A health check was registered.
    pub HEALTHCHECK_REGISTERED: LogEventId = 0xb5f3_142d_410a_2375, "healthcheck_registered";
    /// A health check was paused.
    pub HEALTHCHECK_PAUSED: LogEventId = 0xc7a3_b541_88e7_5210, "healthcheck_paused";
    /// A paused health check was resumed.
    pub HEALTHCHECK_RESUMED: LogEventId = 0xc4dc_7b29_38ca_f3a9, "healthcheck_resumed";
    /// A health check ran, or its status changed.
    pub HEALTHCHECK_RESULT: LogEventId = 0xa68e_0475_cc18_39be, "healthcheck_result";
}
