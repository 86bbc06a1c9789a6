//! The memory of one series, compared with other crates. A program of its own, because it counts allocations.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "its output is the table")]

use app_core::testing::TestApp;
use app_ids::{MetricId, ServiceId};
use app_metrics::{CounterVectorSpec, HistogramVectorSpec, METRICS_SERVICE_ID, Metrics};
use metrics_util::registry::{AtomicStorage, Registry};
use peak_alloc::PeakAlloc;
use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};
use std::collections::BTreeMap;
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
const LABELS: [&str; 2] = ["rule", "outcome"];
/// Just below the size at which tables of a power of two slots grow, so that few slots are empty.
const SERIES: usize = 57_000;

/// Bytes that are allocated and not freed, for each series that `make` makes.
fn per_series<T>(make: impl FnOnce() -> T) -> f64 {
    let before = ALLOCATOR.current_usage();
    let made = black_box(make());
    let bytes = ALLOCATOR.current_usage() - before;
    drop(made);
    bytes as f64 / SERIES as f64
}

fn rules() -> impl Iterator<Item = String> {
    (0..SERIES).map(|rule| rule.to_string())
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::with([METRICS_SERVICE_ID]));
    let metrics = app.get::<Metrics>();
    let mut table: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
    table.insert("counter", counters(&metrics));
    table.insert("histogram, 10 buckets", histograms(&metrics));
    println!("\nBytes for each of {SERIES} series with 2 labels, as asked of the allocator:\n");
    println!("| series of a vector | app-metrics | prometheus-client | prometheus | metrics |");
    println!("|---|--:|--:|--:|--:|");
    for (kind, row) in table {
        let of = |who: &str| {
            let bytes = row.iter().find(|(name, _)| *name == who).map(|(_, bytes)| *bytes);
            bytes.map_or("-".to_owned(), |bytes| format!("{bytes:.0}"))
        };
        let cells = ["app-metrics", "prometheus-client", "prometheus", "metrics"].map(of);
        println!("| {kind} | {} |", cells.join(" | "));
    }
}

type Labels = [(&'static str, String); 2];

fn labels(rule: String) -> Labels {
    [("rule", rule), ("outcome", "granted".to_owned())]
}

fn counters(metrics: &Metrics) -> Vec<(&'static str, f64)> {
    let own = per_series(|| {
        let spec = CounterVectorSpec::new(SERVICE, MetricId::new(1), "Counted.", LABELS).max_series(SERIES);
        let vector = metrics.counter_vector(spec).unwrap();
        rules().for_each(|rule| vector.inc([&rule, "granted"]).unwrap());
        vector
    });
    let client = per_series(|| {
        let family = Family::<Labels, Counter>::default();
        rules().for_each(|rule| {
            family.get_or_create(&labels(rule)).inc();
        });
        family
    });
    let prometheus = per_series(|| {
        let options = prometheus::Opts::new("counted", "Counted.");
        let vector = prometheus::IntCounterVec::new(options, &LABELS).unwrap();
        rules().for_each(|rule| vector.with_label_values(&[&rule, "granted"]).inc());
        vector
    });
    let theirs = per_series(|| {
        let registry = Registry::new(AtomicStorage);
        rules().for_each(|rule| registry.get_or_create_counter(&key(rule), |_| ()));
        registry
    });
    vec![("app-metrics", own), ("prometheus-client", client), ("prometheus", prometheus), ("metrics", theirs)]
}

fn key(rule: String) -> metrics::Key {
    let labels = vec![metrics::Label::new("rule", rule), metrics::Label::new("outcome", "granted")];
    metrics::Key::from_parts("counted", labels)
}

/// Without `metrics`, whose histograms keep every value.
fn histograms(metrics: &Metrics) -> Vec<(&'static str, f64)> {
    let own = per_series(|| {
        let spec = HistogramVectorSpec::new(SERVICE, MetricId::new(2), "Observed.", LABELS, BUCKETS);
        let vector = metrics.histogram_vector(spec.max_series(SERIES)).unwrap();
        rules().for_each(|rule| vector.observe([&rule, "granted"], 1.0).unwrap());
        vector
    });
    let client = per_series(|| {
        let family = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        rules().for_each(|rule| family.get_or_create(&labels(rule)).observe(1.0));
        family
    });
    let prometheus = per_series(|| {
        let options = prometheus::HistogramOpts::new("observed", "Observed.").buckets(BUCKETS.to_vec());
        let vector = prometheus::HistogramVec::new(options, &LABELS).unwrap();
        rules().for_each(|rule| vector.with_label_values(&[&rule, "granted"]).observe(1.0));
        vector
    });
    vec![("app-metrics", own), ("prometheus-client", client), ("prometheus", prometheus)]
}
