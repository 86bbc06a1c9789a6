//! Health: checks that run in the background, and probes that only read.
//!
//! A service registers a check: an asynchronous function that says whether something works. The check runs at once and
//! then at its interval, with a timeout, and by default one check at a time. Thresholds turn results into a status. Gauges
//! show each result, and the log shows each change of status.
//!
//! The probes of an orchestrator (`/livez`, `/readyz`, `/healthz` on the HTTP server of app-metrics) read the last results.
//! So frequent probes do not run checks more often, and a check that hangs does not make a probe hang.
//!
//! ```
//! use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
//! use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
//!
//! const STORE: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
//! const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
//!
//! async fn start(service: Service, health: Dep<HealthChecks>) -> Result<(), Error> {
//!     let spec = HealthCheckSpec::new(DISK).name("disk").interval(Duration::from_secs(10)).critical();
//!     health.register(&service, spec, |_cancel| async { std::fs::metadata(".").map(drop) })
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
//! A crate can also contribute checks by being linked ([`health_check!`]). Groups say what a check counts for
//! ([`HealthCheckSpec::group`]). `docs/HEALTH.md` describes when checks run and what follows from their results. The
//! functions of the Go library that this project follows are in [`compat`].
//!
//! Not in this crate: the HTTP server, which belongs to app-metrics, and changes over HTTP. Operators pause, resume and
//! run checks over RPC.

mod check;
mod check_queue;
mod cli;
pub mod compat;
mod config;
mod entry;
pub mod errors;
mod events;
#[cfg(test)]
mod fixture;
mod groups;
mod health_checks;
mod heartbeat;
mod ids;
mod jitter;
mod linked;
pub mod log_events;
mod metrics;
mod note;
mod one_line;
mod outcome;
mod panels;
mod paused_checks;
mod probes;
mod record;
mod report;
mod result;
mod routes;
mod run_handle;
mod scheduler;
mod service;
mod spec;
mod state;
mod status;
mod systemd;
mod timetable;

pub use self::{
    config::{HealthConfig, Schedule},
    events::{HEALTHCHECK_ID_LOG_FIELD, HealthEvent, HealthEventKind, HealthTransition},
    groups::{LIVENESS_GROUP, READINESS_GROUP, STARTUP_GROUP},
    health_checks::HealthChecks,
    ids::{
        HEALTHCHECK_ABANDONED_METRIC_ID, HEALTHCHECK_FAILURES_METRIC_ID, HEALTHCHECK_INFO_METRIC_ID,
        HEALTHCHECK_METRIC_ID, HEALTHCHECK_PAUSED_METRIC_ID, HEALTHCHECK_RUN_DURATION_METRIC_ID,
        HEALTHCHECK_RUNS_METRIC_ID, HEALTHCHECK_SERVICE_ID, HEALTHCHECK_TIMEOUTS_METRIC_ID,
        HEALTHCHECK_TRANSITIONS_METRIC_ID,
    },
    linked::{LinkedCheck, LinkedFunction, LinkedRun},
    metrics::HEALTHCHECK_METRIC_LABEL,
    note::LinkedNotes,
    probes::{liveness, notes, readiness, startup},
    record::{HISTORY_LENGTH, TRANSITIONS_LENGTH},
    result::{HealthCheckResult, HealthOutcome},
    routes::{HEALTHZ_PATH, LIVEZ_PATH, READYZ_PATH, STARTUP_PATH},
    spec::{DEFAULT_HEALTHCHECK_RUN_INTERVAL, DEFAULT_HEALTHCHECK_RUN_TIMEOUT, HealthCheckSpec},
    state::HealthCheckState,
    status::HealthStatus,
};

/// Names that the expansion of [`health_check!`] needs.
#[doc(hidden)]
pub mod __private {
    pub use app_core::plugins::Origin;
    pub use inventory;
}

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
