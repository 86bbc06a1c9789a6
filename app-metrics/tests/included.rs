//! Metrics of other libraries in a scrape: what is included, in both formats, other parsers, and sources that misbehave.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/scrapes.rs"]
mod support;

use app_core::prelude::*;
use app_core::testing::TestApp;
use app_metrics::prometheus_client::collector::Collector;
use app_metrics::prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use app_metrics::prometheus_client::metrics::MetricType;
use app_metrics::prometheus_client::metrics::counter::{ConstCounter, Counter};
use app_metrics::prometheus_client::metrics::exemplar::{CounterWithExemplar, HistogramWithExemplars};
use app_metrics::prometheus_client::metrics::family::Family;
use app_metrics::prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use app_metrics::prometheus_client::metrics::histogram::Histogram;
use app_metrics::prometheus_client::metrics::info::Info;
use app_metrics::prometheus_client::registry::{Registry, Unit};
use app_metrics::testing::TestMetrics as _;
use app_metrics::{INCLUDED_DROPPED, METRICS_SERVICE_ID, Metrics};
use flate2::read::GzDecoder;
use std::fmt;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};
use support::{ask, ask_with, body, promtool_is_clean, python};

type Labels = Vec<(String, String)>;

const OWN: ServiceId = ServiceId::new(0x0f0e_0001);

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A registry with every type, a prefix, constant labels, units and exemplars.
fn registry() -> Registry {
    let constant = [("pool".into(), "a \"b\" \\ \n c".into())];
    let mut registry = Registry::with_prefix_and_labels("db", constant.into_iter());
    let connects = Family::<Labels, Counter>::default();
    connects.get_or_create_owned(&labels(&[("host", "h\"} evil 1\n# EOF\n\\")])).inc_by(3);
    connects.get_or_create_owned(&labels(&[("host", "second")])).inc();
    registry.register("connects", "Connects.\n# HELP evil x\nevil 1", connects);
    registry.register_with_unit("memory", "Memory \\ in use", Unit::Bytes, <Gauge>::default());
    let wait = Histogram::new([0.5, 1.0]);
    wait.observe(0.7);
    registry.register_with_unit("wait", "Wait", Unit::Seconds, wait);
    registry.register("build", "Build", Info::new(labels(&[("version", "1.2")])));
    let traced = CounterWithExemplar::<Labels>::default();
    traced.inc_by(2, Some(labels(&[("trace_id", "abc")])), None);
    registry.register("traced", "Traced", traced);
    let traced = HistogramWithExemplars::<Labels>::new([1.0, 2.0].into_iter());
    traced.observe(1.5, Some(labels(&[("trace_id", "def")])), None);
    registry.register("traced_time", "Traced", traced);
    registry
}

async fn app() -> (TestApp, Metrics) {
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    let metrics = (*app.get::<Metrics>()).clone();
    (app, metrics)
}

fn dropped(app: &TestApp, reason: &str) -> f64 {
    app.metric(METRICS_SERVICE_ID, INCLUDED_DROPPED, [reason])
}

#[tokio::test]
async fn everything_of_a_registry_is_right_in_both_formats_and_with_both_names() {
    let (app, metrics) = app().await;
    let included = metrics.include_for(OWN, registry()).unwrap();
    for names in ["ids", "readable"] {
        let path = format!("/metrics?names={names}");
        let text = body(&ask(&app, &path, "text/plain").await);
        let open = body(&ask(&app, &path, "application/openmetrics-text").await);
        for line in [
            "\n# HELP db_connects_total Connects. # HELP evil x evil 1.\n# TYPE db_connects_total counter\n",
            "\n# HELP db_memory_bytes Memory \\\\ in use.\n# TYPE db_memory_bytes gauge\ndb_memory_bytes{",
            "\n# TYPE db_wait_seconds histogram\ndb_wait_seconds_bucket{",
            ",le=\"0.5\"} 0\n",
            ",le=\"+Inf\"} 1\ndb_wait_seconds_sum{",
            "\n# TYPE db_build_info gauge\ndb_build_info{",
            ",host=\"h\\\"} evil 1\\n# EOF\\n\\\\\"} 3\n",
            ",svc=\"f0e0001\",",
        ] {
            assert!(text.contains(line), "no {line:?} in\n{text}");
        }
        assert!(!text.contains("# EOF\n#") && !text.contains(" # {") && !text.contains("# UNIT"), "{text}");
        for line in [
            "\n# TYPE db_connects counter\n",
            "\n# TYPE db_build info\ndb_build_info{",
            "\n# UNIT db_memory_bytes bytes\n",
            "} 2 # {trace_id=\"abc\"} 2",
            "} 1 # {trace_id=\"def\"} 1.5",
        ] {
            assert!(open.contains(line), "no {line:?} in\n{open}");
        }
        assert!(open.ends_with("\n# EOF\n") && open.matches("\n# EOF\n").count() == 1);
        if names == "readable" {
            promtool_is_clean(&text);
        }
        for (format, text) in [("text", &text), ("openmetrics", &open)] {
            let Some(samples) = python(format, text) else { continue };
            let of = |name: &str| samples.iter().filter(|sample| sample.0 == name).collect::<Vec<_>>();
            let connects = of("db_connects_total");
            assert_eq!(connects.len(), 2);
            assert!(
                connects.iter().any(|sample| sample.1["host"] == "h\"} evil 1\n# EOF\n\\" && sample.2 == 3.0)
            );
            assert!(connects.iter().all(|sample| sample.1["pool"] == "a \"b\" \\ \n c"));
            assert_eq!(of("db_build_info").len(), 1);
            assert!(of("evil").is_empty());
        }
    }
    assert_eq!(dropped(&app, "malformed"), 0.0);
    drop(included);
    assert!(!app.scrape().contains("\ndb_"));
    app.stop().await.expect_clean();
}

