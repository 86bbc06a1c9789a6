//! `docs/METRICS.md` equals the output of the program, and describes every metric of a scrape correctly.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use app_core::testing::TestApp;
use app_metrics::{CONSTANT_LABELS, Kind, MetricDoc, testing::TestMetrics as _};
use app_rpc::admin::APP_RPC_SERVICE_ID;
use svc_example::{QUOTA, QUOTA_RPC};

/// Metrics that only some processes show: those with a limit, those that use a certificate, and those with a client of RPC.
const NOT_ALWAYS_SHOWN: &[&str] = &[
    "process_virtual_memory_max_bytes",
    "process_max_fds",
    "op_e49214fa20b35ba8_7176d7c03049f0b9",
    "op_e49214fa20b35ba8_d77b81d20eb826c3",
    "op_e49214fa20b35ba8_f8a958067ab2d672",
    "op_e49214fa20b35ba8_fae7d3b05237d1a2",
    "op_e49214fa20b35ba8_9cb9ed4902cb969c",
    "op_e49214fa20b35ba8_c0a34ac5b431eb6c",
    "op_e49214fa20b35ba8_ea1799d9d75c9b72",
    "op_e49214fa20b35ba8_b12280c0eefa3658",
    "op_e49214fa20b35ba8_96762bc941b9b586",
];

#[test]
fn the_page_is_what_the_program_prints() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/METRICS.md");
    let page = fs::read_to_string(page).unwrap();
    let printed = Command::new(e2e::svc_example()).arg("metrics").output().unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let printed = String::from_utf8(printed.stdout).unwrap();
    let same = page.lines().zip(printed.lines()).take_while(|(old, new)| old == new).count();
    assert!(
        page == printed,
        "docs/METRICS.md is not what the code says: line {} is {:?}, and should be {:?}.\n\
         Make it anew: cargo run -p svc-example -- metrics > docs/METRICS.md",
        same + 1,
        page.lines().nth(same),
        printed.lines().nth(same)
    );
}

/// A metric of a scrape: help, type, and the labels of its samples.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    help: String,
    kind: String,
    labels: Vec<String>,
}

#[tokio::test]
async fn every_metric_of_a_scrape_is_documented_as_it_is_and_no_other_is() {
    let app = TestApp::with([QUOTA, QUOTA_RPC, APP_RPC_SERVICE_ID]).await;
    let text = app.scrape();
    app.stop().await.expect_clean();
    let mut shown = shown(&text);
    for doc in MetricDoc::linked() {
        let name = doc.prometheus_name();
        let Some(found) = shown.remove(&name) else {
            assert!(
                NOT_ALWAYS_SHOWN.contains(&name.as_str()),
                "{} ({name}) is documented and not shown",
                doc.name()
            );
            continue;
        };
        // The help begins with the readable name. Metrics of the process have no other name.
        let readable = doc.readable_name().filter(|readable| *readable != name);
        let help =
            readable.map_or_else(|| doc.help().to_owned(), |readable| format!("{readable}: {}", doc.help()));
        assert_eq!((found.help.as_str(), found.kind.as_str()), (help.as_str(), kind(doc.kind())), "{name}");
        if !found.labels.is_empty() {
            assert_eq!(found.labels, doc.labels().collect::<Vec<_>>(), "{name}");
        }
    }
    assert!(shown.is_empty(), "shown and not documented: {shown:#?}");
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter | Kind::CounterVector => "counter",
        Kind::Gauge | Kind::GaugeVector => "gauge",
        Kind::Histogram | Kind::HistogramVector => "histogram",
        other => panic!("the type of a {other} in Prometheus is not known here"),
    }
}

fn shown(text: &str) -> BTreeMap<String, Shown> {
    let mut shown: BTreeMap<String, Shown> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words.as_slice() {
            ["#", "HELP", name, help] => {
                shown.entry((*name).to_owned()).or_default().help = (*help).to_owned()
            }
            ["#", "TYPE", name, kind] => {
                shown.entry((*name).to_owned()).or_default().kind = (*kind).to_owned()
            }
            _ => {
                let (name, labels) = sample(line);
                let family =
                    |suffix: &str| name.strip_suffix(suffix).filter(|family| shown.contains_key(*family));
                let family =
                    ["_bucket", "_sum", "_count"].into_iter().find_map(family).unwrap_or(name).to_owned();
                shown.entry(family).or_default().labels = labels;
            }
        }
    }
    shown
}

/// The name of a sample, and its labels except the constant ones. No label value here contains a quote.
fn sample(line: &str) -> (&str, Vec<String>) {
    let (name, rest) = line.split_once('{').unwrap();
    let labels = rest.split('"').step_by(2).filter_map(|part| part.strip_suffix('='));
    let labels = labels.map(|label| label.trim_start_matches(','));
    let own = labels.filter(|label| !CONSTANT_LABELS.contains(label) && *label != "le");
    (name, own.map(str::to_owned).collect())
}

#[test]
fn everything_has_a_name_a_unit_and_a_query() {
    let known: BTreeSet<String> = MetricDoc::linked().iter().map(|doc| doc.series_name()).collect();
    let mut names = BTreeMap::new();
    for doc in MetricDoc::linked() {
        let (name, prometheus) = (doc.name(), doc.prometheus_name());
        assert!(!name.is_empty(), "{prometheus} has no name for people");
        assert!(!doc.unit_of_values().is_empty(), "{name} has no unit");
        assert!(doc.example_queries().count() > 0, "{name} has no query");
        for (what, query) in doc.example_queries() {
            assert!(query.contains(&prometheus), "{name}: {what}: {query}");
            for word in query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
                let of_histogram =
                    ["_bucket", "_sum", "_count"].iter().find_map(|part| word.strip_suffix(part));
                let is_metric = word.starts_with("op_") || word.starts_with("process_");
                assert!(
                    !is_metric || known.contains(of_histogram.unwrap_or(word)),
                    "{name}: {what}: what is {word}?"
                );
            }
        }
        // Endpoints have the same metrics, each under the id of its service.
        let other = names.insert((doc.service(), name), prometheus.clone());
        assert!(
            other.is_none(),
            "{name} is {prometheus} and {other:?}: two metrics of a service have one name"
        );
    }
}
