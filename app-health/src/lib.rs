//! Health: checks that run in the background, and probes that only read.
//!
//! A service registers a check, an asynchronous function that says whether something works. It runs at once and then by
//! its interval, within a time limit, one check after another; its results are kept, judged with thresholds, shown as
//! gauges, logged when they change. The probes of an orchestrator (`/livez`, `/readyz`, `/healthz` on the HTTP server of
//! app-metrics) answer from what is known: however often they are asked, no check runs more often, and a check that hangs
//! does not make a probe hang.
//!
//! ```
//! use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
//! use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
//!
//! const STORE: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
//! const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
//!
//! async fn start(health: Dep<HealthChecks>) -> Result<(), Error> {
//!     let spec = HealthCheckSpec::new(DISK).name("disk").interval(Duration::from_secs(10)).critical();
//!     health.register(spec, |_cancel| async { std::fs::metadata(".").map(drop) })
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let store = ServiceDescriptor::of(STORE, "store", start);
//! let app = TestApp::builder().linked([HEALTHCHECK_SERVICE_ID]).service(store).start().await;
//! let health = app.get::<HealthChecks>();
//! assert!(health.run(DISK).await?.passed());
//! assert!(app_health::readiness(&app).ready());
//! app.stop().await.expect_clean();
//! # Ok(())
//! # }
//! ```
//!
//! Checks may also be contributed by linking a crate ([`health_check!`]), and belong to groups, which say what they count
//! for ([`HealthCheckSpec::group`]). `docs/HEALTH.md` has when checks run and what becomes of their results.
//!
//! What stays out: the HTTP server, which is app-metrics', and changing anything over HTTP: pause, resume and run are
//! functions here, and for operators a matter of RPC.

mod check;
mod cli;
mod config;
mod desk;
mod entry;
pub mod errors;
mod events;
mod facade;
#[cfg(test)]
mod fixture;
mod groups;
mod health_checks;
mod heartbeat;
mod judgement;
mod linked;
mod metrics;
mod one_line;
mod orders;
mod pauses;
mod probes;
mod record;
mod report;
mod result;
mod routes;
mod run;
mod schedule;
mod service;
mod spec;
mod state;
mod systemd;
mod timetable;

pub use self::{
    config::{HealthConfig, Schedule},
    events::{HEALTHCHECK_ID_LOG_FIELD, HealthEvent, HealthEventKind, HealthTransition},
    facade::{
        events, history, ids, pause, paused, register, registered, result, results, resume, run, spec,
        transitions, unregister,
    },
    groups::{LIVENESS_GROUP, READINESS_GROUP, STARTUP_GROUP},
    health_checks::HealthChecks,
    judgement::HealthStatus,
    linked::{LinkedCheck, LinkedFunction, LinkedRun},
    metrics::{
        HEALTHCHECK_ABANDONED_METRIC_ID, HEALTHCHECK_FAILURES_METRIC_ID, HEALTHCHECK_INFO_METRIC_ID,
        HEALTHCHECK_METRIC_ID, HEALTHCHECK_METRIC_LABEL, HEALTHCHECK_PAUSED_METRIC_ID,
        HEALTHCHECK_RUN_DURATION_METRIC_ID, HEALTHCHECK_RUNS_METRIC_ID, HEALTHCHECK_TIMEOUTS_METRIC_ID,
        HEALTHCHECK_TRANSITIONS_METRIC_ID,
    },
    probes::{liveness, notes, readiness, startup},
    record::{HISTORY_LENGTH, TRANSITIONS_LENGTH},
    result::{HealthCheckResult, HealthOutcome},
    routes::{HEALTHZ_PATH, LIVEZ_PATH, READYZ_PATH, STARTUP_PATH},
    service::HEALTHCHECK_SERVICE_ID,
    spec::{DEFAULT_HEALTHCHECK_RUN_INTERVAL, DEFAULT_HEALTHCHECK_RUN_TIMEOUT, HealthCheckSpec},
    state::HealthCheckState,
};

/// For [`health_check!`]: what it names must be reachable from where it expands.
#[doc(hidden)]
pub mod __private {
    pub use app_core::Origin;
    pub use inventory;
}
