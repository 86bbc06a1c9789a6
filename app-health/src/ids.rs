//! The ids of this crate.

use app_core::prelude::{MetricId, ServiceId};
use app_ids::ids;

/// Id of the health check service.
pub const HEALTHCHECK_SERVICE_ID: ServiceId = ServiceId::new(0xe105_d090_9fcc_5ec5);

ids! {
    /// Gauge: -1 before the first run, 0 if the last run passed, n if the last n runs failed.
    pub HEALTHCHECK_METRIC_ID: MetricId = 0x844d_7830_332b_ffd3, "healthcheck";
    /// Gauge: duration of the last run in nanoseconds; 0 before the first run.
    pub HEALTHCHECK_RUN_DURATION_METRIC_ID: MetricId = 0xcd42_60d6_e89a_d9c6, "healthcheck_run_duration";
    /// Counter: runs that have a result.
    pub HEALTHCHECK_RUNS_METRIC_ID: MetricId = 0xe32f_1552_0790_e4a9, "healthcheck_runs";
    /// Counter: runs that failed, for any reason.
    pub HEALTHCHECK_FAILURES_METRIC_ID: MetricId = 0xb39c_0a5a_fb1f_0175, "healthcheck_failures";
    /// Counter: runs that timed out.
    pub HEALTHCHECK_TIMEOUTS_METRIC_ID: MetricId = 0xb14e_2536_f955_57f2, "healthcheck_timeouts";
    /// Counter: runs that were abandoned.
    pub HEALTHCHECK_ABANDONED_METRIC_ID: MetricId = 0xb493_179b_0329_1ac2, "healthcheck_abandoned";
    /// Counter: changes of the check's status.
    pub HEALTHCHECK_TRANSITIONS_METRIC_ID: MetricId = 0xa4d3_e5b1_4855_2176, "healthcheck_transitions";
    /// Gauge: since when the check is paused, in seconds since 1970; 0 if it is not paused.
    pub HEALTHCHECK_PAUSED_METRIC_ID: MetricId = 0xd7c4_19e0_5b62_8fa3, "healthcheck_paused_since";
    /// Gauge, always 1: the names of checks, by id.
    pub HEALTHCHECK_INFO_METRIC_ID: MetricId = 0x2faa_89ea_d01d_b0ea, "healthcheck_info";
}
