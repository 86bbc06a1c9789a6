//! Test support of this crate: an app with its health service, and checks that tests control.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use app_config::codec::marshal;
use app_core::{prelude::*, testing::TestApp};
use app_metrics::testing::TestMetrics;
use capnp::message::Builder;
use parking_lot::Mutex;
use schema::health_capnp::health_check_service_spec;
use tokio::time::Instant;

use crate::{
    HEALTHCHECK_METRIC_ID, HEALTHCHECK_RUN_DURATION_METRIC_ID, HEALTHCHECK_SERVICE_ID, HealthCheckSpec,
    HealthChecks,
};

pub(crate) const CHECK: HealthCheckId = HealthCheckId::new(0xc1);
pub(crate) const OTHER: HealthCheckId = HealthCheckId::new(0xc2);
pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn started() -> (TestApp, Arc<HealthChecks>) {
    let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    let health = app.get::<HealthChecks>();
    (app, health)
}

/// Like [`started`], with a config of the health service.
pub(crate) async fn started_with(config_file: &[u8]) -> (TestApp, Arc<HealthChecks>) {
    let builder = TestApp::builder();
    let path = builder.config_dir().join(format!("{HEALTHCHECK_SERVICE_ID:#x}"));
    std::fs::write(path, config_file).unwrap();
    let app = builder.linked([HEALTHCHECK_SERVICE_ID]).start().await;
    let health = app.get::<HealthChecks>();
    (app, health)
}

/// Like [`started`], with 16 concurrent runs.
pub(crate) async fn started_parallel() -> (TestApp, Arc<HealthChecks>) {
    started_with(&config_file(16, &[])).await
}

/// A config file with these checks: id, interval and timeout in seconds.
pub(crate) fn config_file(max_concurrent_runs: u8, checks: &[(u64, u16, u8)]) -> Vec<u8> {
    let mut message = Builder::new_default();
    let mut spec = message.init_root::<health_check_service_spec::Builder<'_>>();
    spec.set_max_concurrent_runs(max_concurrent_runs);
    let mut specs = spec.init_health_check_specs(checks.len().try_into().unwrap());
    for (index, (id, interval, timeout)) in (0..).zip(checks) {
        let mut check = specs.reborrow().get(index);
        check.set_health_check_id(*id);
        check.set_run_interval_seconds(*interval);
        check.set_timeout_seconds(*timeout);
    }
    let mut file = Vec::new();
    marshal(&message, &mut file).unwrap();
    file
}

/// A check every second, with a timeout of half a second.
pub(crate) fn every_second(id: HealthCheckId) -> HealthCheckSpec {
    HealthCheckSpec::new(id).interval(SECOND).timeout(SECOND / 2)
}

/// A check that notes its runs and whose result a test controls.
#[derive(Clone, Default)]
pub(crate) struct Probe(Arc<ProbeInner>);

#[derive(Default)]
struct ProbeInner {
    runs: Mutex<Vec<Instant>>,
    failing: AtomicBool,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

struct InFlight(Arc<ProbeInner>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Probe {
    pub(crate) fn runs(&self) -> usize {
        self.0.runs.lock().len()
    }

    /// The time from each run to the next.
    pub(crate) fn gaps(&self) -> Vec<Duration> {
        self.0.runs.lock().windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    pub(crate) fn fail(&self, failing: bool) {
        self.0.failing.store(failing, Ordering::SeqCst);
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.0.most_in_flight.load(Ordering::SeqCst)
    }

    /// One run, which takes `time`.
    pub(crate) async fn run(self, time: Duration) -> Result<(), String> {
        self.0.runs.lock().push(Instant::now());
        let in_flight = self.0.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_in_flight.fetch_max(in_flight, Ordering::SeqCst);
        let _in_flight = InFlight(Arc::clone(&self.0));
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        if self.0.failing.load(Ordering::SeqCst) { Err("told to fail".to_owned()) } else { Ok(()) }
    }

    /// Registers a check whose runs take `time`.
    pub(crate) fn register(&self, health: &HealthChecks, spec: HealthCheckSpec, time: Duration) {
        let probe = self.clone();
        health.register_unbound(spec, move |_cancel| probe.clone().run(time)).unwrap();
    }
}

/// The gauges of a check: failures in a row, and nanoseconds.
pub(crate) fn gauges(app: &TestApp, id: HealthCheckId) -> (f64, f64) {
    let gauge = |metric| app.metric(HEALTHCHECK_SERVICE_ID, metric, [&id.hex()]);
    (gauge(HEALTHCHECK_METRIC_ID), gauge(HEALTHCHECK_RUN_DURATION_METRIC_ID))
}

/// Lets paused time pass.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
