//! Scrapes of 100 to 1,000,000 series with two labels and the five constant ones, into a buffer.

use crate::peers::{Labels, labels};
use crate::table::{Line, Round, Target, WHO};
use crate::work::{SERVICE, app};
use app_ids::MetricId;
use app_metrics::{GaugeVectorSpec, Metrics};
use prometheus::Encoder as _;
use prometheus_client::metrics::{family::Family, gauge::Gauge};
use std::time::{Duration, Instant};

const NAME: &str = "op_ce1f32c680e1ef0b_1";
const HELP: &str = "Encoded.";

/// Two lines for each number of series: the ratio to the OpenMetrics encoder of `prometheus-client`, and to the text
/// encoder of `prometheus`.
pub(crate) fn compare() -> Vec<Line> {
    let mut lines: Vec<Line> = [100, 10_000, 1_000_000].into_iter().flat_map(of).collect();
    lines.extend(linear(&lines));
    lines
}

/// The cost of one series among a million, relative to one among ten thousand.
fn linear(lines: &[Line]) -> Option<Line> {
    let at =
        |series: &str| lines.iter().find(|line| line.work.starts_with(&format!("scrape, {series} series")));
    let (small, large) = (at("10000")?, at("1000000")?);
    let mut figures = [None; WHO.len()];
    for (figure, (small, large)) in figures.iter_mut().zip(small.medians().into_iter().zip(large.medians())) {
        *figure = small.zip(large).map(|(small, large)| large / 100.0 / small);
    }
    Some(Line {
        work: "one series among 1,000,000 to one among 10,000".into(),
        unit: "x",
        rounds: vec![figures],
        target: None,
    })
}

fn of(series: usize) -> [Line; 2] {
    let (_runtime, app) = app();
    let metrics = app.get::<Metrics>();
    let vector = GaugeVectorSpec::new(SERVICE, MetricId::new(1), HELP, ["rule", "outcome"]);
    let own = metrics.gauge_vector(vector.max_series(series)).unwrap();
    let constant = metrics.registry().metric_spec_labels(SERVICE);
    let family = Family::<Labels, Gauge>::default();
    let vec = prometheus::IntGaugeVec::new(prometheus::Opts::new(NAME, HELP), &["rule", "outcome"]).unwrap();
    for rule in 0..series {
        let (name, value) = (rule.to_string(), i64::try_from(rule).unwrap());
        own.set([&name, "granted"], rule as f64).unwrap();
        family.get_or_create(&labels(&name)).set(value);
        vec.with_label_values(&[&name, "granted"]).set(value);
    }
    let pairs = constant.iter().map(|(name, value)| ((*name).into(), value.clone().into()));
    let mut client = prometheus_client::registry::Registry::with_labels(pairs);
    client.register(NAME, HELP, family);
    let pairs = constant.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let prometheus = prometheus::Registry::new_custom(None, Some(pairs)).unwrap();
    prometheus.register(Box::new(vec)).unwrap();

    let mut text = String::new();
    let mut bytes = Vec::new();
    let rounds = in_turn([
        &mut || drop(metrics.encode()),
        &mut || {
            text.clear();
            prometheus_client::encoding::text::encode(&mut text, &client).unwrap();
        },
        &mut || {
            bytes.clear();
            prometheus::TextEncoder::new().encode(&prometheus.gather(), &mut bytes).unwrap();
        },
    ]);
    // The targets are for 10,000 series. With 100, the metrics of the process are most of our output.
    let target = |ratio, of| (series >= 10_000).then_some(Target { ratio, of: Some(of) });
    let work = |format: &str| format!("scrape, {series} series, {format}");
    [
        Line { work: work("to its OpenMetrics"), unit: "us", rounds: rounds.clone(), target: target(1.1, 1) },
        Line { work: work("to its text"), unit: "us", rounds, target: target(0.2, 2) },
    ]
}

/// The times, in microseconds.
fn in_turn(mut runs: [&mut dyn FnMut(); 3]) -> Vec<Round> {
    let mut rounds = Vec::new();
    let began = Instant::now();
    while rounds.len() < 3 || (began.elapsed() < Duration::from_secs(3) && rounds.len() < 101) {
        let mut round = [None; WHO.len()];
        for (run, took) in runs.iter_mut().zip(&mut round) {
            let began = Instant::now();
            run();
            *took = Some(began.elapsed().as_secs_f64() * 1e6);
        }
        rounds.push(round);
    }
    rounds
}
