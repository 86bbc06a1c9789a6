//! The hottest operations on one thread, ours and those of `prometheus`, for counting instructions. See
//! `benches/README.md`.
//!
//! The command line names the operation. It runs in a function of that name, so that counting can begin and end there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement fails by panicking")]

use app_core::testing::TestApp;
use app_ids::{MetricId, ServiceId};
use app_metrics::{Counter, CounterSpec, CounterVector, CounterVectorSpec, METRICS_SERVICE_ID, Metrics};
use prometheus::{IntCounter, IntCounterVec, Opts};
use std::hint::black_box;

/// Divide the counted instructions by this.
const TIMES: usize = 1_000;
/// Calls before the counting: the first call does work of its own.
const WARM_UP: usize = 8;
const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
const LABELS: [&str; 2] = ["rule", "outcome"];
/// Eight of a hundred series.
const RULES: [&str; 8] = ["3", "14", "15", "92", "65", "35", "89", "79"];

fn main() {
    let operation = std::env::args().nth(1).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::with([METRICS_SERVICE_ID]));
    let metrics = app.get::<Metrics>();
    match operation.as_str() {
        "counter" => {
            let own = metrics.counter(CounterSpec::new(SERVICE, MetricId::new(1), "Counted.")).unwrap();
            own.inc();
            counter(&own);
        }
        "peer_counter" => peer_counter(&IntCounter::new("counted", "Counted.").unwrap()),
        "vector" => {
            let spec = CounterVectorSpec::new(SERVICE, MetricId::new(2), "Looked up.", LABELS);
            let own = metrics.counter_vector(spec).unwrap();
            (0..100).for_each(|rule| drop(own.with([&rule.to_string(), "granted"]).unwrap()));
            (0..WARM_UP).for_each(|time| own.inc([RULES[time % 8], "granted"]).unwrap());
            vector(&own);
        }
        "peer_vector" => {
            let peer = IntCounterVec::new(Opts::new("looked_up", "Looked up."), &LABELS).unwrap();
            (0..100).for_each(|rule| drop(peer.with_label_values(&[&*rule.to_string(), "granted"])));
            peer_vector(&peer);
        }
        other => panic!("{other:?} is no operation"),
    }
}

#[inline(never)]
fn counter(counter: &Counter) {
    (0..TIMES).for_each(|_| black_box(counter).inc());
}

#[inline(never)]
fn peer_counter(counter: &IntCounter) {
    (0..TIMES).for_each(|_| black_box(counter).inc());
}

#[inline(never)]
fn vector(vector: &CounterVector) {
    (0..TIMES).for_each(|time| black_box(vector).inc([black_box(RULES[time % 8]), "granted"]).unwrap());
}

#[inline(never)]
fn peer_vector(vector: &IntCounterVec) {
    (0..TIMES).for_each(|time| {
        black_box(vector).with_label_values(&[black_box(RULES[time % 8]), "granted"]).inc();
    });
}
