//! The platform's own metrics: of services, their command servers and configs, the log, the build, the metrics themselves.
//!
//! They belong to the application (service id 0, [`APP_SERVICE`](app_core::APP_SERVICE)), so their names are
//! `op_0_{metric hex}`. They are counted elsewhere and read when scraped, so that nothing that is measured waits for it.
//! Those of the process have the names that Prometheus gives them (`process_cpu_seconds_total` ..) and no ids. What each
//! tells stands in `docs/METRICS.md`, which is made from what is declared here.

mod build_info;
mod commands;
mod configs;
mod log;
mod process;
mod services;
#[cfg(test)]
mod tests;
mod vectors;

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
pub(crate) struct Platform {
    services: services::Services,
    commands: commands::Commands,
    configs: configs::ConfigMetrics,
    log: log::LogMetrics,
    vectors: vectors::Vectors,
}

impl Platform {
    pub(crate) fn register(registry: &MetricRegistry, package: &Package) -> Result<Self, Error> {
        let declare = Declare(registry);
        build_info::register(&declare, package)?;
        Ok(Self {
            services: services::Services::register(&declare)?,
            commands: commands::Commands::register(&declare)?,
            configs: configs::ConfigMetrics::register(&declare)?,
            log: log::LogMetrics::register(&declare)?,
            vectors: vectors::Vectors::register(&declare)?,
        })
    }

    /// Reads what is counted elsewhere. Gives the metrics to show, these among them.
    pub(crate) fn refresh(&self, app: &App, registry: &MetricRegistry) -> Arc<Snapshot> {
        self.services.show(app);
        self.commands.show(app);
        self.configs.show(app);
        self.log.show(app);
        let snapshot = registry.snapshot();
        self.vectors.show(&snapshot);
        snapshot
    }
}

/// Registers what is documented, as the platform's.
struct Declare<'a>(&'a MetricRegistry);

/// Vectors have as many series as there are services and the like, which is for the application to choose.
impl Declare<'_> {
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

    /// Gauges whose samples say which instance this is.
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

/// Can't fail but by a wrong number of labels, which a test would see.
fn set<const N: usize>(gauges: &GaugeVector, labels: [&str; N], value: f64) {
    if let Ok(gauge) = gauges.with(labels) {
        gauge.set(value);
    }
}

/// As [`set`].
fn raise<const N: usize>(counters: &CounterVector, labels: [&str; N], total: u64) {
    if let Ok(counter) = counters.with(labels) {
        counter.raise_to(total);
    }
}
