//! Tests of the registry.

use super::{DEFAULT_MAX_SERIES_PER_VECTOR, MetricRegistry};
use crate::errors::{METRIC_SPEC_CONFLICT, METRIC_SPEC_INVALID};
use crate::spec::Origin;
use crate::{CounterSpec, CounterVectorSpec, GaugeSpec, GaugeVectorSpec, HistogramSpec, HistogramVectorSpec};
use app_core::Identity;
use app_errors::Error;
use app_ids::{AppId, DomainId, InstanceId, MetricId, ReleaseId, ServiceId};

const A: ServiceId = ServiceId::new(0xa);
const B: ServiceId = ServiceId::new(0xb);

fn registry() -> MetricRegistry {
    let identity = Identity {
        domain: DomainId::new(0xd0),
        app: AppId::new(0xa0),
        release: ReleaseId::new(0xe0),
        instance: InstanceId::new(0xf0),
    };
    MetricRegistry::new(identity, DEFAULT_MAX_SERIES_PER_VECTOR)
}

fn id(metric: u64) -> MetricId {
    MetricId::new(metric)
}

/// One metric of each kind for service A, ids 1 to 6, and a counter for B.
fn with_one_of_each() -> Result<MetricRegistry, Error> {
    let registry = registry();
    registry.register(CounterSpec::new(A, id(1), "Help."), Origin::Service)?;
    registry.register(CounterVectorSpec::new(A, id(2), "Help.", ["l"]), Origin::Service)?;
    registry.register(GaugeSpec::new(A, id(3), "Help."), Origin::Service)?;
    registry.register(GaugeVectorSpec::new(A, id(4), "Help.", ["l"]), Origin::Service)?;
    registry.register(HistogramSpec::new(A, id(5), "Help.", [1.0]), Origin::Service)?;
    registry.register(HistogramVectorSpec::new(A, id(6), "Help.", ["l"], [1.0]), Origin::Service)?;
    registry.register(CounterSpec::new(B, id(1), "Help."), Origin::Service)?;
    Ok(registry)
}

#[test]
fn each_kind_is_found_by_service_and_id() {
    let registry = with_one_of_each().unwrap();
    assert_eq!(registry.counter(A, id(1)).unwrap().spec(), &CounterSpec::new(A, id(1), "Help."));
    assert_eq!(registry.counter_vector(A, id(2)).unwrap().labels(), ["l"]);
    assert_eq!(registry.gauge(A, id(3)).unwrap().get(), 0.0);
    assert_eq!(registry.gauge_vector(A, id(4)).unwrap().series_count(), 0);
    assert_eq!(registry.histogram(A, id(5)).unwrap().snapshot().count(), 0);
    assert_eq!(registry.histogram_vector(A, id(6)).unwrap().spec().buckets, [1.0]);
    assert!(registry.counter(A, id(3)).is_none(), "a gauge is no counter");
    assert!(registry.gauge(B, id(3)).is_none());
}

#[test]
fn ids_are_listed_by_kind_and_service() {
    let registry = with_one_of_each().unwrap();
    registry.register(CounterSpec::new(A, id(0xff), "Help."), Origin::Service).unwrap();
    assert_eq!(registry.counter_metric_ids(A), [id(1), id(0xff)]);
    assert_eq!(
        registry.counter_metric_ids_per_service(),
        [(A, vec![id(1), id(0xff)]), (B, vec![id(1)])].into()
    );
    assert_eq!(registry.counter_vector_metric_ids(A), [id(2)]);
    assert_eq!(registry.counter_vector_metric_ids_per_service(), [(A, vec![id(2)])].into());
    assert_eq!(registry.gauge_metric_ids(A), [id(3)]);
    assert_eq!(registry.gauge_metrics_by_service(), [(A, vec![id(3)])].into());
    assert_eq!(registry.gauge_vector_metric_ids(A), [id(4)]);
    assert_eq!(registry.gauge_vector_metrics_by_service(), [(A, vec![id(4)])].into());
    assert_eq!(registry.histogram_metric_ids(A), [id(5)]);
    assert_eq!(registry.histogram_metrics_by_service(), [(A, vec![id(5)])].into());
    assert_eq!(registry.histogram_vector_metric_ids(A), [id(6)]);
    assert_eq!(registry.histogram_vector_metrics_by_service(), [(A, vec![id(6)])].into());
    assert!(registry.gauge_metric_ids(B).is_empty());
}

