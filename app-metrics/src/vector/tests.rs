//! Tests of the vectors.

use super::{
    CounterVector, GaugeVector, HistogramVector, MAX_LABEL_VALUE_BYTES, OVERFLOW_LABEL_VALUE, Vector,
    VectorParts,
};
use app_errors::errors;
use app_ids::ServiceId;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn vector(labels: &[&str], cap: usize) -> CounterVector {
    Vector::new(VectorParts {
        service: ServiceId::new(0xa),
        name: "op_a_b".into(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        bounds: [].into(),
        cap,
    })
}

fn shown(vector: &CounterVector) -> Vec<(String, f64)> {
    vector.series().map(|series| (series.values.join("/"), series.metric.get())).collect()
}

#[test]
fn the_same_values_give_the_same_series() {
    let vector = vector(&["rule", "outcome"], 10);
    vector.with(["a", "b"]).unwrap().inc();
    vector.with(["a", "b"]).unwrap().inc();
    vector.with(["ab", ""]).unwrap().inc();
    assert_eq!(shown(&vector), [("a/b".into(), 2.0), ("ab/".into(), 1.0)]);
}

#[test]
fn values_of_any_length_are_told_apart_by_their_last_byte() {
    let vector = vector(&["key", "kind"], 200);
    let values = (0..40).flat_map(|length| ["a", "b"].map(|last| "x".repeat(length) + last));
    let values: Vec<String> = values.collect();
    for (times, value) in values.iter().enumerate() {
        vector.add([value, "granted"], times as u64).unwrap();
        vector.add(["granted", value], 1_000).unwrap();
    }
    for (times, value) in values.iter().enumerate() {
        assert_eq!(vector.with([value, "granted"]).unwrap().get(), times as f64, "{value}");
        assert_eq!(vector.value(&[value, "granted"], crate::Counter::get), Some(times as f64), "{value}");
        assert!(vector.remove([value, "granted"]).unwrap(), "{value}");
    }
    assert_eq!(vector.series_count(), values.len());
}

#[test]
fn counting_by_values_is_counting_with_the_handle() {
    let vector = vector(&["rule", "outcome"], 1);
    vector.inc(["a", "b"]).unwrap();
    vector.add(["a", "b"], 2).unwrap();
    vector.inc(["beyond", "the cap"]).unwrap();
    assert_eq!(shown(&vector), [("a/b".into(), 3.0), ("overflow/overflow".into(), 1.0)]);
    assert_eq!(vector.overflowed(), 1);
    assert!(vector.inc(["a"]).unwrap_err().is(&errors::ILLEGAL_ARGUMENT));

    let parts = |bounds: &[f64]| VectorParts {
        service: ServiceId::new(0xa),
        name: "op_a_b".into(),
        labels: vec!["key".into()],
        bounds: bounds.into(),
        cap: 1,
    };
    let gauges = GaugeVector::new(parts(&[]));
    gauges.set(["a"], 3.0).unwrap();
    gauges.add(["a"], -0.5).unwrap();
    assert_eq!(gauges.with(["a"]).unwrap().get(), 2.5);
    let histograms = HistogramVector::new(parts(&[1.0]));
    histograms.observe(["a"], 2.0).unwrap();
    assert_eq!(histograms.with(["a"]).unwrap().snapshot().counts, [0, 1]);
}

#[test]
fn the_number_of_values_must_be_that_of_the_labels() {
    let vector = vector(&["rule", "outcome"], 10);
    for error in [vector.with(["a"]).unwrap_err(), vector.remove(["a", "b", "c"]).unwrap_err()] {
        assert!(error.is(&errors::ILLEGAL_ARGUMENT));
        assert!(error.to_string().contains("op_a_b"), "{error}");
        assert!(error.to_string().contains("for 2 labels (rule, outcome)"), "{error}");
    }
}

#[test]
fn beyond_the_cap_all_go_to_one_series_and_are_counted() {
    let vector = vector(&["key", "kind"], 3);
    for key in 0..1_000 {
        vector.with([&key.to_string(), "x"]).unwrap().inc();
    }
    assert_eq!(vector.series_count(), 3);
    assert_eq!(vector.overflowed(), 997);
    let expected = [("0/x", 1.0), ("1/x", 1.0), ("2/x", 1.0), ("overflow/overflow", 997.0)];
    assert_eq!(shown(&vector), expected.map(|(values, value)| (values.to_owned(), value)));
    vector.with(["1", "x"]).unwrap().inc();
    assert_eq!(vector.overflowed(), 997, "existing series stay reachable");
}

#[test]
fn values_too_long_go_to_the_overflow_series() {
    let vector = vector(&["key"], 3);
    vector.with([&"x".repeat(MAX_LABEL_VALUE_BYTES)]).unwrap();
    vector.with([&"x".repeat(MAX_LABEL_VALUE_BYTES + 1)]).unwrap().inc();
    assert_eq!((vector.series_count(), vector.overflowed()), (1, 1));
    assert_eq!(shown(&vector).last(), Some(&(OVERFLOW_LABEL_VALUE.to_owned(), 1.0)));
}

#[test]
fn the_overflow_series_can_be_asked_for_and_is_there_once() {
    let vector = vector(&["key"], 1);
    vector.with([OVERFLOW_LABEL_VALUE]).unwrap().inc();
    vector.with(["a"]).unwrap().inc();
    vector.with(["b"]).unwrap().inc();
    assert_eq!(shown(&vector), [("a".into(), 1.0), (OVERFLOW_LABEL_VALUE.into(), 2.0)]);
    assert_eq!(vector.overflowed(), 1);
    assert!(vector.remove([OVERFLOW_LABEL_VALUE]).unwrap());
    assert!(!vector.remove([OVERFLOW_LABEL_VALUE]).unwrap());
    assert_eq!(shown(&vector), [("a".into(), 1.0)]);
}

#[test]
fn a_removed_series_is_shown_no_more_and_starts_again_at_zero() {
    let vector = vector(&["key"], 2);
    let kept = vector.with(["a"]).unwrap();
    vector.with(["b"]).unwrap().inc();
    assert!(vector.remove(["a"]).unwrap());
    assert!(!vector.remove(["a"]).unwrap());
    kept.inc();
    vector.with(["c"]).unwrap();
    assert_eq!(shown(&vector), [("c".into(), 0.0), ("b".into(), 1.0)], "it takes the free place");
    assert_eq!(vector.overflowed(), 0, "removing makes room");
}

#[test]
fn threads_that_ask_at_once_share_series_and_the_cap_holds() {
    const CAP: usize = 50;
    let vector = vector(&["key"], CAP);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..2_000 {
                    vector.with([&(round % 60).to_string()]).unwrap().inc();
                }
            });
        }
        for _ in 0..100 {
            assert!(vector.series().count() <= CAP + 1);
        }
    });
    assert_eq!(vector.series_count(), CAP);
    assert_eq!(vector.series().map(|series| series.metric.get()).sum::<f64>(), 8_000.0);
}

#[derive(Clone, Debug)]
enum Step {
    Count(u8),
    Remove(u8),
}

proptest! {
    #[test]
    fn a_vector_does_what_a_map_does(
        steps in prop::collection::vec(
            prop_oneof![3 => (0_u8..20).prop_map(Step::Count), 1 => (0_u8..20).prop_map(Step::Remove)],
            0..200,
        ),
    ) {
        let vector = vector(&["key"], 100);
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Count(key) => {
                    vector.with([&key.to_string()]).unwrap().inc();
                    *model.entry(key.to_string()).or_insert(0.0) += 1.0;
                }
                Step::Remove(key) => {
                    let removed = vector.remove([&key.to_string()]).unwrap();
                    prop_assert_eq!(removed, model.remove(&key.to_string()).is_some());
                }
            }
            prop_assert_eq!(vector.series_count(), model.len());
        }
        prop_assert_eq!(shown(&vector).into_iter().collect::<BTreeMap<_, _>>(), model);
    }
}
