//! What counting, looking a series up, observing and scraping cost, beside prometheus-client on the same work.
//!
//! `cargo bench -p app-metrics`; figures of one run only compare with those of the same run.

#![allow(missing_docs, reason = "criterion's macros declare functions without docs")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use app_core::testing::TestApp;
use app_ids::{MetricId, ServiceId};
use app_metrics::{
    CounterSpec, CounterVectorSpec, GaugeVectorSpec, HistogramSpec, METRICS_SERVICE_ID, Metrics,
};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::runtime::{Builder, Runtime};

const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Labels as prometheus-client's users write them.
type Labels = [(&'static str, String); 2];

fn app() -> (Runtime, TestApp) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::with([METRICS_SERVICE_ID]));
    (runtime, app)
}

/// The same work alone, and on two threads at once on the same metric.
fn alone_and_shared(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, work: impl Fn() + Sync) {
    group.bench_function(format!("{name}/1 thread"), |b| b.iter(&work));
    group.bench_function(format!("{name}/2 threads"), |b| {
        b.iter_custom(|iterations| on_two_threads(iterations, &work));
    });
}

fn on_two_threads(iterations: u64, work: &(impl Fn() + Sync)) -> Duration {
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..iterations).for_each(|_| work()));
        }
    });
    began.elapsed()
}

fn count(c: &mut Criterion) {
    let (_runtime, app) = app();
    let counter = CounterSpec::new(SERVICE, MetricId::new(1), "Counted.");
    let own = app.get::<Metrics>().counter(counter).unwrap();
    let theirs: Counter = Counter::default();
    let mut group = c.benchmark_group("counter inc");
    alone_and_shared(&mut group, "app-metrics", || own.inc());
    alone_and_shared(&mut group, "prometheus-client", || {
        black_box(theirs.inc());
    });
    group.finish();
}

fn observe(c: &mut Criterion) {
    let (_runtime, app) = app();
    let histogram = HistogramSpec::new(SERVICE, MetricId::new(1), "Observed.", BUCKETS);
    let own = app.get::<Metrics>().histogram(histogram).unwrap();
    let theirs = Histogram::new(BUCKETS);
    let mut group = c.benchmark_group("histogram observe, 10 buckets");
    alone_and_shared(&mut group, "app-metrics", || own.observe(black_box(0.2)));
    alone_and_shared(&mut group, "prometheus-client", || theirs.observe(black_box(0.2)));
    group.finish();
}

fn look_up(c: &mut Criterion) {
    let (_runtime, app) = app();
    let vector = CounterVectorSpec::new(SERVICE, MetricId::new(1), "Looked up.", ["rule", "outcome"]);
    let own = app.get::<Metrics>().counter_vector(vector).unwrap();
    let theirs = Family::<Labels, Counter>::default();
    for rule in 0..100 {
        own.with([&rule.to_string(), "granted"]).unwrap();
        theirs.get_or_create_owned(&labels(&rule.to_string()));
    }
    let mut group = c.benchmark_group("vector lookup and inc, 2 labels");
    alone_and_shared(&mut group, "app-metrics", || own.with([black_box("42"), "granted"]).unwrap().inc());
    alone_and_shared(&mut group, "prometheus-client", || {
        theirs.get_or_create(&labels(black_box("42"))).inc();
    });
    group.finish();
}

fn labels(rule: &str) -> Labels {
    [("rule", rule.to_owned()), ("outcome", "granted".to_owned())]
}

/// Scrapes of so many series, with two labels and the five constant ones. Ours has the process' metrics in it too:
/// `app-metrics/0` is what they cost.
fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    for series in [0, 1_000, 10_000] {
        let (_runtime, app) = app();
        let metrics = app.get::<Metrics>();
        let theirs = Family::<Labels, Gauge>::default();
        let vector = GaugeVectorSpec::new(SERVICE, MetricId::new(1), "Encoded.", ["rule", "outcome"]);
        let own = metrics.gauge_vector(vector.max_series(series)).unwrap();
        for rule in 0..series {
            own.with([&rule.to_string(), "granted"]).unwrap().set(rule as f64);
            theirs.get_or_create_owned(&labels(&rule.to_string())).set(i64::try_from(rule).unwrap());
        }
        group.bench_function(format!("app-metrics/{series}"), |b| b.iter(|| metrics.encode()));
        let constant = metrics.registry().metric_spec_labels(SERVICE);
        let constant = constant.iter().map(|(name, value)| ((*name).into(), value.clone().into()));
        let mut registry = Registry::with_labels(constant);
        registry.register("op_ce1f32c680e1ef0b_1", "Encoded.", theirs);
        let mut last = 0;
        group.bench_function(format!("prometheus-client/{series}"), |b| {
            b.iter(|| {
                let mut text = String::with_capacity(last);
                text::encode(&mut text, &registry).unwrap();
                last = text.len();
                text
            });
        });
    }
    group.finish();
}

criterion_group!(benches, count, observe, look_up, encode);
criterion_main!(benches);
