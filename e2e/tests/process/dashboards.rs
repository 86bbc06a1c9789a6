//! The dashboard and the rules of the service: every metric that they use exists, and every query has an answer.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use app_metrics::MetricDoc;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    files::Configs,
    formats::relay_asking_for_text,
    program::{Process, poll},
    scraper::{PACKAGE, Scraper},
    tools,
};

/// Values for the variables of the dashboard, which Grafana would set. The last one suits rates over scrapes 200 ms apart.
const VARIABLES: [(&str, &str); 4] =
    [("$job", "quota"), ("$instance", ".*"), ("$service", ".*"), ("$__rate_interval", "5s")];

/// A metric of the rule tests that does not exist.
const NO_METRIC: &str = "op_1_1";

/// Metrics that the dashboard does not need: address space costs nothing and tells operators nothing.
const NOT_SHOWN: [&str; 2] = ["process_virtual_memory_bytes", "process_virtual_memory_max_bytes"];

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../svc-example/dashboards").join(file)
}

fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(path("quota.json")).unwrap()).unwrap()
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().unwrap_or_else(|| panic!("{name} is no list: {of}"))
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_else(|| panic!("{name} is no text: {of}"))
}

/// The queries of all panels, each with the title of its panel. Variables are replaced.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = list(dashboard, "panels").iter().filter(|panel| panel["type"] != "row");
    let targets = panels.flat_map(|panel| list(panel, "targets").iter().map(move |target| (panel, target)));
    targets.map(|(panel, target)| (text(panel, "title").to_owned(), filled(text(target, "expr")))).collect()
}

fn filled(query: &str) -> String {
    let filled = VARIABLES.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value));
    assert!(!filled.contains('$'), "{query} has a variable that is not known");
    filled
}

/// Parses `label_values(metric, label)`.
fn label_values(variable: &Value) -> (String, String) {
    let query = text(&variable["query"], "query");
    let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let (metric, label) = inner.unwrap().rsplit_once(',').unwrap();
    (filled(metric), label.trim().to_owned())
}

/// The variables of the dashboard whose values come from Prometheus.
fn variables(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(&dashboard["templating"], "list").iter().filter(|variable| variable["type"] == "query")
}

#[test]
fn the_dashboard_is_one_that_grafana_imports() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 36);
    assert_eq!(dashboard["id"], Value::Null, "Grafana gives it one");
    let input = &list(&dashboard, "__inputs")[0];
    assert_eq!((text(input, "name"), text(input, "pluginId")), ("DS_PROMETHEUS", "prometheus"));
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard, "panels") {
        let title = text(panel, "title");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is another panel's too");
        assert!(places.insert(panel["gridPos"].to_string()), "{title}: its place is another panel's too");
        if panel["type"] == "row" {
            continue;
        }
        assert!(!text(panel, "description").is_empty(), "{title}");
        assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "{title}");
        let sources = list(panel, "targets").iter().map(|target| &target["datasource"]);
        for source in sources.chain([&panel["datasource"]]) {
            assert_eq!(text(source, "uid"), "${DS_PROMETHEUS}", "{title}");
        }
        for doc in MetricDoc::linked().into_iter().filter(|doc| asks(panel, &doc.prometheus_name())) {
            let description = text(panel, "description");
            assert!(description.contains(doc.name()), "{title} does not say that it shows {}", doc.name());
        }
    }
    assert_eq!(variables(&dashboard).count(), 3);
}

/// Whether a query of a panel uses the metric, or a part of it if it is a histogram.
fn asks(panel: &Value, metric: &str) -> bool {
    list(panel, "targets").iter().any(|target| names(text(target, "expr")).contains(metric))
}

fn metric_of(name: &str) -> &str {
    if name.starts_with("process_") {
        return name;
    }
    ["_bucket", "_sum", "_count", "_total"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name)
}

/// The metric names in a text. Parts of a histogram count as the histogram.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names = words.filter(|word| word.starts_with("op_") || word.starts_with("process_"));
    names.map(metric_of).collect()
}

#[test]
fn a_prometheus_that_scraped_the_service_answers_every_query() {
    let configs = Configs::any_port();
    let service = configs.service().start();
    let Some(prometheus) = Scraper::of(service.ready(), &[path("alerts.yml")]) else { return };
    answers_every_query(&prometheus, &service, "_total");
    prometheus.stop();
}

#[test]
fn one_that_scrapes_the_text_format_without_the_instance_label_does_too() {
    let configs = Configs::none().metrics(|mut spec| {
        spec.set_http_port(0);
        spec.set_bind_address("127.0.0.1");
        let mut labels = spec.init_constant_labels(4);
        for (index, label) in (0..).zip(["domain", "app", "svc", "release"]) {
            labels.set(index, label);
        }
    });
    let service = configs.service().start();
    let (text, _heads) = relay_asking_for_text(service.ready());
    let Some(prometheus) = Scraper::of(text, &[path("alerts.yml")]) else { return };
    answers_every_query(&prometheus, &service, "");
    prometheus.stop();
}

