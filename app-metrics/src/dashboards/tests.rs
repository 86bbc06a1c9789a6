//! Tests of queries, rules and panels.

use super::panel::{Panel, Row, Target};
use super::query::Queries;
use super::rule::{Group, Rule, RuleKind, Severity};
use super::{grafana, yaml};
use crate::{MetricDoc, Names};
use app_core::prelude::*;

ids! {
    /// A service of these tests.
    POST: ServiceId = 0x8f2c_0001, "post-office";
    /// Another.
    TRAM: ServiceId = 0x8f2c_0002, "tram";
    /// Letters.
    LETTERS: MetricId = 0x0a01, "letters";
    /// Seconds.
    WAIT: MetricId = 0x0a02, "wait";
    /// Bags.
    BAGS: MetricId = 0x0a03, "bags";
}

static DOCS: [MetricDoc; 4] = [
    MetricDoc::counter(POST, LETTERS, "Letters."),
    MetricDoc::counter(TRAM, LETTERS, "Letters."),
    MetricDoc::histogram(POST, WAIT, "Wait.", &[1.0]).unit("seconds"),
    MetricDoc::gauge(POST, BAGS, "Bags."),
];

fn queries(names: Names) -> Queries {
    Queries::over(names, DOCS.iter().collect())
}

#[track_caller]
fn becomes(query: &str, with_ids: &str) {
    assert_eq!(queries(Names::Ids).one(query).map(|query| query.text).as_deref(), Ok(with_ids));
    let readable = queries(Names::Readable).one(query).unwrap().text;
    assert_eq!(readable, query, "readable names are those of the code");
}

#[test]
fn a_counter_is_asked_for_by_both_names_with_the_call_around_it() {
    becomes(
        "sum by (post_office_x) (rate(post_office_letters_total{a=\"b)}\"}[5m])) > 0",
        "sum by (post_office_x) ((rate(op_8f2c0001_a01_total{a=\"b)}\"}[5m]) or rate(op_8f2c0001_a01{a=\"b)}\"}[5m]))) > 0",
    );
    becomes("post_office_letters_total > 3", "(op_8f2c0001_a01_total or op_8f2c0001_a01) > 3");
    becomes(
        "up == 0 and on (job) post_office_letters_total{a!=\"x\"}",
        "up == 0 and on (job) (op_8f2c0001_a01_total{a!=\"x\"} or op_8f2c0001_a01{a!=\"x\"})",
    );
    becomes(
        "rate(post_office_letters_total[5m]) / rate(tram_letters_total[5m])",
        "(rate(op_8f2c0001_a01_total[5m]) or rate(op_8f2c0001_a01[5m])) / (rate(op_8f2c0002_a01_total[5m]) or rate(op_8f2c0002_a01[5m]))",
    );
}

#[test]
fn other_metrics_keep_their_place() {
    becomes("post_office_bags + 1", "op_8f2c0001_a03 + 1");
    becomes(
        "histogram_quantile(0.9, sum by (le) (rate(post_office_wait_seconds_bucket[5m])))",
        "histogram_quantile(0.9, sum by (le) (rate(op_8f2c0001_a02_bucket[5m])))",
    );
    becomes(
        "label_replace(up, \"post_office_bags\", \"\", \"\", \"\")",
        "label_replace(up, \"post_office_bags\", \"\", \"\", \"\")",
    );
}

#[test]
fn what_the_dashboard_selects_is_filled_in() {
    let text = queries(Names::Readable)
        .one("post_office_bags{SERVICES,a=\"b\"} + post_office_bags{INSTANCES}")
        .unwrap()
        .text;
    assert_eq!(
        text,
        "post_office_bags{job=~\"$job\",instance=~\"$instance\",name=~\"$service\",a=\"b\"} + post_office_bags{job=~\"$job\",instance=~\"$instance\"}"
    );
}

#[test]
fn a_name_that_no_metric_has_is_an_error() {
    for query in [
        "post_office_bagz > 1",
        "bags{a=\"b\"}",
        "rate(other_total[5m])",
        "job:unknown:rate5m > 1",
        "tram_bags",
    ] {
        for names in Names::ALL {
            assert!(queries(names).one(query).is_err(), "{query}");
        }
    }
    for query in [
        "up",
        "sum by (tram_bags) (up)",
        "label_join(up, \"tram_bags\")",
        "up{tram_bags=\"1\"}",
        "time() - 3",
    ] {
        assert!(queries(Names::Ids).one(query).is_ok(), "{query}");
    }
}

#[test]
fn a_query_for_each_service_is_joined_in_a_rule_and_repeated_in_a_panel() {
    let rule = Rule::alert(Group::new("mail", 3), "Lost", "increase(METRIC[5m]) > 0", Severity::Warning)
        .each(LETTERS)
        .lasting("2m")
        .why("Why not.")
        .summary("\"{{ $labels.job }}\" lost letters");
    let text = yaml::written(&queries(Names::Readable), Names::Readable, RuleKind::Alerts, &[&rule]).unwrap();
    let rules = text.split_once("groups:\n").unwrap().1;
    assert_eq!(
        rules,
        "  - name: \"mail\"
    rules:
      # Why not.
      - alert: \"Lost\"
        expr: |
          increase(post_office_letters_total[5m]) > 0
          or increase(tram_letters_total[5m]) > 0
        for: 2m
        labels: { severity: warning }
        annotations:
          summary: \"\\\"{{ $labels.job }}\\\" lost letters\"
"
    );

    let row = Row::new("Mail", 3);
    let panel = Panel::lines(row, "Letters")
        .about("Letters.")
        .targets(&[const { Target::each(LETTERS, "of SERVICE", "METRIC{INSTANCES}") }]);
    let queries = Queries::over(Names::Readable, DOCS.iter().chain(MetricDoc::linked()).collect());
    let dashboard =
        grafana::written(&queries, "post", Names::Readable, &[&panel, &panel, &panel, &panel]).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert_eq!(panels[1]["targets"][0]["legendFormat"], "of post-office");
    assert_eq!(panels[1]["targets"][1]["refId"], "B");
    assert_eq!(panels[1]["targets"][1]["expr"], "tram_letters_total{job=~\"$job\",instance=~\"$instance\"}");
    let places: Vec<_> =
        panels.iter().map(|panel| (panel["gridPos"]["x"].as_u64(), panel["gridPos"]["y"].as_u64())).collect();
    assert_eq!(places, [(0, 0), (0, 1), (8, 1), (16, 1), (0, 9)].map(|(x, y)| (Some(x), Some(y))));
}

#[test]
fn a_mistake_names_its_panel_or_its_rule() {
    let rule = Rule::record("a:b:c", "rate(nothing_total[5m])");
    let refused = yaml::written(&queries(Names::Ids), Names::Ids, RuleKind::Recording, &[&rule]);
    assert_eq!(
        refused.unwrap_err(),
        "rule a:b:c: rate(nothing_total[5m]): no linked metric has the readable name nothing_total"
    );
    let panel =
        Panel::bars(Row::PROCESS, "Nothing").targets(&[const { Target::new("", "nothing{INSTANCES}") }]);
    let refused = grafana::written(&queries(Names::Ids), "x", Names::Ids, &[&panel]).unwrap_err();
    assert!(refused.starts_with("panel \"Nothing\": nothing{job"), "{refused}");
}