/// Its metrics are constants, which it makes for each scrape.
#[derive(Debug)]
struct Numbers;

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counter = ConstCounter::new(42_u64);
        counter.encode(encoder.encode_descriptor(
            "numbers_total",
            "Twice total",
            None,
            counter.metric_type(),
        )?)?;
        let gauge = ConstGauge::new(f64::INFINITY);
        gauge.encode(encoder.encode_descriptor("numbers-top", "Mapped", None, gauge.metric_type())?)
    }
}

#[tokio::test]
async fn collectors_metrics_and_registries_that_grow_are_taken() {
    let (app, metrics) = app().await;
    metrics.include(Numbers).unwrap().keep();
    metrics.include(Arc::new(Numbers)).unwrap().keep();
    let hits = <Counter>::default();
    let of_hits = metrics.include(("cache_hits", "Hits", hits.clone())).unwrap();
    metrics.include(("job", "Job", Unit::Seconds, Histogram::new([1.0]))).unwrap().keep();
    let growing = Arc::new(Mutex::new(Registry::default()));
    metrics.include(Arc::clone(&growing)).unwrap().keep();
    let shared = Arc::new(RwLock::new(Registry::default()));
    metrics.include(Arc::clone(&shared)).unwrap().keep();
    metrics.include(Arc::new(Registry::default())).unwrap().keep();
    hits.inc();
    let text = app.scrape();
    assert!(text.contains("\n# TYPE numbers_total counter\nnumbers_total{"), "{text}");
    assert!(text.contains("\nnumbers_top{") && text.contains("} +Inf\n"), "{text}");
    assert!(text.contains("\njob_seconds_count{"), "{text}");
    assert_eq!(text.matches("\nnumbers_total{").count(), 1, "the same series of two sources");
    assert_eq!(dropped(&app, "duplicate"), 2.0);
    growing.lock().unwrap().register("later", "Later", <Gauge>::default());
    shared.write().unwrap().register("still_later", "Later", <Gauge>::default());
    drop(of_hits);
    let text = app.scrape();
    assert!(text.contains("\nlater{") && text.contains("\nstill_later{") && !text.contains("cache_hits"));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_family_of_several_sources_stands_once() {
    let (app, metrics) = app().await;
    for host in ["a", "b"] {
        let mut registry = Registry::default();
        for part in ["x", "y"] {
            let family = Family::<Labels, Counter>::default();
            family.get_or_create_owned(&labels(&[("host", host)])).inc();
            // The library writes a head for each of the two.
            let sub = registry.sub_registry_with_label(("sub".into(), part.to_owned().into()));
            sub.register("calls", "Calls", family);
        }
        metrics.include(registry).unwrap().keep();
    }
    let text = body(&ask(&app, "/metrics", "application/openmetrics-text").await);
    assert_eq!(text.matches("# TYPE calls counter\n").count(), 1, "{text}");
    assert_eq!(text.matches("\ncalls_total{").count(), 4, "{text}");
    python("openmetrics", &text);
    app.stop().await.expect_clean();
}

ids! {
    /// A service.
    SHOP: ServiceId = 0x0f0e_0002, "shop";
    /// A metric.
    SALES: MetricId = 0x0f0e_0012, "sales";
}

#[tokio::test]
async fn names_and_labels_that_are_taken_are_not_taken_again() {
    let (app, metrics) = app().await;
    metrics.counter(app_metrics::CounterSpec::new(SHOP, SALES, "Sales.")).unwrap().inc();
    let mut registry = Registry::default();
    for name in ["shop_sales", "op_f0e0002_f0e0012", "process_open_fds", "fine"] {
        registry.register(name, "Theirs", <Counter>::default());
    }
    registry.register("fine_total", "Theirs", <Gauge>::default());
    let clash = Family::<Labels, Gauge>::default();
    let awkward =
        [("svc", "theirs"), ("instance", "theirs"), ("__name__", "x"), ("my-label", "y"), ("le", "z")];
    clash.get_or_create_owned(&labels(&awkward)).set(1);
    registry.register("labelled", "Theirs", clash);
    metrics.include(registry).unwrap().keep();
    let text = app.scrape();
    assert_eq!(text.matches("Theirs.").count(), 2, "{text}");
    assert_eq!((dropped(&app, "name_taken"), dropped(&app, "type_conflict")), (3.0, 1.0));
    let renamed = ["exported_svc=\"theirs\"", "exported_instance=\"theirs\"", "exported___name__=\"x\""];
    for label in renamed.into_iter().chain(["my_label=\"y\""]) {
        assert!(text.contains(label), "no {label} in\n{text}");
    }
    python("text", &text);
    app.stop().await.expect_clean();
}

/// Writes whatever it likes where the library asks for names and labels.
#[derive(Debug)]
struct Hostile;

impl Collector for Hostile {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let evil = "a} 1\nevil 1\n# HELP evil x\n# TYPE evil gauge\nevil{x=\"";
        for (name, help) in
            [(evil, "Help"), ("", ""), ("\n", "\n"), ("# HELP x", "# TYPE x y"), ("good", evil)]
        {
            let gauge = ConstGauge::new(1.0);
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let keys = Family::<Labels, Gauge>::default();
        for key in [evil, "", "}", "a=\"b\",c", "\n", "ok", " ", "\u{1f980}"] {
            keys.get_or_create_owned(&labels(&[(key, "value"), ("other", evil)])).set(1);
        }
        keys.encode(encoder.encode_descriptor("keys", "Keys", None, MetricType::Gauge)?)?;
        let long = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        long.get_or_create_owned(&labels(&[("a", &"x".repeat(5_000))])).set(f64::NAN);
        long.encode(encoder.encode_descriptor("long", "Long", None, MetricType::Gauge)?)?;
        // Not what it says it is.
        let counter = ConstCounter::new(-1.0);
        counter.encode(encoder.encode_descriptor("falling", "Falls", None, MetricType::Counter)?)?;
        let gauge = ConstGauge::new(3.0);
        gauge.encode(encoder.encode_descriptor("confused", "A gauge", None, MetricType::Histogram)?)?;
        let mut bare = encoder.encode_descriptor("bare", "No last bucket", None, MetricType::Histogram)?;
        bare.encode_histogram::<[(&str, &str); 0]>(1.0, 5, &[(2.0, 1), (1.0, 4)], None)
    }
}

#[tokio::test]
async fn whatever_a_collector_writes_both_formats_stay_right() {
    let (app, metrics) = app().await;
    metrics.include(Hostile).unwrap().keep();
    metrics.include(("after", "After", <Gauge>::default())).unwrap().keep();
    for (format, accept) in [("text", "text/plain"), ("openmetrics", "application/openmetrics-text")] {
        let text = body(&ask(&app, "/metrics?names=readable", accept).await);
        assert!(text.contains("\ngood{") && text.contains("\nafter{"), "{text}");
        assert!(text.contains(",ok=\"value\""), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("evil")), "{text}");
        let Some(samples) = python(format, &text) else { continue };
        for absent in ["evil", "falling_total", "confused", "bare_count", "long"] {
            assert!(!samples.iter().any(|sample| sample.0 == absent), "{absent}: {text}");
        }
        if format == "text" {
            promtool_is_clean(&text);
        }
    }
    assert!(dropped(&app, "malformed") >= 10.0);
    assert_eq!(dropped(&app, "too_long"), 2.0);
    let log = app.captured().text();
    assert_eq!(log.matches("included metric left out").count(), 2, "once for each reason: {log}");
    app.stop().await.expect_clean();
}

