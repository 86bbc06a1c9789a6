//! Metrics of command servers: how many commands wait, for how long, and what failed.
//!
//! The kernel counts, and a scrape adds what was counted since the last scrape. Several parts of a service may have
//! servers with the same labels. Their metrics are sums. The sums never go down while one of the servers exists, and
//! disappear with the last server.

#[cfg(test)]
mod tests;

use super::{Registrar, set};
use crate::{CounterVector, GaugeVector, HistogramVector, MetricDoc};
use app_core::prelude::*;
use app_core::{
    APP_SERVICE,
    commands::{CommandServerStatus, TimeHistogram},
};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};

ids! {
    /// Commands that wait: gauge vector, labels `service` (hex), `name` and `server`, commands.
    pub COMMAND_QUEUE_DEPTH: MetricId = 0xc7b5_fab5_5dfc_afe6, "command_queue_depth";
    /// Capacity of command queues: gauge vector, labels `service` (hex), `name` and `server`, commands.
    pub COMMAND_QUEUE_CAPACITY: MetricId = 0x31db_40f5_5d84_8f5d, "command_queue_capacity";
    /// Commands that were run: counter vector, labels `service` (hex), `name` and `server`, commands.
    pub COMMANDS_RUN: MetricId = 0x02b5_600a_57cb_5006, "commands_run";
    /// Commands that were refused: counter vector, labels `service` (hex), `name` and `server`, commands.
    pub COMMANDS_REFUSED: MetricId = 0x2697_2d39_2d6c_379b, "commands_refused";
    /// Commands that panicked: counter vector, labels `service` (hex), `name` and `server`, commands.
    pub COMMANDS_PANICKED: MetricId = 0x155b_e2d6_fa84_d10e, "commands_panicked";
    /// Waiting time of commands: histogram vector, labels `service` (hex), `name` and `server`, seconds.
    pub COMMAND_WAIT: MetricId = 0x7ac9_d865_61da_9257, "command_wait";
    /// Run time of commands: histogram vector, labels `service` (hex), `name` and `server`, seconds.
    pub COMMAND_RUN: MetricId = 0x7606_2ac9_af29_78f4, "command_run";
}

const LABELS: &[(&str, &str)] = &[
    ("service", "id of the service, in hexadecimal"),
    ("name", "its name, and the name of the part that has the server"),
    ("server", "name of the command server"),
];

const DEPTH: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    COMMAND_QUEUE_DEPTH,
    "Commands that wait for the command server.",
    LABELS,
)
.unit("commands")
.meaning("Their number at the moment of the scrape. `command_wait` covers the time between scrapes.")
.queries(&[("Commands that wait, by service and server", "sum by (name, server) (METRIC)")]);

const CAPACITY: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    COMMAND_QUEUE_CAPACITY,
    "How many commands may wait for the command server.",
    LABELS,
)
.unit("commands")
.meaning("When the queue is full, callers wait for room or are refused.")
.queries(&[("Free share of the queue", "1 - op_0_c7b5fab55dfcafe6 / METRIC")]);

const RUN: MetricDoc =
    MetricDoc::counter_vector(APP_SERVICE, COMMANDS_RUN, "Commands that the command server ran.", LABELS)
        .unit("commands")
        .meaning("This includes commands that panicked.")
        .queries(&[("Commands a second", "sum by (name, server) (rate(METRIC[5m]))")]);

const REFUSED: MetricDoc = MetricDoc::counter_vector(
    APP_SERVICE,
    COMMANDS_REFUSED,
    "Commands that the command server did not take.",
    LABELS,
)
.unit("commands")
.meaning("The queue was full and the caller does not wait for room, or the service was not alive. The caller got an error.")
.queries(&[("Refusals a second", "sum by (name, server) (rate(METRIC[5m])) > 0")]);

const PANICKED: MetricDoc = MetricDoc::counter_vector(
    APP_SERVICE,
    COMMANDS_PANICKED,
    "Commands that panicked in the command server.",
    LABELS,
)
.unit("commands")
.meaning("Each panic failed the service of the command server. The log has the panic.")
.queries(&[("Panics in the last day", "increase(METRIC[1d]) > 0")]);

const WAIT: MetricDoc = MetricDoc::histogram_vector(
    APP_SERVICE,
    COMMAND_WAIT,
    "Seconds that commands waited for the command server.",
    LABELS,
    &TimeHistogram::BOUNDS_SECONDS,
)
.unit("seconds")
.meaning(
    "The time from the call until the command ran, including the wait for room in the queue. A server that runs 1,000 commands a second or more times a random sample. Each timed command stands for the others, so the mean is right.",
)
.queries(&[
    ("99th percentile of the wait", "histogram_quantile(0.99, sum by (le, name, server) (rate(METRIC_bucket[5m])))"),
    ("The mean", "rate(METRIC_sum[5m]) / rate(METRIC_count[5m])"),
]);

