//! The dashboard and the rules of the service, with ids and with readable names: they are what the program prints, every metric
//! that they use exists, and every query has an answer, whichever format Prometheus scrapes.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use app_metrics::{MetricDoc, Names};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    files::Configs,
    formats::relay_asking_for_text,
    program::{Process, Program, poll},
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

/// The flags of `metrics`, with their files for ids and for readable names.
const FILES: [(&str, [&str; 2]); 3] = [
    ("--grafana", ["quota.json", "quota-readable.json"]),
    ("--rules", ["rules.yml", "rules-readable.yml"]),
    ("--alerts", ["alerts.yml", "alerts-readable.yml"]),
];

/// The file that a flag prints with these names.
fn file(flag: &str, names: Names) -> PathBuf {
    let (_, [ids, readable]) = FILES.into_iter().find(|(known, _)| *known == flag).unwrap();
    path(if names == Names::Ids { ids } else { readable })
}

fn dashboard(names: Names) -> Value {
    serde_json::from_str(&fs::read_to_string(file("--grafana", names)).unwrap()).unwrap()
}

fn rule_files(names: Names) -> [PathBuf; 2] {
    ["--rules", "--alerts"].map(|flag| file(flag, names))
}

#[test]
fn the_files_are_what_the_program_prints() {
    for (flag, files) in FILES {
        for (names, name) in Names::ALL.into_iter().zip(files) {
            let command = ["metrics", flag, "--names", names.word()];
            let printed = Program::new(e2e::svc_example()).args(command).run();
            assert_eq!(printed.code(), Some(0), "{printed:?}");
            let found = fs::read_to_string(path(name)).unwrap_or_default();
            assert!(
                found == printed.stdout,
                "svc-example/dashboards/{name} is not what the code says. Make it anew: cargo run -p svc-example -- {} \
                 > svc-example/dashboards/{name}",
                command.join(" ")
            );
        }
    }
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
fn the_dashboards_are_such_that_grafana_imports_them() {
    let uids = Names::ALL.map(|names| {
        let dashboard = dashboard(names);
        grafana_imports(&dashboard);
        dashboard["uid"].clone()
    });
    assert_ne!(uids[0], uids[1], "an import would replace the other");
}

fn grafana_imports(dashboard: &Value) {
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 36);
    assert_eq!(dashboard["id"], Value::Null, "Grafana gives it one");
    let input = &list(dashboard, "__inputs")[0];
    assert_eq!((text(input, "name"), text(input, "pluginId")), ("DS_PROMETHEUS", "prometheus"));
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in list(dashboard, "panels") {
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
        let used = used(panel);
        for doc in MetricDoc::linked().into_iter().filter(|doc| asks(&used, doc)) {
            let description = text(panel, "description");
            assert!(description.contains(doc.name()), "{title} does not say that it shows {}", doc.name());
        }
    }
    assert_eq!(variables(dashboard).count(), 3);
}

/// The names in the queries of a panel.
fn used(panel: &Value) -> BTreeSet<&str> {
    list(panel, "targets").iter().flat_map(|target| names(text(target, "expr"))).collect()
}

/// Whether the metric is among these names, or a part of it if it is a histogram, under either of its names.
fn asks(used: &BTreeSet<&str>, doc: &MetricDoc) -> bool {
    Names::ALL.iter().any(|names| used.contains(metric_of(&doc.series_name_in(*names))))
}

fn metric_of(name: &str) -> &str {
    if name.starts_with("process_") {
        return name;
    }
    ["_bucket", "_sum", "_count", "_total"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name)
}

/// The metric names in a text, without what is quoted. Parts of a histogram count as the histogram. A name with a colon is that
/// of a recording rule.
fn names(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split('"').step_by(2).flat_map(|part| part.split(move |c: char| !is_part(c)));
    words
        .map(|word| word.trim_end_matches(':'))
        .filter(|word| !word.contains(':'))
        .map(metric_of)
        .filter(|word| is_of_a_service(word))
        .collect()
}

/// Whether a word is the name of a metric, or looks like one: it begins with an id, or with the name of a linked service.
fn is_of_a_service(word: &str) -> bool {
    static PREFIXES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let services = MetricDoc::linked().into_iter().filter_map(|doc| doc.service().name());
        services
            .map(|name| name.replace('-', "_"))
            .chain(["op", "process", "app"].map(str::to_owned))
            .collect()
    });
    PREFIXES.iter().any(|prefix| word.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_')))
}

#[test]
fn a_prometheus_that_scraped_the_service_answers_every_query() {
    let configs = Configs::any_port();
    let service = configs.service().start();
    let Some(prometheus) = Scraper::of(service.ready(), &rule_files(Names::Ids)) else { return };
    answers_every_query(&prometheus, &service, Names::Ids, "op_0_8c4ae2a35c989a43_total");
    prometheus.stop();
}

