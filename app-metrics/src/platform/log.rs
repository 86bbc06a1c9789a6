//! Metrics of the log.

use super::{Registrar, raise};
use crate::{Counter, CounterVector, MetricDoc};
use app_core::prelude::*;
use app_core::{APP_SERVICE, LogLevel};

ids! {
    /// Log records written: counter vector, label `level` (`debug`, `info`, `warn`, `error`), records.
    pub LOG_RECORDS: MetricId = 0xddab_ce92_f456_75a0, "log_records";
    /// Log records that were dropped because the sink was full, closed or blocked: counter, records.
    pub LOG_RECORDS_DROPPED: MetricId = 0x9521_5e52_7be0_02d0, "log_records_dropped";
}

const RECORDS: MetricDoc = MetricDoc::counter_vector(
    APP_SERVICE,
    LOG_RECORDS,
    "Log records written, by level.",
    &[("level", "`debug`, `info`, `warn` or `error`")],
)
.unit("records")
.meaning("Records below the log level are neither written nor counted.")
.queries(&[
    ("Records a second, by level", "sum by (level) (rate(METRIC[5m]))"),
    ("Errors in the last hour", "sum(increase(METRIC{level=\"error\"}[1h]))"),
]);

const DROPPED: MetricDoc =
    MetricDoc::counter(APP_SERVICE, LOG_RECORDS_DROPPED, "Log records that were dropped.")
        .unit("records")
        .meaning("Standard error was full, closed or blocked, and logging does not wait for it. A record reports the number once the sink takes records again.")
        .queries(&[("Records dropped in the last hour", "increase(METRIC[1h]) > 0")]);

crate::document! { RECORDS, DROPPED }

const LEVELS: [(LogLevel, &str); 4] = [
    (LogLevel::Debug, "debug"),
    (LogLevel::Info, "info"),
    (LogLevel::Warn, "warn"),
    (LogLevel::Error, "error"),
];

/// The metrics of the log.
#[derive(Debug)]
pub(super) struct LogMetrics {
    records: CounterVector,
    dropped: Counter,
}

impl LogMetrics {
    pub(super) fn register(registrar: &Registrar<'_>) -> Result<Self, Error> {
        Ok(Self { records: registrar.counters(&RECORDS)?, dropped: registrar.counter(&DROPPED)? })
    }

    pub(super) fn update(&self, app: &App) {
        let log = app.log();
        for (level, name) in LEVELS {
            raise(&self.records, [name], log.written(level));
        }
        self.dropped.raise_to(log.dropped());
    }
}
