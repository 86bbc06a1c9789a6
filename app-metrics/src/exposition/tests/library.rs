//! The output of `prometheus-client` for the same metrics.

use super::reader::read;
use super::{LABELS, SERVICE, id, label_value, registry, written};
use crate::exposition::Format;
use crate::spec::Origin;
use crate::{CounterVectorSpec, GaugeSpec, HistogramVectorSpec};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use std::sync::atomic::AtomicU64;

type Labels = Vec<(String, String)>;

proptest! {
    #[test]
    fn the_library_writes_the_same_in_openmetrics(
        values in prop::collection::btree_map(label_value(), any::<u32>(), 0..4),
        level in -1e12..1e12_f64,
        observed in prop::collection::vec((any::<bool>(), 0.0..20.0_f64), 0..20),
    ) {
        let own = registry();
        let constant = LABELS.split(',').map(|label| label.split_once('=').unwrap());
        let constant = constant.map(|(name, value)| (name.into(), value.trim_matches('"').to_owned().into()));
        let mut theirs = Registry::with_labels(constant);

        let spec = CounterVectorSpec::new(SERVICE, id(1), "Counted", ["value"]);
        let own_counters = own.register(spec, Origin::Service).unwrap();
        let their_counters = Family::<Labels, Counter>::default();
        theirs.register("op_a_1", "Counted", their_counters.clone());
        for (value, amount) in &values {
            own_counters.with([value]).unwrap().add((*amount).into());
            their_counters.get_or_create_owned(&vec![("value".to_owned(), value.clone())]).inc_by((*amount).into());
        }

        own.register(GaugeSpec::new(SERVICE, id(2), "StripedFloat"), Origin::Service).unwrap().set(level);
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(level);
        theirs.register("op_a_2", "StripedFloat", gauge);

        let spec = HistogramVectorSpec::new(SERVICE, id(3), "Observed", ["side"], [0.5, 1.0, 10.0]);
        let own_histograms = own.register(spec, Origin::Service).unwrap();
        let their_histograms =
            Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new([0.5, 1.0, 10.0]));
        theirs.register("op_a_3", "Observed", their_histograms.clone());
        for (left, value) in &observed {
            let side = if *left { "left" } else { "right" };
            own_histograms.with([side]).unwrap().observe(*value);
            their_histograms.get_or_create_owned(&vec![("side".to_owned(), side.to_owned())]).observe(*value);
        }

        let mut theirs_written = String::new();
        text::encode(&mut theirs_written, &theirs).unwrap();
        // The library appends a full stop to the help.
        let theirs_written = theirs_written.replace("Counted.", "Counted").replace("StripedFloat.", "StripedFloat");
        let theirs = read(&theirs_written.replace("Observed.", "Observed"), Format::OpenMetrics).unwrap();
        let own = read(&written(&own, Format::OpenMetrics), Format::OpenMetrics).unwrap();
        for (name, family) in &theirs.families {
            // The library leaves out vectors without series.
            prop_assert_eq!(Some(family), own.families.get(name));
        }
        prop_assert_eq!(own.samples, theirs.samples);
    }
}
