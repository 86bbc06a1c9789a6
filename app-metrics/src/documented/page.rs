//! The page of all metrics, in Markdown.

use super::{MetricDoc, Name};
use crate::{CONSTANT_LABELS, Kind};
use app_core::APP_SERVICE;
use std::fmt::{self, Write};

/// The text above the metrics: how to read names, which are ids.
const INTRODUCTION: &str = "\
# Metrics

Every metric of this program, with its meaning and with queries for Prometheus. The subcommand `metrics` of every application
prints this page from the code. In your application the page includes the metrics of your services.

A metric is named after ids in hexadecimal: `op_{id of its service}_{id of the metric}`. So dashboards and alerts outlive
renamed code. A Prometheus that scrapes `/metrics?names=readable` gets names that people can type instead, such as
`app_service_up`. To find a metric:

- **By its name in Prometheus**, from a dashboard or an alert: search this page. The help in `/metrics` is a short version,
  and begins with the readable name. With readable names it begins with the id.
- **By subject**: the tables list readable names, by service.
- **In another or a newer program**: `<program> metrics | grep -i <word>`.

";

/// The page of these metrics in Markdown: by service, with a table and a section for each metric. Ends with a newline.
#[must_use]
pub fn metrics_page(docs: &[&MetricDoc]) -> String {
    let mut page = String::from(INTRODUCTION);
    // Writing to a string can't fail.
    let _ = write_page(&mut page, docs);
    page
}

fn write_page(page: &mut String, docs: &[&MetricDoc]) -> fmt::Result {
    let labels: Vec<String> = CONSTANT_LABELS.iter().map(|label| format!("`{label}`")).collect();
    writeln!(
        page,
        "Every sample has the labels {}, ids in hexadecimal. `svc` is the\n\
         service of the metric. The labels below are added to these. Prometheus uses `instance` for the target, and renames\n\
         ours to `exported_instance`. A histogram has `_bucket`, `_sum` and `_count`.\n\n\
         `instance` is random at each start, so each start makes new series. `constantLabels` in the config of the metrics\n\
         service chooses the labels that samples carry. `build_info` always has all of them.\n\n\
         **Counters.** A readable name of a counter ends in `_total`, in every format. A name that is an id has two forms. A\n\
         scraper that asks for OpenMetrics, as Prometheus does, gets `op_.._total`, which that format demands. A scraper that\n\
         asks for text format 0.0.4, as `curl` and some agents do, gets the exact name `op_..`. Names below are those of\n\
         OpenMetrics; for text, leave out `_total`. The rules and the dashboard that `metrics --alerts`, `--rules` and\n\
         `--grafana` print work with both: with ids they ask for either name, joined by `or`.\n\n\
         **Readable names** are `{{service}}_{{metric}}[_unit][_total]`. The name of the service is left out if the metric's name\n\
         begins with it, and that of service 0 is `app`. Characters that Prometheus refuses become `_`, and `queueDepth`\n\
         becomes `queue_depth`. Only base units of Prometheus are appended, such as `_seconds` and `_bytes`. A metric without\n\
         a recorded name keeps its id name. Two metrics whose names would collide are a start error.",
        labels.join(", ")
    )?;
    for metrics in docs.chunk_by(|one, other| one.service == other.service) {
        let Some(first) = metrics.first() else { continue };
        let title = title(first);
        writeln!(page, "\n## {title}\n")?;
        writeln!(
            page,
            "| metric | name in Prometheus | readable name | kind | unit |\n|---|---|---|---|---|"
        )?;
        for doc in metrics {
            let (heading, prometheus) = (heading(doc, docs), doc.series_name());
            // GitHub makes this anchor from the heading.
            let anchor = heading.replace(' ', "-");
            writeln!(
                page,
                "| [{heading}](#{anchor}) | `{prometheus}` | {} | {} | {} |",
                readable(doc),
                kind(doc.kind),
                doc.unit
            )?;
        }
        metrics.iter().try_for_each(|doc| write_metric(page, &heading(doc, docs), doc))?;
    }
    Ok(())
}

fn title(of: &MetricDoc) -> String {
    if of.service == APP_SERVICE {
        return "The platform (service 0)".to_owned();
    }
    format!("Service `{}` ({:#x})", of.service.name().unwrap_or("without a name"), of.service)
}

/// The readable name. If several services have a metric of this name, the service's name follows.
fn heading(of: &MetricDoc, docs: &[&MetricDoc]) -> String {
    let alike = docs.iter().filter(|doc| doc.name() == of.name()).count() > 1;
    let service = of.service.name().filter(|_| alike);
    service.map_or_else(|| of.name().to_owned(), |service| format!("{} of {service}", of.name()))
}

fn write_metric(page: &mut String, heading: &str, doc: &MetricDoc) -> fmt::Result {
    writeln!(page, "\n### {heading}\n\n{}{}", doc.help, space_before(doc.meaning))?;
    writeln!(page, "\n- name in Prometheus: `{}`", doc.series_name())?;
    if !doc.is_of_the_process() {
        writeln!(page, "- readable name: {}", readable(doc))?;
    }
    if let Name::Id(metric) = doc.name {
        writeln!(page, "- id: {metric:#x}")?;
    }
    writeln!(page, "- kind: {}, unit: {}", doc.kind, doc.unit)?;
    for (label, values) in doc.labels {
        writeln!(page, "- label `{label}`: {values}")?;
    }
    if !doc.buckets.is_empty() {
        let bounds: Vec<String> = doc.buckets.iter().map(f64::to_string).collect();
        writeln!(page, "- buckets up to: {}", bounds.join(", "))?;
    }
    for (what, query) in doc.example_queries() {
        writeln!(page, "\n{what}:\n\n```promql\n{query}\n```")?;
    }
    Ok(())
}

/// The readable name in Markdown; `none` for a metric that keeps its id name.
fn readable(doc: &MetricDoc) -> String {
    doc.readable_name().map_or_else(|| "none".to_owned(), |name| format!("`{name}`"))
}

fn space_before(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" {text}") }
}

/// The kind in the words of Prometheus.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter | Kind::CounterVector => "counter",
        Kind::Gauge | Kind::GaugeVector => "gauge",
        Kind::Histogram | Kind::HistogramVector => "histogram",
    }
}
