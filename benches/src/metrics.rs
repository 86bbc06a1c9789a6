//! Counters, histograms, vectors and scrapes. `cargo bench -p app-metrics` measures more.

use std::{collections::HashMap, hint::black_box, sync::Arc, sync::atomic::AtomicU64};

use app_core::testing::TestApp;
use app_ids::{MetricId, ServiceId};
use app_metrics::{
    CounterSpec, CounterVectorSpec, GaugeVectorSpec, HistogramSpec, METRICS_SERVICE_ID, Metrics,
};
use metrics_util::registry::{AtomicStorage, Registry};
use prometheus::Encoder as _;
use prometheus_client::metrics::{counter, family::Family, gauge, histogram};

use crate::{
    pairs::side_by_side,
    report::{Figure, Row},
    rounds::{Budget, Contender, Failure, in_turn, looped},
    rows::Rows,
};

const OURS: &str = "app-metrics";
const CLIENT: &str = "prometheus-client";
const PROMETHEUS: &str = "prometheus";
const METRICS: &str = "metrics";
const PEERS: [&str; 3] = [CLIENT, PROMETHEUS, METRICS];
const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Series of the vectors. The loop uses eight of them in turn.
const SERIES: usize = 100;
const RULES: [&str; 8] = ["3", "14", "15", "92", "65", "35", "89", "79"];
/// Series of a scrape.
const SCRAPED: usize = 10_000;
const BUDGET: Budget = Budget::new(201, 8);

/// Instances of each candidate. The address of an instance and the hash of a series are random. Each round uses the next
/// instance, and the median is over all of them.
const INSTANCES: u64 = 8;

/// The work of a candidate, repeated this number of times.
///
/// The loop is part of the work, as in real code. A call for each repetition would cost as much as the work itself.
type Work = (&'static str, Box<dyn Fn(u64) + Sync>);

fn work(who: &'static str, run: impl Fn(u64) + Sync + 'static) -> Work {
    (who, Box::new(run))
}

/// Calls a closure this number of times, with the number of the call.
macro_rules! times {
    ($work:expr) => {{
        let work = $work;
        move |times| (0..times).for_each(|time| work(time))
    }};
}

/// Makes the work of each instance.
fn instances(of: impl Fn(u64) -> Result<Vec<Work>, Failure>) -> Result<Vec<Vec<Work>>, Failure> {
    (0..INSTANCES).map(of).collect()
}

pub(crate) fn rows(rows: &mut Rows) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let app = runtime.block_on(TestApp::with([METRICS_SERVICE_ID]));
    let metrics = app.get::<Metrics>();
    install();
    count(rows, &metrics)?;
    observe(rows, &metrics)?;
    count_by_value(rows, &metrics)?;
    scrape(rows, &metrics)
}

/// A recorder of the crate `metrics` with the registry that its exporters use.
fn install() {
    use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

    struct Recording(Registry<Key, AtomicStorage>);

    impl Recorder for Recording {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            self.0.get_or_create_counter(key, |counter| Arc::clone(counter).into())
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            self.0.get_or_create_gauge(key, |gauge| Arc::clone(gauge).into())
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            self.0.get_or_create_histogram(key, |histogram| Arc::clone(histogram).into())
        }
    }

    // This process sets no other recorder.
    let _ = metrics::set_global_recorder(Recording(Registry::new(AtomicStorage)));
}

/// Adds two rows with targets: one thread, and two threads on the same metric.
fn both(rows: &mut Rows, name: &str, times: u64, alone: f64, shared: f64, instances: &[Vec<Work>]) {
    rows.begin(name);
    let figures = in_turn(BUDGET, contenders(instances, |run| each(times, looped(1, |_| run(times)))));
    rows.add(Row::new(format!("{name}, 1 thread"), "ns", figures).target_of(alone, &PEERS));
    // One part of a round on two threads. A round has ten parts or more.
    let part = times / 10;
    let figures = in_turn(BUDGET, contenders(instances, |run| each(part, side_by_side(1, |_| run(part)))));
    rows.add(Row::new(format!("{name}, 2 threads"), "ns", figures).target_of(shared, &PEERS));
}

