//! The work that is compared.

use crate::peers::{self, Labels, labels};
use app_core::testing::TestApp;
use app_ids::{MetricId, ServiceId};
use app_metrics::{CounterSpec, CounterVectorSpec, GaugeSpec, HistogramSpec, METRICS_SERVICE_ID, Metrics};
use prometheus_client::metrics::{counter, family::Family, gauge, histogram};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::runtime::{Builder, Runtime};

pub(crate) const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Number of series in the vectors.
const SERIES: usize = 100;

/// One kind of work, and how each crate does it.
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    /// Upper bound of our time relative to that of the fastest peer, with one thread and with two.
    pub(crate) alone: Option<f64>,
    pub(crate) shared: Option<f64>,
    pub(crate) entries: Vec<Entry>,
}

/// Does the work the given number of times.
pub(crate) struct Entry {
    pub(crate) who: &'static str,
    pub(crate) run: Box<dyn Fn(u64) + Sync>,
}

fn entry(who: &'static str, run: impl Fn(u64) + Sync + 'static) -> Entry {
    Entry { who, run: Box::new(run) }
}

/// Calls `f` the given number of times, with the number of the call.
macro_rules! times {
    ($f:expr) => {{
        let f = $f;
        move |times| (0..times).for_each(|time| f(time))
    }};
}

pub(crate) fn app() -> (Runtime, TestApp) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::with([METRICS_SERVICE_ID]));
    (runtime, app)
}

pub(crate) fn all() -> Vec<Comparison> {
    peers::install();
    let (_runtime, app) = app();
    let metrics = app.get::<Metrics>();
    vec![
        count(&metrics),
        count_where_another_thread_began(&metrics),
        set(&metrics),
        add_to_gauge(&metrics),
        observe(&metrics),
        observe_where_another_thread_began(&metrics),
        count_by_value(&metrics),
        count_with_handle_by_value(&metrics),
    ]
}

fn counter_of(metrics: &Metrics, id: u64) -> app_metrics::Counter {
    metrics.counter(CounterSpec::new(SERVICE, MetricId::new(id), "Counted.")).unwrap()
}

fn counting(name: &'static str, own: app_metrics::Counter) -> Comparison {
    let client = counter::Counter::<u64, AtomicU64>::default();
    let prometheus = prometheus::IntCounter::new("counted", "Counted.").unwrap();
    let metrics = metrics::counter!("counted");
    let entries = vec![
        entry("app-metrics", times!(move |_| black_box(&own).inc())),
        entry(
            "prometheus-client",
            times!(move |_| {
                black_box(&client).inc();
            }),
        ),
        entry("prometheus", times!(move |_| black_box(&prometheus).inc())),
        entry("metrics", times!(move |_| black_box(&metrics).increment(1))),
    ];
    Comparison { name, alone: Some(1.1), shared: Some(0.6), entries }
}

fn count(metrics: &Metrics) -> Comparison {
    counting("counter inc", counter_of(metrics, 1))
}

/// A counter belongs to the thread that counts first. Here that is another thread.
fn count_where_another_thread_began(metrics: &Metrics) -> Comparison {
    let own = counter_of(metrics, 2);
    from_another_thread(|| own.inc());
    Comparison { alone: None, shared: None, ..counting("counter inc, another thread began", own) }
}

/// This thread keeps its stripe number meanwhile, so that it does not get the other's afterwards.
fn from_another_thread(work: impl FnOnce() + Send) {
    let stripe = app_metrics::Counter::default();
    stripe.inc();
    std::thread::scope(|scope| {
        scope.spawn(work);
    });
}

fn set(metrics: &Metrics) -> Comparison {
    let own = metrics.gauge(GaugeSpec::new(SERVICE, MetricId::new(3), "Set.")).unwrap();
    let client = gauge::Gauge::<f64, AtomicU64>::default();
    let prometheus = prometheus::Gauge::new("set", "Set.").unwrap();
    let metrics = metrics::gauge!("set");
    let entries = vec![
        entry("app-metrics", times!(move |time| black_box(&own).set(time as f64))),
        entry(
            "prometheus-client",
            times!(move |time| {
                black_box(&client).set(time as f64);
            }),
        ),
        entry("prometheus", times!(move |time| black_box(&prometheus).set(time as f64))),
        entry("metrics", times!(move |time| black_box(&metrics).set(time as f64))),
    ];
    Comparison { name: "gauge set", alone: None, shared: None, entries }
}

fn add_to_gauge(metrics: &Metrics) -> Comparison {
    let own = metrics.gauge(GaugeSpec::new(SERVICE, MetricId::new(4), "Added to.")).unwrap();
    let client = gauge::Gauge::<f64, AtomicU64>::default();
    let prometheus = prometheus::Gauge::new("added_to", "Added to.").unwrap();
    let metrics = metrics::gauge!("added_to");
    let entries = vec![
        entry("app-metrics", times!(move |_| black_box(&own).inc())),
        entry(
            "prometheus-client",
            times!(move |_| {
                black_box(&client).inc();
            }),
        ),
        entry("prometheus", times!(move |_| black_box(&prometheus).inc())),
        entry("metrics", times!(move |_| black_box(&metrics).increment(1.0))),
    ];
    Comparison { name: "gauge inc, floats", alone: None, shared: None, entries }
}

