//! Metrics in tests: read one value, or all, of a [`TestApp`].

use crate::Metrics;
use app_core::testing::TestApp;
use app_ids::{MetricId, ServiceId};

/// What a test asks of an app's metrics: `use app_metrics::testing::TestMetrics as _;`.
pub trait TestMetrics {
    /// The value of a metric now: of a counter or gauge its value, of a histogram how many values were observed. `labels`
    /// are the values of a vector's labels, `[]` for a metric without; a series that was never asked for is 0.
    ///
    /// # Panics
    /// When no such metric is registered, or it has another number of labels.
    #[track_caller]
    fn metric<const N: usize>(&self, service: ServiceId, metric: MetricId, labels: [&str; N]) -> f64;

    /// What a scrape would read.
    ///
    /// # Panics
    /// When the metrics service does not run.
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
