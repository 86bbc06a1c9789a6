//! The metric of the service, with its documentation.

use app_core::prelude::*;
use app_metrics::{Counter, MetricDoc, Metrics};

use crate::{HELLOS, MY_SERVICE};

const HELLOS_DOC: MetricDoc = MetricDoc::counter(MY_SERVICE, HELLOS, "Guests that were greeted.")
    .unit("guests")
    .meaning("Calls and messages. A name that is refused does not count.")
    .queries(&[("Guests a second, by instance", "rate(METRIC[5m])")]);

app_metrics::document! { HELLOS_DOC }

/// Registers the metric.
pub(crate) fn register(metrics: &Metrics) -> Result<Counter, Error> {
    metrics.counter(HELLOS_DOC.counter_spec())
}
