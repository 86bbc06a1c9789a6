//! Metrics of configs that change while their services run.

use super::{Registrar, flag, raise, services::SERVICE_LABELS, set};
use crate::{CounterVector, GaugeVector, MetricDoc};
use app_config::StaleKind::{Gone, Refused, Unread};
use app_config::{Configs, ReloadStatus};
use app_core::APP_SERVICE;
use app_core::prelude::*;
use std::time::SystemTime;

ids! {
    /// Whether the config file of each service is refused: gauge vector, labels `service` (hex) and `name`, 1 or 0. The
    /// service runs with its last good config; a new process would not start.
    pub CONFIG_REFUSED: MetricId = 0x8d22_0c39_7c33_a6b8, "config_refused";
    /// Whether the config file of each service is gone: gauge vector, labels `service` (hex) and `name`, 1 or 0. The
    /// service keeps its last good config until the process ends.
    pub CONFIG_GONE: MetricId = 0xccf0_e923_6be6_1b86, "config_gone";
    /// Whether the machine could not read the config file of each service: gauge vector, labels `service` (hex) and
    /// `name`, 1 or 0. The service keeps its last good config.
    pub CONFIG_UNREAD: MetricId = 0xcc8f_8e10_fe87_4a6a, "config_unread";
    /// Whether a new config waits for the next start of each service: gauge vector, labels `service` (hex) and `name`,
    /// 1 or 0.
    pub CONFIG_WAITING: MetricId = 0xdb50_62ae_ce34_b5ab, "config_waiting";
    /// Config changes while services ran: counter vector, labels `service` (hex), `name` and `outcome` (`reloaded`,
    /// `refused`), changes.
    pub CONFIG_RELOADS: MetricId = 0x91e8_3be5_c978_7be3, "config_reloads";
    /// When each service got its current config: gauge vector, labels `service` (hex) and `name`, seconds since 1970.
    pub CONFIG_LOAD_TIME: MetricId = 0x55a8_b90d_ef8a_93d9, "config_load_time";
}

const REFUSED: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    CONFIG_REFUSED,
    "Whether the config file of the service is refused.",
    SERVICE_LABELS,
)
.unit("1 or 0")
.meaning("The service runs, and restarts, with the last good config. A new process would not start. The log says what is wrong with the file.")
.queries(&[("Services whose config file is refused", "METRIC == 1")]);

const GONE: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    CONFIG_GONE,
    "Whether the config file of the service is gone.",
    SERVICE_LABELS,
)
.unit("1 or 0")
.meaning("The service runs, and restarts, with the last good config until the process ends. A new process would start with the defaults.")
.queries(&[("Services whose config file is gone", "METRIC == 1")]);

const UNREAD: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    CONFIG_UNREAD,
    "Whether the machine could not read the config file of the service.",
    SERVICE_LABELS,
)
.unit("1 or 0")
.meaning("The service runs with the last good config. The file is read again every second. The log says what the machine lacks.")
.queries(&[("Services whose config file could not be read", "METRIC == 1")]);

const WAITING: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    CONFIG_WAITING,
    "Whether a new config waits for the next start of the service.",
    SERVICE_LABELS,
)
.unit("1 or 0")
.meaning("The config is good, but the service takes no new config while it runs.")
.queries(&[("Services that need a restart for their new config", "METRIC == 1")]);

const RELOADS: MetricDoc = MetricDoc::counter_vector(
    APP_SERVICE,
    CONFIG_RELOADS,
    "Changes of the service's config while it ran, by outcome.",
    &[
        ("service", "id of the service, in hexadecimal"),
        ("name", "its name"),
        ("outcome", "`reloaded` or `refused`"),
    ],
)
.unit("changes")
.queries(&[("Changes in the last day", "increase(METRIC[1d]) > 0")]);

const LOAD_TIME: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    CONFIG_LOAD_TIME,
    "When the service got its current config, in seconds since 1970.",
    SERVICE_LABELS,
)
.unit("seconds since 1970")
.queries(&[
    ("Age of each config in seconds", "time() - METRIC"),
    (
        "Instances that did not get a new config with the others",
        "METRIC < on (name) group_left max by (name) (METRIC) - 300",
    ),
]);

crate::document! { REFUSED, GONE, UNREAD, WAITING, RELOADS, LOAD_TIME }

/// The metrics of configs.
#[derive(Debug)]
pub(super) struct ConfigMetrics {
    refused: GaugeVector,
    gone: GaugeVector,
    unread: GaugeVector,
    waiting: GaugeVector,
    reloads: CounterVector,
    load_time: GaugeVector,
}

impl ConfigMetrics {
    pub(super) fn register(registrar: &Registrar<'_>) -> Result<Self, Error> {
        Ok(Self {
            refused: registrar.gauges(&REFUSED)?,
            gone: registrar.gauges(&GONE)?,
            unread: registrar.gauges(&UNREAD)?,
            waiting: registrar.gauges(&WAITING)?,
            reloads: registrar.counters(&RELOADS)?,
            load_time: registrar.gauges(&LOAD_TIME)?,
        })
    }

    pub(super) fn update(&self, app: &App) {
        // Without the config service there are no configs.
        let statuses = app.get::<Configs>().map(|configs| configs.reload_statuses());
        statuses.unwrap_or_default().iter().for_each(|status| self.update_config(status));
    }

    fn update_config(&self, status: &ReloadStatus) {
        let (id, name) = (status.service.hex(), status.service.name().unwrap_or_default());
        let files = [(&self.refused, Refused), (&self.gone, Gone), (&self.unread, Unread)];
        for (gauge, kind) in files {
            set(gauge, [&id, name], flag(status.is(kind)));
        }
        set(&self.waiting, [&id, name], flag(status.waiting));
        raise(&self.reloads, [&id, name, "reloaded"], status.reloads);
        raise(&self.reloads, [&id, name, "refused"], status.refusals);
        if let Ok(since) = status.since.duration_since(SystemTime::UNIX_EPOCH) {
            set(&self.load_time, [&id, name], since.as_secs_f64());
        }
    }
}
