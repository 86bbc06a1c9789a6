//! Test support: read one metric, or all, of a [`TestApp`].

use crate::Metrics;
use app_core::testing::TestApp;
use app_ids::{MetricId, ServiceId};

/// Reads an app's metrics in tests: `use app_metrics::testing::TestMetrics as _;`.
pub trait TestMetrics {
    /// The current value of a counter or gauge, or the number of observations of a histogram.
    ///
    /// `labels` are the label values of a vector, and `[]` for other metrics. A series that does not exist has the
    /// value 0.
    ///
    /// # Panics
    /// If no such metric is registered, or it has another number of labels.
    #[track_caller]
    fn metric<const N: usize>(&self, service: ServiceId, metric: MetricId, labels: [&str; N]) -> f64;

    /// The text that a scrape reads.
    ///
    /// # Panics
    /// If the metrics service does not run.
    #[track_caller]
    fn scrape(&self) -> String;
}

impl TestMetrics for TestApp {
    fn metric<const N: usize>(&self, service: ServiceId, metric: MetricId, labels: [&str; N]) -> f64 {
        match self.get::<Metrics>().registry().value(service, metric, &labels) {
            Ok(value) => value,
            Err(why) => panic!("metric {}: {why}", metric.prometheus_name(service)),
        }
    }

    fn scrape(&self) -> String {
        self.get::<Metrics>().encode()
    }
}