/// The time of one repetition.
fn each(times: u64, took: Result<f64, Failure>) -> Result<f64, Failure> {
    took.map(|nanoseconds| nanoseconds / times as f64)
}

/// Measures all candidates, with the next instance in each round.
fn contenders<'a>(
    instances: &'a [Vec<Work>],
    round: impl Fn(&(dyn Fn(u64) + Sync)) -> Result<f64, Failure> + Copy + 'a,
) -> Vec<Contender<'a>> {
    let first = instances.iter().take(1).flatten().enumerate();
    let contender = |(at, (who, _)): (usize, &'a Work)| {
        let mut turns = instances.iter().cycle();
        Contender::new(who, move || {
            let next = turns.next().and_then(|instance| instance.get(at));
            next.map_or_else(|| Err("nothing to measure".into()), |(_, run)| round(run))
        })
    };
    first.map(contender).collect()
}

fn count(rows: &mut Rows, metrics: &Metrics) -> Result<(), Failure> {
    let counters = instances(|number| {
        let own = metrics.counter(CounterSpec::new(SERVICE, MetricId::new(100 + number), "Counted."))?;
        let client = counter::Counter::<u64, AtomicU64>::default();
        let prometheus = prometheus::IntCounter::new("counted", "Counted.")?;
        let recorded = metrics::counter!(format!("counted_{number}"));
        Ok(vec![
            work(OURS, times!(move |_| black_box(&own).inc())),
            work(
                CLIENT,
                times!(move |_| {
                    black_box(&client).inc();
                }),
            ),
            work(PROMETHEUS, times!(move |_| black_box(&prometheus).inc())),
            work(METRICS, times!(move |_| black_box(&recorded).increment(1))),
        ])
    })?;
    both(rows, "counter inc", 50_000, 1.1, 0.6, &counters);
    Ok(())
}

