//! The platform's own metrics: of services, command servers, configs, the log, the build, and the metrics themselves.
//!
//! They belong to the application (service id 0, [`APP_SERVICE`](app_core::APP_SERVICE)), so their names are
//! `op_0_{metric hex}`. The values are counted elsewhere, and a scrape reads them, so that no measured code waits. The
//! metrics of the process have Prometheus' own names (`process_cpu_seconds_total` and so on) and no ids.
//! `docs/METRICS.md` is made from the declarations here.

mod build_info;
mod commands;
mod configs;
mod log;
mod panels;
mod process;
mod rules;
mod services;
#[cfg(test)]
mod tests;
mod vectors;
mod work_panels;

pub use build_info::{BUILD_INFO, RUSTC_VERSION};
pub use commands::{
    COMMAND_QUEUE_CAPACITY, COMMAND_QUEUE_DEPTH, COMMAND_RUN, COMMAND_WAIT, COMMANDS_PANICKED,
    COMMANDS_REFUSED, COMMANDS_RUN,
};
pub use configs::{
    CONFIG_GONE, CONFIG_LOAD_TIME, CONFIG_REFUSED, CONFIG_RELOADS, CONFIG_UNREAD, CONFIG_WAITING,
};
pub use log::{LOG_RECORDS, LOG_RECORDS_DROPPED};
pub use services::{
    APP_READY, SERVICE_DEATHS, SERVICE_INFO, SERVICE_PLANNED_STOPS, SERVICE_RESTART_ATTEMPT,
    SERVICE_RESTARTS, SERVICE_START_DURATION, SERVICE_START_TIME, SERVICE_STATE, SERVICE_TASKS, SERVICE_UP,
};
pub use vectors::SERIES_OVERFLOWED;

use crate::registry::Snapshot;
use crate::spec::Origin;
use crate::{Counter, CounterVector, Gauge, GaugeVector, HistogramVector, MetricDoc, MetricRegistry};
use app_core::Package;
use app_core::prelude::*;
use std::sync::Arc;

/// The registered platform metrics.
#[derive(Debug)]
pub(crate) struct PlatformMetrics {
    services: services::Services,
    commands: commands::Commands,
    configs: configs::ConfigMetrics,
    log: log::LogMetrics,
    vectors: vectors::Vectors,
}

impl PlatformMetrics {
    pub(crate) fn register(registry: &MetricRegistry, package: &Package) -> Result<Self, Error> {
        let registrar = Registrar(registry);
        build_info::register(&registrar, package)?;
        Ok(Self {
            services: services::Services::register(&registrar)?,
            commands: commands::Commands::register(&registrar)?,
            configs: configs::ConfigMetrics::register(&registrar)?,
            log: log::LogMetrics::register(&registrar)?,
            vectors: vectors::Vectors::register(&registrar)?,
        })
    }

    /// Updates the metrics. Returns a snapshot of all metrics.
    pub(crate) fn refresh(&self, app: &App, registry: &MetricRegistry) -> Arc<Snapshot> {
        self.services.update(app);
        self.commands.update(app);
        self.configs.update(app);
        self.log.update(app);
        let snapshot = registry.snapshot();
        self.vectors.update(&snapshot);
        snapshot
    }
}

/// Registers documented metrics as the platform's.
struct Registrar<'a>(&'a MetricRegistry);

/// The number of series depends on the number of services and the like, which the application chooses.
impl Registrar<'_> {
    fn counter(&self, doc: &MetricDoc) -> Result<Counter, Error> {
        self.0.register(doc.counter_spec(), Origin::Platform)
    }

    fn counters(&self, doc: &MetricDoc) -> Result<CounterVector, Error> {
        self.0.register(doc.counter_vector_spec().max_series(usize::MAX), Origin::Platform)
    }

    fn histograms(&self, doc: &MetricDoc) -> Result<HistogramVector, Error> {
        self.0.register(doc.histogram_vector_spec().max_series(usize::MAX), Origin::Platform)
    }

    fn gauge(&self, doc: &MetricDoc) -> Result<Gauge, Error> {
        self.0.register(doc.gauge_spec(), Origin::Platform)
    }

    /// A gauge whose samples identify the instance.
    fn identity(&self, doc: &MetricDoc) -> Result<GaugeVector, Error> {
        self.0.register(doc.gauge_vector_spec(), Origin::Identity)
    }

    fn gauges(&self, doc: &MetricDoc) -> Result<GaugeVector, Error> {
        self.0.register(doc.gauge_vector_spec().max_series(usize::MAX), Origin::Platform)
    }
}

fn flag(set: bool) -> f64 {
    f64::from(u8::from(set))
}

/// Sets a gauge. Fails only for a wrong number of labels, which is a constant of this crate.
fn set<const N: usize>(gauges: &GaugeVector, labels: [&str; N], value: f64) {
    if let Ok(gauge) = gauges.with(labels) {
        gauge.set(value);
    }
}

/// Raises a counter. Fails as rarely as [`set`].
fn raise<const N: usize>(counters: &CounterVector, labels: [&str; N], total: u64) {
    if let Ok(counter) = counters.with(labels) {
        counter.raise_to(total);
    }
}