#[derive(Debug)]
struct Panics;

impl Collector for Panics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        ConstGauge::new(1.0).encode(encoder.encode_descriptor("half", "Half", None, MetricType::Gauge)?)?;
        panic!("a collector of a test");
    }
}

#[derive(Debug)]
struct Fails;

impl Collector for Fails {
    fn encode(&self, _: DescriptorEncoder<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

/// Blocks until it is told to go on.
#[derive(Clone, Debug)]
struct Blocks {
    goes_on: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
}

impl Collector for Blocks {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.asked.fetch_add(1, Ordering::SeqCst);
        while !self.goes_on.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        ConstGauge::new(1.0).encode(encoder.encode_descriptor("slow", "Slow", None, MetricType::Gauge)?)
    }
}

/// Never stops writing.
#[derive(Debug)]
struct Endless;

impl Collector for Endless {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for number in 0_u64.. {
            let one = Family::<Labels, Gauge>::default();
            one.get_or_create_owned(&labels(&[("number", &number.to_string())])).set(1);
            one.encode(encoder.encode_descriptor("endless", "Endless", None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_panics_fails_blocks_or_never_ends_is_left_out_and_the_scrape_is_not() {
    let (app, metrics) = app().await;
    let blocks = Blocks { goes_on: Arc::default(), asked: Arc::default() };
    metrics.include(("first", "First", <Gauge>::default())).unwrap().keep();
    metrics.include(Panics).unwrap().keep();
    metrics.include(Fails).unwrap().keep();
    metrics.include(blocks.clone()).unwrap().keep();
    let endless = metrics.include(Endless).unwrap();
    metrics.include(("last", "Last", <Gauge>::default())).unwrap().keep();
    let began = Instant::now();
    let text = body(&ask(&app, "/metrics", "text/plain").await);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(text.contains("\nfirst{") && text.contains("\nlast{"), "{text}");
    assert!(!text.contains("half") && !text.contains("slow{") && !text.contains("endless"), "{text}");
    let counted = ["panicked", "failed", "blocked"].map(|reason| dropped(&app, reason));
    assert_eq!(counted, [1.0, 1.0, 2.0]);
    drop(endless);
    // It is not asked again while it blocks.
    let text = body(&ask(&app, "/metrics", "application/openmetrics-text").await);
    assert!(text.contains("\nlast{") && !text.contains("slow{"), "{text}");
    assert_eq!(blocks.asked.load(Ordering::SeqCst), 1);
    blocks.goes_on.store(true, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !app.scrape().contains("\nslow{") {
        assert!(Instant::now() < deadline, "it is asked again once it has returned");
        tokio::task::yield_now().await;
    }
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_huge_registry_is_cut_at_the_caps_and_read_in_pieces() {
    let (app, metrics) = app().await;
    let mut registry = Registry::default();
    let wide = Family::<Labels, Counter>::default();
    for number in 0..1_500 {
        wide.get_or_create_owned(&labels(&[("number", &number.to_string())])).inc();
    }
    registry.register("wide", "Wide", wide);
    for number in 0..5_500 {
        registry.register(format!("many_{number}"), "One of many", <Gauge>::default());
    }
    metrics.include(registry).unwrap().keep();
    let headers = "accept: application/openmetrics-text\r\naccept-encoding: gzip\r\n";
    let answer = ask_with(&app, "/metrics", headers).await;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
    let body = if head.contains("chunked") { unchunked(body) } else { body.to_vec() };
    let mut text = String::new();
    GzDecoder::new(body.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text.matches("\nwide_total{").count(), 1_000);
    assert_eq!(text.matches("\n# TYPE many_").count(), 4_999);
    assert!(text.ends_with("# EOF\n"));
    assert_eq!((dropped(&app, "series_cap"), dropped(&app, "bytes_cap")), (500.0, 501.0));
    python("openmetrics", &text);
    app.stop().await.expect_clean();
}

/// The data of a body that was sent in chunks.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let line = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap().trim(), 16).unwrap();
        if length == 0 {
            return data;
        }
        data.extend_from_slice(&body[line + 2..line + 2 + length]);
        body = &body[line + 4 + length..];
    }
}

/// Implements nothing but its encoding.
#[derive(Debug)]
struct Own;

impl EncodeMetric for Own {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_family(&[("kind", "own")])?.encode_gauge(&2.5)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Unknown
    }
}

#[tokio::test]
async fn a_metric_type_of_its_own_is_taken() {
    let (app, metrics) = app().await;
    metrics.include(("own", "Own", Own)).unwrap().keep();
    let text = app.scrape();
    assert!(text.contains("# TYPE own untyped\nown{") && text.contains(",kind=\"own\"} 2.5\n"), "{text}");
    let open = body(&ask(&app, "/metrics", "application/openmetrics-text").await);
    assert!(open.contains("# TYPE own unknown\n"), "{open}");
    app.stop().await.expect_clean();
    assert!(metrics.include(Numbers).is_err(), "the service has stopped");
}