/// Asserts that every query of the dashboard and every rule has an answer. Counters have this suffix.
fn answers_every_query(prometheus: &Scraper, service: &Process, counters_end_in: &str) {
    let deaths = format!("op_0_8c4ae2a35c989a43{counters_end_in}");
    poll("a counter", || (!prometheus.samples(&deaths).is_empty()).then_some(()));
    let dashboard = dashboard();
    let queries = queries(&dashboard);
    assert!(queries.len() > 40, "{}", queries.len());
    for (panel, query) in &queries {
        poll(&format!("an answer for {panel}: {query}"), || {
            (!prometheus.samples(query).is_empty()).then_some(())
        });
    }
    for variable in variables(&dashboard) {
        let (metric, label) = label_values(variable);
        let samples = prometheus.samples(&metric);
        assert!(samples.iter().any(|sample| sample["metric"][&label].is_string()), "{metric} has no {label}");
    }
    for doc in MetricDoc::linked() {
        // Some rules match only in trouble. It is enough that Prometheus can parse them.
        doc.example_queries().for_each(|(_, query)| drop(prometheus.samples(&query)));
    }
    let rules = poll("the rules at work", || {
        let answer = prometheus.get("/api/v1/rules");
        let groups = list(&answer["data"], "groups").iter();
        let rules: Vec<_> = groups.flat_map(|group| list(group, "rules")).cloned().collect();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    });
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        if rule["type"] == "recording" {
            assert!(!prometheus.samples(text(rule, "name")).is_empty(), "{rule}");
        } else {
            assert_eq!(rule["state"], "inactive", "{rule}");
        }
    }
    service.signal(Signal::SIGTERM);
    service.ended().expect_code(0);
}

/// The tests of the rules, once with counter names of OpenMetrics and once with those of the text format.
#[test]
fn the_rules_say_the_same_of_counters_under_both_names() {
    if !tools::installed("promtool", &["--version"], PACKAGE) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::copy(path("alerts.yml"), dir.path().join("alerts.yml")).unwrap();
    let tests = fs::read_to_string(path("alerts_test.yml")).unwrap();
    let of_text = tests.replace("_total{", "{");
    assert_ne!(tests, of_text);
    let file = dir.path().join("of_text.yml");
    fs::write(&file, of_text).unwrap();
    tools::run("promtool", [Path::new("test"), Path::new("rules"), &file]);
}

#[test]
fn every_query_of_a_counter_has_both_of_its_names() {
    let rules = fs::read_to_string(path("alerts.yml")).unwrap();
    let dashboard = dashboard();
    let queries = queries(&dashboard).into_iter().map(|(_, query)| query);
    for query in queries.chain(rules.lines().map(str::to_owned)) {
        let words: Vec<_> = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
        for total in words.iter().filter(|word| word.starts_with("op_")) {
            let Some(exact) = total.strip_suffix("_total") else { continue };
            assert!(words.contains(&exact), "{total} is asked for, and {exact} is not: {query}");
        }
    }
}

#[test]
fn promtool_finds_the_rules_good_and_their_alerts_as_they_should_be() {
    if !tools::installed("promtool", &["--version"], PACKAGE) {
        return;
    }
    tools::run("promtool", [Path::new("check"), Path::new("rules"), &path("alerts.yml")]);
    tools::run("promtool", [Path::new("test"), Path::new("rules"), &path("alerts_test.yml")]);
}

#[test]
fn every_documented_metric_is_on_the_dashboard() {
    let dashboard = dashboard();
    let queries: Vec<_> = queries(&dashboard).into_iter().map(|(_, query)| query).collect();
    let queries = queries.join(" ");
    let shown = names(&queries);
    for doc in MetricDoc::linked() {
        let name = doc.prometheus_name();
        assert!(
            shown.contains(name.as_str()) || NOT_SHOWN.contains(&name.as_str()),
            "{} is not shown",
            doc.name()
        );
    }
}

#[test]
fn everything_that_the_dashboard_and_the_rules_ask_for_is_a_documented_metric() {
    let known: BTreeSet<String> = MetricDoc::linked().iter().map(|doc| doc.prometheus_name()).collect();
    for file in ["quota.json", "alerts.yml", "alerts_test.yml"] {
        let content = fs::read_to_string(path(file)).unwrap();
        let names = names(&content);
        assert!(names.len() > 5, "{file}: {names:?}");
        for name in names.into_iter().filter(|name| *name != NO_METRIC) {
            assert!(known.contains(name), "{file}: {name} is no metric");
        }
    }
}
