//! Metrics of the metrics themselves.

use super::{Registrar, raise};
use crate::registry::Snapshot;
use crate::{CounterVector, MetricDoc};
use app_core::APP_SERVICE;
use app_core::prelude::*;

ids! {
    /// Lookups that returned a vector's overflow series: counter vector, label `metric` (the name of the vector),
    /// lookups.
    pub SERIES_OVERFLOWED: MetricId = 0xdd7f_cc43_c5a8_2e2f, "series_overflowed";
}

const OVERFLOWED: MetricDoc = MetricDoc::counter_vector(
    APP_SERVICE,
    SERIES_OVERFLOWED,
    "Lookups in a vector that ended at its overflow series, by name of the vector.",
    &[("metric", "name of the vector in Prometheus")],
)
.unit("lookups")
.meaning(
    "The vector is full (`maxSeriesPerVector` in the config of the service `metrics`), or a label value was too long. Such values are counted in one series, with the label value `overflow` throughout.",
)
.queries(&[("Vectors that overflow", "increase(METRIC[1h]) > 0")]);

crate::document! { OVERFLOWED }

/// The metric of overflowing vectors.
#[derive(Debug)]
pub(super) struct Vectors {
    overflowed: CounterVector,
}

impl Vectors {
    pub(super) fn register(registrar: &Registrar<'_>) -> Result<Self, Error> {
        Ok(Self { overflowed: registrar.counters(&OVERFLOWED)? })
    }

    pub(super) fn update(&self, snapshot: &Snapshot) {
        for family in &snapshot.families {
            if let Some(overflowed) = family.instrument.overflowed().filter(|overflowed| *overflowed > 0) {
                raise(&self.overflowed, [family.name()], overflowed);
            }
        }
    }
}