#[test]
fn an_equal_spec_gives_the_same_metric() {
    let registry = registry();
    let first = registry.register(CounterSpec::new(A, id(1), "Help."), Origin::Service).unwrap();
    let second = registry.register(CounterSpec::new(A, id(1), " Help. "), Origin::Service).unwrap();
    first.inc();
    second.inc();
    assert_eq!(registry.counter(A, id(1)).unwrap().get(), 2.0);
}

#[test]
fn a_vector_that_does_not_say_how_many_series_gets_what_is_registered() {
    let registry = registry();
    let declared = GaugeVectorSpec::new(A, id(1), "Help.", ["l"]).max_series(2);
    registry.register(declared.clone(), Origin::Service).unwrap();
    let vector = registry.register(GaugeVectorSpec::new(A, id(1), "Help.", ["l"]), Origin::Service).unwrap();
    ["a", "b", "c"].iter().for_each(|value| vector.with([value]).unwrap().inc());
    assert_eq!((vector.series_count(), vector.overflowed()), (2, 1));
    registry.register(declared.clone(), Origin::Service).unwrap();
    assert!(
        registry.register(declared.max_series(3), Origin::Service).unwrap_err().is(&METRIC_SPEC_CONFLICT)
    );
}

#[test]
fn another_spec_under_the_same_name_is_refused_and_says_what_differs() {
    let registry = with_one_of_each().unwrap();
    let error = registry.register(GaugeSpec::new(A, id(1), "Other."), Origin::Service).unwrap_err();
    assert!(error.is(&METRIC_SPEC_CONFLICT));
    assert_eq!(
        error.to_string(),
        "gauge op_a_1 of a: already registered with another spec: it is a counter, its help is \"Help.\", not \"Other.\""
    );
    let labels = CounterVectorSpec::new(A, id(2), "Help.", ["m"]);
    let error = registry.register(labels, Origin::Service).unwrap_err();
    assert!(error.to_string().ends_with("its labels are [\"l\"], not [\"m\"]"), "{error}");
    let buckets = HistogramSpec::new(A, id(5), "Help.", [2.0]);
    let error = registry.register(buckets, Origin::Service).unwrap_err();
    assert!(error.to_string().ends_with("its buckets are [1.0], not [2.0]"), "{error}");
    let series = GaugeVectorSpec::new(A, id(4), "Help.", ["l"]).max_series(3);
    let error = registry.register(series, Origin::Service).unwrap_err();
    assert!(error.to_string().ends_with("its limit of series differs"), "{error}");
}

#[test]
fn a_spec_that_breaks_rules_is_refused_with_all_of_them() {
    let registry = registry();
    let spec = CounterVectorSpec::new(A, id(1), "", ["svc"]);
    let error = registry.register(spec, Origin::Service).unwrap_err();
    assert!(error.is(&METRIC_SPEC_INVALID));
    assert_eq!(
        error.to_string(),
        "counter vector op_a_1 of a: help: must not be empty; labels[0]: \"svc\" is reserved: every metric has it already"
    );
    assert!(registry.snapshot().families.is_empty());
}

#[test]
fn a_snapshot_has_all_in_order_and_is_made_once() {
    let registry = with_one_of_each().unwrap();
    let first = registry.snapshot();
    assert!(first.families.iter().map(|family| family.name()).is_sorted());
    assert!(std::sync::Arc::ptr_eq(&first, &registry.snapshot()));
    registry.register(CounterSpec::new(A, id(9), "Help."), Origin::Service).unwrap();
    assert_eq!(registry.snapshot().families.len(), first.families.len() + 1);
}

#[test]
fn the_constant_labels_are_the_ids_in_hex() {
    assert_eq!(
        *registry().metric_spec_labels(A),
        [("domain", "d0"), ("app", "a0"), ("svc", "a"), ("release", "e0"), ("instance", "f0")]
            .map(|(name, value)| (name, value.to_owned()))
    );
}