#[test]
fn one_that_scrapes_the_text_format_without_the_instance_label_does_too() {
    let configs = without_the_instance_label();
    let service = configs.service().start();
    let (text, _heads) = relay_asking_for_text(service.ready());
    let Some(prometheus) = Scraper::of(text, &rule_files(Names::Ids)) else { return };
    answers_every_query(&prometheus, &service, Names::Ids, "op_0_8c4ae2a35c989a43");
    prometheus.stop();
}

#[test]
fn so_does_one_that_scrapes_readable_names() {
    let configs = Configs::any_port();
    let service = configs.service().start();
    let rules = rule_files(Names::Readable);
    let Some(prometheus) = Scraper::with_names(service.ready(), &rules, Names::Readable) else { return };
    answers_every_query(&prometheus, &service, Names::Readable, "app_service_deaths_total");
    assert_eq!(
        prometheus.samples("{__name__=~\"op_.*\"}"),
        Vec::<Value>::new(),
        "all of it has a readable name"
    );
    prometheus.stop();
}

#[test]
fn so_does_one_that_scrapes_readable_names_in_the_text_format() {
    let configs = without_the_instance_label();
    let service = configs.service().start();
    let (text, heads) = relay_asking_for_text(service.ready());
    let rules = rule_files(Names::Readable);
    let Some(prometheus) = Scraper::with_names(text, &rules, Names::Readable) else { return };
    answers_every_query(&prometheus, &service, Names::Readable, "app_service_deaths_total");
    let head = heads.recv().unwrap();
    assert!(head.contains("content-type: text/plain; version=0.0.4;"), "{head}");
    prometheus.stop();
}

fn without_the_instance_label() -> Configs {
    Configs::none().metrics(|mut spec| {
        spec.set_http_port(0);
        spec.set_bind_address("127.0.0.1");
        let mut labels = spec.init_constant_labels(4);
        for (index, label) in (0..).zip(["domain", "app", "svc", "release"]) {
            labels.set(index, label);
        }
    })
}

/// Asserts that every query of the dashboard and every rule has an answer. `deaths` is the name of a counter.
fn answers_every_query(prometheus: &Scraper, service: &Process, names: Names, deaths: &str) {
    poll("a counter", || (!prometheus.samples(deaths).is_empty()).then_some(()));
    let dashboard = dashboard(names);
    let queries = queries(&dashboard);
    assert!(queries.len() > 40, "{}", queries.len());
    let absent = not_here(names);
    let is_absent = |query: &str| absent.iter().any(|metric| query.contains(metric));
    for (panel, query) in queries.iter().filter(|(_, query)| !is_absent(query)) {
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
    assert!(rules.len() > 20, "{}", rules.len());
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        if is_absent(text(rule, "query")) {
            continue;
        }
        if rule["type"] == "recording" {
            assert!(!prometheus.samples(text(rule, "name")).is_empty(), "{rule}");
        } else {
            assert_eq!(rule["state"], "inactive", "{rule}");
        }
    }
    service.signal(Signal::SIGTERM);
    service.ended().expect_code(0);
}

/// Metrics of messaging without series here: the quota service publishes no events, drops none, leads nothing, and in these tests
/// fails at no send.
const NOT_OF_QUOTA: [&str; 4] = ["messages_published", "send_failures", "messages_dropped", "leads"];

/// The metrics that the quota service has no series of. It calls no other service, so it has none of RPC clients.
fn not_here(names: Names) -> Vec<String> {
    let docs = MetricDoc::linked();
    let found: Vec<_> = docs
        .iter()
        .filter(|doc| doc.name().starts_with("rpc_client_") || NOT_OF_QUOTA.contains(&doc.name()))
        .map(|doc| metric_of(&doc.series_name_in(names)).to_owned())
        .collect();
    assert_eq!(found.len(), 8 + NOT_OF_QUOTA.len());
    found
}