const RUN_TIME: MetricDoc = MetricDoc::histogram_vector(
    APP_SERVICE,
    COMMAND_RUN,
    "Seconds that commands ran in the command server.",
    LABELS,
    &TimeHistogram::BOUNDS_SECONDS,
)
.unit("seconds")
.meaning("Sampled like `command_wait`, without commands that panicked. The rate of the sum is the share of time that the server is busy. Near 1, the server is the bottleneck.")
.queries(&[
    ("Share of time that each server is busy", "sum by (name, server) (rate(METRIC_sum[5m]))"),
    ("99th percentile of the run time", "histogram_quantile(0.99, sum by (le, name, server) (rate(METRIC_bucket[5m])))"),
]);

crate::document! { DEPTH, CAPACITY, RUN, REFUSED, PANICKED, WAIT, RUN_TIME }

/// Label values: service id, service name, server.
type Labels = [String; 3];

/// The metrics of command servers.
#[derive(Debug)]
pub(super) struct Commands {
    depth: GaugeVector,
    capacity: GaugeVector,
    run: CounterVector,
    refused: CounterVector,
    panicked: CounterVector,
    wait: HistogramVector,
    run_time: HistogramVector,
    /// The status of each server, by number, as of the last scrape. The lock also makes scrapes take turns.
    seen: Mutex<BTreeMap<u64, CommandServerStatus>>,
}

impl Commands {
    pub(super) fn register(registrar: &Registrar<'_>) -> Result<Self, Error> {
        Ok(Self {
            depth: registrar.gauges(&DEPTH)?,
            capacity: registrar.gauges(&CAPACITY)?,
            run: registrar.counters(&RUN)?,
            refused: registrar.counters(&REFUSED)?,
            panicked: registrar.counters(&PANICKED)?,
            wait: registrar.histograms(&WAIT)?,
            run_time: registrar.histograms(&RUN_TIME)?,
            seen: Mutex::default(),
        })
    }

    pub(super) fn update(&self, app: &App) {
        let mut seen = self.seen.lock();
        let mut waiting: BTreeMap<Labels, [usize; 2]> = BTreeMap::new();
        let now: BTreeMap<u64, CommandServerStatus> =
            app.command_servers().into_iter().map(|server| (server.number, server)).collect();
        for server in now.values() {
            let labels = labels(server);
            self.add(&labels, server, seen.get(&server.number));
            let sums = waiting.entry(labels).or_default();
            // A server that has ended takes no commands.
            let open = if server.serving { [server.depth, server.capacity] } else { [0, 0] };
            *sums = [sums[0] + open[0], sums[1] + open[1]];
        }
        for (labels, [depth, capacity]) in &waiting {
            set(&self.depth, texts(labels), *depth as f64);
            set(&self.capacity, texts(labels), *capacity as f64);
        }
        let before: BTreeSet<Labels> = seen.values().map(labels).collect();
        before.iter().filter(|labels| !waiting.contains_key(*labels)).for_each(|labels| self.forget(labels));
        *seen = now;
    }

    fn add(&self, of: &Labels, now: &CommandServerStatus, before: Option<&CommandServerStatus>) {
        let counts = [
            (&self.run, now.run, before.map(|before| before.run)),
            (&self.refused, now.refused, before.map(|before| before.refused)),
            (&self.panicked, now.panicked, before.map(|before| before.panicked)),
        ];
        for (vector, now, before) in counts {
            if let Ok(counter) = vector.with(texts(of)) {
                counter.add(now.saturating_sub(before.unwrap_or_default()));
            }
        }
        let times = [
            (&self.wait, &now.wait, before.map(|before| &before.wait)),
            (&self.run_time, &now.run_time, before.map(|before| &before.run_time)),
        ];
        for (vector, now, before) in times {
            if let Ok(histogram) = vector.with(texts(of)) {
                let added = |(bucket, count): (usize, &u64)| {
                    let before = before.and_then(|before| before.counts().get(bucket)).copied();
                    count.saturating_sub(before.unwrap_or_default())
                };
                let counts: Vec<u64> = now.counts().iter().enumerate().map(added).collect();
                let sum = now.sum_seconds() - before.map_or(0.0, TimeHistogram::sum_seconds);
                histogram.add_counts(&counts, sum.max(0.0));
            }
        }
    }

    fn forget(&self, labels: &Labels) {
        let labels = texts(labels);
        // Fails only for a wrong number of labels.
        let _ = self.depth.remove(labels);
        let _ = self.capacity.remove(labels);
        for counters in [&self.run, &self.refused, &self.panicked] {
            let _ = counters.remove(labels);
        }
        for histograms in [&self.wait, &self.run_time] {
            let _ = histograms.remove(labels);
        }
    }
}

fn labels(server: &CommandServerStatus) -> Labels {
    [server.service.hex(), server.service_name.clone(), server.name.clone()]
}

fn texts(labels: &Labels) -> [&str; 3] {
    [&labels[0], &labels[1], &labels[2]]
}
