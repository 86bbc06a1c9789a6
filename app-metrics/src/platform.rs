//! The platform's own metrics: of services, of their configs, of the log, of the metrics themselves.
//!
//! They belong to the application (service id 0, [`APP_SERVICE`]), so their names are `op_0_{metric hex}`. Most are
//! counted elsewhere and read when scraped. Those of the process have the names that Prometheus gives them
//! (`process_cpu_seconds_total` ..) and no ids.

mod process;
#[cfg(test)]
mod tests;

use crate::registry::Snapshot;
use crate::spec::Origin;
use crate::{CounterSpec, CounterVector, CounterVectorSpec, GaugeVector, GaugeVectorSpec, MetricRegistry};
use app_config::{Configs, ReloadStatus};
use app_core::prelude::*;
use app_core::{APP_SERVICE, LogLevel, ServiceState, ServiceStatus};
use std::sync::Arc;

ids! {
    /// Whether each service runs: gauge vector, labels `service` (hex) and `name`, 1 or 0.
    pub SERVICE_UP: MetricId = 0xa9ad_f58c_ee4a_6143, "service_up";
    /// How often each service was restarted: counter vector, labels `service` (hex) and `name`, restarts.
    pub SERVICE_RESTARTS: MetricId = 0x8d39_a82f_8d68_06be, "service_restarts";
    /// How often each service died while the application was not stopping: counter vector, labels `service` (hex) and
    /// `name`, deaths.
    pub SERVICE_DEATHS: MetricId = 0x8c4a_e2a3_5c98_9a43, "service_deaths";
    /// Whether what is in the file of each service's config was refused when it was last read, so that the service runs on
    /// an older one, and a start would be refused: gauge vector, labels `service` (hex) and `name`, 1 or 0.
    pub CONFIG_REFUSED: MetricId = 0x8d22_0c39_7c33_a6b8, "config_refused";
    /// What became of the configs that changed while their services ran: counter vector, labels `service` (hex), `name` and
    /// `outcome` (`reloaded`, `refused`), changes.
    pub CONFIG_RELOADS: MetricId = 0x91e8_3be5_c978_7be3, "config_reloads";
    /// Log records written: counter vector, label `level` (`debug`, `info`, `warn`, `error`), records.
    pub LOG_RECORDS: MetricId = 0xddab_ce92_f456_75a0, "log_records";
    /// Log records that were lost because the sink was full, closed or blocked: counter, records.
    pub LOG_RECORDS_DROPPED: MetricId = 0x9521_5e52_7be0_02d0, "log_records_dropped";
    /// Values that went to a vector's overflow series: counter vector, label `metric` (the name of the vector), lookups.
    pub SERIES_OVERFLOWED: MetricId = 0xdd7f_cc43_c5a8_2e2f, "series_overflowed";
}

const SERVICE_LABELS: [&str; 2] = ["service", "name"];
const LEVELS: [(LogLevel, &str); 4] = [
    (LogLevel::Debug, "debug"),
    (LogLevel::Info, "info"),
    (LogLevel::Warn, "warn"),
    (LogLevel::Error, "error"),
];

/// The registered platform metrics.
#[derive(Debug)]
pub(crate) struct Platform {
    up: GaugeVector,
    restarts: CounterVector,
    deaths: CounterVector,
    config_refused: GaugeVector,
    config_reloads: CounterVector,
    log_records: CounterVector,
    log_records_dropped: crate::Counter,
    overflowed: CounterVector,
}

impl Platform {
    pub(crate) fn register(registry: &MetricRegistry) -> Result<Self, Error> {
        // As many series as there are services and vectors, which is for the application to choose.
        let counters = |id, help: &str, labels: &[&str]| {
            let spec = CounterVectorSpec::new(APP_SERVICE, id, help, labels.iter().copied());
            registry.register(spec.max_series(usize::MAX), Origin::Platform)
        };
        let gauges = |id, help: &str| {
            let spec = GaugeVectorSpec::new(APP_SERVICE, id, help, SERVICE_LABELS);
            registry.register(spec.max_series(usize::MAX), Origin::Platform)
        };
        let dropped = CounterSpec::new(
            APP_SERVICE,
            LOG_RECORDS_DROPPED,
            "Log records that the log's sink did not take.",
        );
        Ok(Self {
            up: gauges(SERVICE_UP, "Whether the service runs.")?,
            restarts: counters(SERVICE_RESTARTS, "Restarts of the service.", &SERVICE_LABELS)?,
            deaths: counters(SERVICE_DEATHS, "Deaths of the service while the app ran.", &SERVICE_LABELS)?,
            config_refused: gauges(
                CONFIG_REFUSED,
                "Whether what is in the file of the service's config was refused.",
            )?,
            config_reloads: counters(
                CONFIG_RELOADS,
                "Changes of the service's config while it ran, by outcome.",
                &["service", "name", "outcome"],
            )?,
            log_records: counters(LOG_RECORDS, "Log records written, by level.", &["level"])?,
            log_records_dropped: registry.register(dropped, Origin::Platform)?,
            overflowed: counters(
                SERIES_OVERFLOWED,
                "Lookups of a vector's series that got the overflow series, by name of the vector.",
                &["metric"],
            )?,
        })
    }

    /// Reads what is counted elsewhere. Gives the metrics to show, these among them.
    pub(crate) fn refresh(&self, app: &App, registry: &MetricRegistry) -> Arc<Snapshot> {
        for status in app.service_statuses() {
            self.show_service(&status);
        }
        // Without config there is no config service.
        for status in app.get::<Configs>().map(|configs| configs.reload_statuses()).unwrap_or_default() {
            self.show_config(&status);
        }
        let log = app.log();
        for (level, name) in LEVELS {
            raise(&self.log_records, [name], log.written(level));
        }
        self.log_records_dropped.raise_to(log.dropped());
        let snapshot = registry.snapshot();
        for family in &snapshot.families {
            if let Some(overflowed) = family.instrument.overflowed().filter(|overflowed| *overflowed > 0) {
                raise(&self.overflowed, [&family.name], overflowed);
            }
        }
        snapshot
    }

    fn show_service(&self, status: &ServiceStatus) {
        let id = status.id.hex();
        let labels = [id.as_str(), status.name.as_str()];
        if let Ok(up) = self.up.with(labels) {
            up.set(f64::from(u8::from(status.state == ServiceState::Running)));
        }
        raise(&self.restarts, labels, 0);
        raise(&self.deaths, labels, status.deaths);
    }

    fn show_config(&self, status: &ReloadStatus) {
        let (id, name) = (status.service.hex(), status.service.name().unwrap_or_default());
        if let Ok(refused) = self.config_refused.with([&id, name]) {
            refused.set(f64::from(u8::from(status.refused)));
        }
        raise(&self.config_reloads, [&id, name, "reloaded"], status.reloads);
        raise(&self.config_reloads, [&id, name, "refused"], status.refusals);
    }
}

/// Can't fail but by a wrong number of labels, which a test would see.
fn raise<const N: usize>(counters: &CounterVector, labels: [&str; N], total: u64) {
    if let Ok(counter) = counters.with(labels) {
        counter.raise_to(total);
    }
}