/// The tests of the rules, with the names of each way to scrape: ids in OpenMetrics, ids in the text format, and readable
/// names.
#[test]
fn the_rules_say_the_same_of_each_metric_under_all_of_its_names() {
    if !tools::installed("promtool", &["--version"], PACKAGE) {
        return;
    }
    let tests = fs::read_to_string(path("alerts_test.yml")).unwrap();
    let of_text = tests.replace("_total{", "{");
    let mut readable = tests.clone();
    let mut docs = MetricDoc::linked();
    // An id may begin with another.
    docs.sort_by_key(|doc| std::cmp::Reverse(doc.series_name().len()));
    for doc in docs {
        readable = readable.replace(&doc.series_name(), &doc.series_name_in(Names::Readable));
    }
    for (case, names, tests) in [
        ("ids", Names::Ids, &tests),
        ("text", Names::Ids, &of_text),
        ("readable", Names::Readable, &readable),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for (flag, name) in [("--rules", "rules.yml"), ("--alerts", "alerts.yml")] {
            fs::copy(file(flag, names), dir.path().join(name)).unwrap();
        }
        assert_eq!(tests.contains("_total{"), case != "text");
        assert_eq!(tests.contains("op_0_"), case != "readable");
        let file = dir.path().join("tests.yml");
        fs::write(&file, tests).unwrap();
        tools::run("promtool", [Path::new("test"), Path::new("rules"), &file]);
    }
}

#[test]
fn every_query_of_a_counter_has_both_of_its_names_with_ids() {
    let mut asked: Vec<String> =
        queries(&dashboard(Names::Ids)).into_iter().map(|(_, query)| query).collect();
    for file in rule_files(Names::Ids) {
        asked.extend(fs::read_to_string(file).unwrap().lines().map(str::to_owned));
    }
    let mut counters = 0;
    for query in asked {
        let words: Vec<_> = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
        for total in words.iter().filter(|word| word.starts_with("op_")) {
            let Some(exact) = total.strip_suffix("_total") else { continue };
            assert!(words.contains(&exact), "{total} is asked for, and {exact} is not: {query}");
            counters += 1;
        }
    }
    assert!(counters > 30, "{counters}");
}

#[test]
fn promtool_finds_the_rules_good_and_their_alerts_as_they_should_be() {
    if !tools::installed("promtool", &["--version"], PACKAGE) {
        return;
    }
    for file in Names::ALL.into_iter().flat_map(rule_files) {
        tools::run("promtool", [Path::new("check"), Path::new("rules"), &file]);
    }
    tools::run("promtool", [Path::new("test"), Path::new("rules"), &path("alerts_test.yml")]);
}

#[test]
fn every_alert_fires_in_a_test() {
    let alerts = fs::read_to_string(file("--alerts", Names::Ids)).unwrap();
    let tests = fs::read_to_string(path("alerts_test.yml")).unwrap();
    let fires = |alert: &str| {
        let cases = tests.split("alertname: ").skip(1);
        cases.filter(|case| case.lines().next() == Some(alert)).any(|case| {
            let mut lines = case.lines().skip(1);
            lines.next().is_some_and(|line| line.trim() == "exp_alerts:")
        })
    };
    let names: Vec<_> = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: \"")?.strip_suffix('"'))
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(fires(name), "{name} fires in no test of alerts_test.yml");
    }
}

#[test]
fn every_documented_metric_is_on_the_dashboard() {
    for names in Names::ALL {
        let dashboard = dashboard(names);
        let panels = list(&dashboard, "panels").iter().filter(|panel| panel["type"] != "row");
        let used: BTreeSet<_> = panels.flat_map(used).collect();
        for doc in MetricDoc::linked() {
            assert!(
                asks(&used, doc) || NOT_SHOWN.contains(&doc.prometheus_name().as_str()),
                "{} is not shown",
                doc.name()
            );
        }
    }
}

#[test]
fn everything_that_the_dashboard_and_the_rules_ask_for_is_a_documented_metric() {
    let known: BTreeSet<String> = MetricDoc::linked()
        .iter()
        .flat_map(|doc| Names::ALL.map(|names| metric_of(&doc.series_name_in(names)).to_owned()))
        .collect();
    let of_dashboard =
        |names| queries(&dashboard(names)).into_iter().map(|(_, query)| query).collect::<String>();
    let of_rules = |file: PathBuf| {
        let content = fs::read_to_string(file).unwrap();
        let (_, rules) = content.split_once("groups:").unwrap();
        rules
            .lines()
            .filter(|line| !line.contains("summary:") && !line.contains("description:"))
            .collect::<String>()
    };
    let mut asked: Vec<String> = Names::ALL.map(of_dashboard).to_vec();
    asked.extend(Names::ALL.into_iter().flat_map(rule_files).map(of_rules));
    asked.push(
        fs::read_to_string(path("alerts_test.yml"))
            .unwrap()
            .lines()
            .filter(|line| line.contains("{ series:"))
            .collect(),
    );
    for content in asked {
        let names: BTreeSet<_> = names(&content).into_iter().filter(|name| *name != NO_METRIC).collect();
        assert!(names.len() > 2, "{content}");
        for name in names {
            assert!(known.contains(name), "{name} is no metric: {content}");
        }
    }
}
