//! Rules as Prometheus reads them: YAML.

use super::query::{Queries, Query};
use super::rule::{Rule, RuleKind};
use crate::names::Names;
use serde_json::Value;
use std::fmt::Write;

/// The rules of a kind that the linked crates contribute, as a file for `rule_files` of Prometheus.
///
/// With [`Names::Ids`] every query of a counter asks for both of its names, so the rules are right for OpenMetrics and for
/// text format 0.0.4. A readable name is the same in both.
///
/// # Errors
/// A query has a name that no linked metric has.
pub fn rules_file(names: Names, kind: RuleKind) -> Result<String, String> {
    written(&Queries::linked(names), names, kind, &Rule::linked(kind))
}

pub(super) fn written(
    queries: &Queries,
    names: Names,
    kind: RuleKind,
    rules: &[&Rule],
) -> Result<String, String> {
    let mut out = introduction(names, kind);
    if rules.is_empty() {
        out.push_str("groups: []\n");
        return Ok(out);
    }
    out.push_str("groups:\n");
    let mut group = None;
    for rule in rules {
        let asked =
            queries.each(rule.each, rule.query).map_err(|why| format!("rule {}: {why}", rule.name))?;
        if asked.is_empty() {
            continue;
        }
        if group != Some(rule.group) {
            let between = if group.is_some() { "\n" } else { "" };
            let _ = writeln!(out, "{between}  - name: {}\n    rules:", quoted(rule.group.name));
            group = Some(rule.group);
        } else {
            out.push('\n');
        }
        write_rule(&mut out, names, rule, &asked);
    }
    Ok(out)
}

fn introduction(names: Names, kind: RuleKind) -> String {
    let (what, flag) = match kind {
        RuleKind::Recording => ("Recording rules", "--rules"),
        RuleKind::Alerts => ("Alerting rules", "--alerts"),
    };
    let word = names.word();
    let mut out =
        format!("# {what} for Prometheus, made from the code by `metrics {flag} --names {word}`.\n");
    out.push_str(match names {
        Names::Ids => {
            "# Metrics are named by ids. The comment above a rule has their readable names, which docs/METRICS.md explains.\n\
             # Each query asks for both names of a counter: in OpenMetrics it ends in `_total`, in text format 0.0.4 it does not.\n"
        }
        Names::Readable => {
            "# For a Prometheus that scrapes with `params: { names: [readable] }`. Names are the same in both text formats.\n"
        }
    });
    out.push_str(match kind {
        RuleKind::Recording => "",
        RuleKind::Alerts => {
            "# Some alerts use recorded series: load the recording rules as well (`metrics --rules`).\n\
             # The thresholds are a start. Change them to what your callers need.\n"
        }
    });
    out
}

fn write_rule(out: &mut String, names: Names, rule: &Rule, asked: &[(&str, Query)]) {
    if !rule.why.is_empty() {
        let _ = writeln!(out, "      # {}", rule.why);
    }
    let used: Vec<_> = asked.iter().flat_map(|(_, query)| query.used.iter().cloned()).collect();
    if names == Names::Ids && !used.is_empty() {
        let _ = writeln!(out, "      # {}", used.join(", "));
    }
    let word = if rule.severity.is_some() { "alert" } else { "record" };
    let _ = writeln!(out, "      - {word}: {}\n        expr: |", quoted(rule.name));
    for (index, (_, query)) in asked.iter().enumerate() {
        let joined = if index == 0 { "" } else { "or " };
        for (line, text) in query.text.lines().enumerate() {
            let joined = if line == 0 { joined } else { "" };
            let _ = writeln!(out, "          {joined}{}", text.trim());
        }
    }
    if !rule.lasting.is_empty() {
        let _ = writeln!(out, "        for: {}", rule.lasting);
    }
    let Some(severity) = rule.severity else { return };
    let _ = writeln!(out, "        labels: {{ severity: {} }}\n        annotations:", severity.word());
    for (name, text) in [("summary", rule.summary), ("description", rule.description)] {
        if !text.is_empty() {
            let _ = writeln!(out, "          {name}: {}", quoted(text));
        }
    }
}

/// A text of YAML in double quotes, which are those of JSON.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