/// Distributed over all buckets, in no order that a branch predictor could learn.
fn values() -> Arc<[f64; 1_024]> {
    let random = |index: usize| (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    Arc::new(std::array::from_fn(|index| 0.002 * 4_000_f64.powf(random(index) as f64 / f64::from(1 << 24))))
}

fn histogram_of(metrics: &Metrics, id: u64) -> app_metrics::Histogram {
    metrics.histogram(HistogramSpec::new(SERVICE, MetricId::new(id), "Observed.", BUCKETS)).unwrap()
}

/// Without `metrics`, which keeps every value for its exporter to sort into buckets. That is other work.
fn observing(name: &'static str, own: app_metrics::Histogram) -> Comparison {
    let client = histogram::Histogram::new(BUCKETS);
    let options = prometheus::HistogramOpts::new("observed", "Observed.").buckets(BUCKETS.to_vec());
    let prometheus = prometheus::Histogram::with_opts(options).unwrap();
    let values = values();
    let value = move |time: u64| values[time as usize % values.len()];
    let (client_value, prometheus_value) = (value.clone(), value.clone());
    let entries = vec![
        entry("app-metrics", times!(move |time| black_box(&own).observe(value(time)))),
        entry("prometheus-client", times!(move |time| black_box(&client).observe(client_value(time)))),
        entry("prometheus", times!(move |time| black_box(&prometheus).observe(prometheus_value(time)))),
    ];
    Comparison { name, alone: Some(0.8), shared: Some(0.6), entries }
}

fn observe(metrics: &Metrics) -> Comparison {
    observing("histogram observe, 10 buckets", histogram_of(metrics, 5))
}

fn observe_where_another_thread_began(metrics: &Metrics) -> Comparison {
    let own = histogram_of(metrics, 6);
    from_another_thread(|| own.observe(1.0));
    Comparison { alone: None, shared: None, ..observing("histogram observe, another thread began", own) }
}

fn vector_of(metrics: &Metrics, id: u64) -> app_metrics::CounterVector {
    let spec = CounterVectorSpec::new(SERVICE, MetricId::new(id), "Looked up.", ["rule", "outcome"]);
    let own = metrics.counter_vector(spec).unwrap();
    for rule in 0..SERIES {
        own.with([&rule.to_string(), "granted"]).unwrap();
    }
    own
}

/// The vectors of the peers, and ours as `own` uses it.
fn looking_up(name: &'static str, own: Entry) -> Comparison {
    let client = Family::<Labels, counter::Counter>::default();
    let options = prometheus::Opts::new("looked_up", "Looked up.");
    let prometheus = prometheus::IntCounterVec::new(options, &["rule", "outcome"]).unwrap();
    for rule in 0..SERIES {
        drop(client.get_or_create(&labels(&rule.to_string())));
        prometheus.with_label_values(&[&rule.to_string(), "granted"]);
    }
    let metrics =
        |rule: &str| metrics::counter!("looked_up", "rule" => rule.to_owned(), "outcome" => "granted");
    let entries = vec![
        own,
        entry(
            "prometheus-client",
            times!(move |time| {
                client.get_or_create(&labels(rule(time))).inc();
            }),
        ),
        entry("prometheus", times!(move |time| prometheus.with_label_values(&[rule(time), "granted"]).inc())),
        entry("metrics", times!(move |time| metrics(rule(time)).increment(1))),
    ];
    Comparison { name, alone: Some(1.0), shared: Some(0.5), entries }
}

/// One of eight series. Several threads use the same series.
fn rule(time: u64) -> &'static str {
    const RULES: [&str; 8] = ["3", "14", "15", "92", "65", "35", "89", "79"];
    black_box(RULES[time as usize % RULES.len()])
}

fn count_by_value(metrics: &Metrics) -> Comparison {
    let own = vector_of(metrics, 7);
    let inc = times!(move |time| own.inc([rule(time), "granted"]).unwrap());
    looking_up("vector by value, 2 labels: inc(values)", entry("app-metrics", inc))
}

/// The alternative to `inc(values)`: a handle for each call.
fn count_with_handle_by_value(metrics: &Metrics) -> Comparison {
    let own = vector_of(metrics, 8);
    let inc = times!(move |time| own.with([rule(time), "granted"]).unwrap().inc());
    let with_handle = looking_up("vector by value, 2 labels: with(values).inc()", entry("app-metrics", inc));
    Comparison { alone: None, shared: None, ..with_handle }
}
