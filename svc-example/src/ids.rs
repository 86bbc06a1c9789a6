//! The ids of the crate. They are random and never change: config files, metric names and logs contain them.

use app_core::prelude::*;

/// Service id of the quota service.
pub const QUOTA: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);

ids! {
    /// Service id of the endpoint. It listens if it has a config, which says which clients may connect.
    pub QUOTA_RPC: ServiceId = quota_schema::QUOTA_RPC, "quota-rpc";
    /// Critical: the command server answers within the timeout of the check.
    pub COMMANDS_ANSWER: HealthCheckId = 0x8d0a_0181_c77f_e5ec, "quota_commands_answer";
    /// Counter vector: answered calls, by `rule` and `outcome` (`granted`, `denied`).
    pub GRANTS: MetricId = 0x8408_7d0f_1533_d4a6, "quota_grants";
    /// Histogram: seconds from the call to its answer.
    pub ACQUIRE_SECONDS: MetricId = 0xfe7f_d1ac_fda4_1aa6, "quota_acquire_seconds";
    /// Gauge: keys that have a bucket.
    pub KEYS: MetricId = 0xe1b1_1f23_b006_8ec7, "quota_keys";
    /// Counter: `Exhausted` messages that were given up.
    pub EXHAUSTED_DROPPED: MetricId = 0xede2_32c7_1ce8_7097, "quota_exhausted_dropped";
    /// Counter vector: attempts to lease permits of the fleet, by `outcome`.
    pub FLEET_LEASES: MetricId = 0xf97d_beb0_ad89_f233, "quota_fleet_leases";
    /// Counter vector: permits of the fleet, by `fate`.
    pub FLEET_PERMITS: MetricId = 0xb942_75bc_a1ba_eb93, "quota_fleet_permits";
    /// Permits of the fleet can't be leased, or can again.
    pub FLEET_AWAY: LogEventId = 0xf8e9_cfa1_2cb0_4048, "quota_fleet_away";
    /// Messages were given up.
    pub NOTICES_DROPPED: LogEventId = 0x87e0_3e09_3877_9cfb, "quota_notices_dropped";
}