/// Values spread over all buckets, in an order that a branch predictor cannot learn.
fn values() -> Arc<[f64; 1_024]> {
    let random = |index: usize| (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    Arc::new(std::array::from_fn(|index| 0.002 * 4_000_f64.powf(random(index) as f64 / f64::from(1 << 24))))
}

/// Without `metrics`, which keeps every value and lets its exporter sort them into buckets. That is other work.
fn observe(rows: &mut Rows, metrics: &Metrics) -> Result<(), Failure> {
    let values = values();
    let histograms = instances(|number| {
        let spec = HistogramSpec::new(SERVICE, MetricId::new(200 + number), "Observed.", BUCKETS);
        let own = metrics.histogram(spec)?;
        let client = histogram::Histogram::new(BUCKETS);
        let options = prometheus::HistogramOpts::new("observed", "Observed.").buckets(BUCKETS.to_vec());
        let prometheus = prometheus::Histogram::with_opts(options)?;
        let value = || {
            let values = Arc::clone(&values);
            move |time: u64| values[time as usize % values.len()]
        };
        let (for_own, for_client, for_prometheus) = (value(), value(), value());
        Ok(vec![
            work(OURS, times!(move |time| black_box(&own).observe(for_own(time)))),
            work(CLIENT, times!(move |time| black_box(&client).observe(for_client(time)))),
            work(PROMETHEUS, times!(move |time| black_box(&prometheus).observe(for_prometheus(time)))),
        ])
    })?;
    both(rows, "histogram observe, 10 buckets", 20_000, 0.8, 0.6, &histograms);
    Ok(())
}

/// Labels in the style of `prometheus-client`.
type Labels = [(&'static str, String); 2];

fn labels(rule: &str) -> Labels {
    [("rule", rule.to_owned()), ("outcome", "granted".to_owned())]
}

fn count_by_value(rows: &mut Rows, metrics: &Metrics) -> Result<(), Failure> {
    let rule = |time: u64| black_box(RULES[time as usize % RULES.len()]);
    let vectors = instances(|number| {
        let id = MetricId::new(300 + number);
        let own =
            metrics.counter_vector(CounterVectorSpec::new(SERVICE, id, "Looked up.", ["rule", "outcome"]))?;
        let client = Family::<Labels, counter::Counter>::default();
        let options = prometheus::Opts::new("looked_up", "Looked up.");
        let prometheus = prometheus::IntCounterVec::new(options, &["rule", "outcome"])?;
        for rule in 0..SERIES {
            let rule = rule.to_string();
            own.with([&rule, "granted"])?;
            drop(client.get_or_create(&labels(&rule)));
            prometheus.with_label_values(&[&rule, "granted"]);
        }
        Ok(vec![
            work(OURS, times!(move |time| drop(black_box(black_box(&own).inc([rule(time), "granted"]))))),
            work(
                CLIENT,
                times!(move |time| {
                    black_box(&client).get_or_create(&labels(rule(time))).inc();
                }),
            ),
            work(
                PROMETHEUS,
                times!(move |time| black_box(&prometheus).with_label_values(&[rule(time), "granted"]).inc()),
            ),
            // Its registry belongs to the process, so all instances have the same series.
            work(
                METRICS,
                times!(move |time| {
                    metrics::counter!("looked_up", "rule" => rule(time).to_owned(), "outcome" => "granted")
                        .increment(1);
                }),
            ),
        ])
    })?;
    both(rows, "counter vector by value, 2 labels", 5_000, 1.0, 0.5, &vectors);
    Ok(())
}

fn scrape(rows: &mut Rows, metrics: &Metrics) -> Result<(), Failure> {
    const NAME: &str = "op_ce1f32c680e1ef0b_4";
    const HELP: &str = "Encoded.";
    rows.begin("scrape");
    let vector = GaugeVectorSpec::new(SERVICE, MetricId::new(4), HELP, ["rule", "outcome"]);
    let own = metrics.gauge_vector(vector.max_series(SCRAPED))?;
    let constant: HashMap<String, String> = metrics
        .registry()
        .metric_spec_labels(SERVICE)
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let family = Family::<Labels, gauge::Gauge>::default();
    let vec = prometheus::IntGaugeVec::new(prometheus::Opts::new(NAME, HELP), &["rule", "outcome"])?;
    for rule in 0..SCRAPED {
        let (name, value) = (rule.to_string(), i64::try_from(rule)?);
        own.set([&name, "granted"], rule as f64)?;
        family.get_or_create(&labels(&name)).set(value);
        vec.with_label_values(&[&name, "granted"]).set(value);
    }
    let pairs = constant.iter().map(|(name, value)| (name.clone().into(), value.clone().into()));
    let mut client = prometheus_client::registry::Registry::with_labels(pairs);
    client.register(NAME, HELP, family);
    let gathered = prometheus::Registry::new_custom(None, Some(constant))?;
    gathered.register(Box::new(vec))?;
    let micros = |nanoseconds: f64| nanoseconds / 1e3;
    let contenders = || {
        vec![
            Contender::new(OURS, || looped(1, |_| drop(black_box(metrics.encode()))).map(micros)),
            Contender::new(CLIENT, || {
                let mut text = String::new();
                let encoded = || prometheus_client::encoding::text::encode(&mut text, &client);
                timed(encoded).map(micros)
            }),
            Contender::new(PROMETHEUS, || {
                let mut bytes = Vec::new();
                let encoded = || prometheus::TextEncoder::new().encode(&gathered.gather(), &mut bytes);
                timed(encoded).map(micros)
            }),
        ]
    };
    let figures: Vec<Figure> = in_turn(Budget::new(51, 8), contenders());
    let row = Row::new(format!("scrape of {SCRAPED} series, into a buffer"), "us", figures);
    rows.add(row.target_of(1.1, &[CLIENT]).target_of(0.2, &[PROMETHEUS]));
    Ok(())
}

/// Nanoseconds of work that may fail.
fn timed<E: Into<Failure>>(work: impl FnOnce() -> Result<(), E>) -> Result<f64, Failure> {
    let began = std::time::Instant::now();
    work().map_err(Into::into)?;
    Ok(began.elapsed().as_nanos() as f64)
}
