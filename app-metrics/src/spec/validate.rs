//! The rules for specs. The exposition formats check none of them.
//!
//! All problems are found, not only the first, so that the author of a config can fix them at once.

use super::{CONSTANT_LABELS, Kind, MetricSpec};
use std::fmt;

/// Upper bound of the buckets: each is a line of every scrape, for every series.
const MAX_BUCKETS: usize = 256;

const TOO_MANY_BUCKETS: &str = "at most 256";

/// The label that Prometheus puts on the buckets of a histogram.
const BUCKET_LABEL: &str = "le";

/// Who declares the metric. Only the platform's metrics may belong to the application (service id 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Service,
    Platform,
    /// The platform, for samples that identify the instance: they carry all constant labels.
    Identity,
}

/// The parts of a spec of any kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape<'a> {
    pub kind: Kind,
    pub spec: &'a MetricSpec,
    /// For vectors.
    pub labels: Option<&'a [String]>,
    /// For histograms.
    pub buckets: Option<&'a [f64]>,
}

/// The part of a spec that has a problem. Displayed as in code; for a config, it is mapped to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Service,
    Metric,
    Help,
    Labels,
    Label(usize),
    Buckets,
    Bucket(usize),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => f.write_str("service"),
            Self::Metric => f.write_str("metric"),
            Self::Help => f.write_str("help"),
            Self::Labels => f.write_str("labels"),
            Self::Label(index) => write!(f, "labels[{index}]"),
            Self::Buckets => f.write_str("buckets"),
            Self::Bucket(index) => write!(f, "buckets[{index}]"),
        }
    }
}

/// One broken rule: `labels[1]: "svc" is reserved: every metric has it already`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub field: Field,
    /// The rule without a value, because a sealed config may declare the metric.
    pub rule: &'static str,
    /// The rule and the value that breaks it.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// Every rule that the spec breaks.
pub(crate) fn problems(shape: &Shape<'_>, origin: Origin) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add = |field, rule, reason: Option<String>| {
        found.push(Problem { field, rule, reason: reason.unwrap_or_else(|| rule.to_owned()) });
    };
    if shape.spec.service.is_zero() && origin == Origin::Service {
        add(Field::Service, "must not be zero", None);
    }
    if shape.spec.metric.is_zero() {
        add(Field::Metric, "must not be zero", None);
    }
    check_help(&shape.spec.help, &mut add);
    if let Some(labels) = shape.labels {
        check_labels(labels, shape.buckets.is_some(), &mut add);
    }
    if let Some(buckets) = shape.buckets {
        check_buckets(buckets, &mut add);
    }
    found
}

fn check_help(help: &str, add: &mut impl FnMut(Field, &'static str, Option<String>)) {
    let help = help.trim();
    if help.is_empty() {
        add(Field::Help, "must not be empty", None);
    } else if let Some(control) = help.chars().find(|c| c.is_control()) {
        add(
            Field::Help,
            "must be one line without control characters",
            Some(format!("must be one line without control characters, found {control:?}")),
        );
    }
}

fn check_labels(
    labels: &[String],
    histogram: bool,
    add: &mut impl FnMut(Field, &'static str, Option<String>),
) {
    if labels.is_empty() {
        add(Field::Labels, "a vector needs at least one label", None);
    }
    for (index, label) in labels.iter().enumerate() {
        let rule = if !is_label_name(label) {
            "is not a label name ([a-zA-Z_][a-zA-Z0-9_]*)"
        } else if label.starts_with("__") {
            "is reserved: names that begin with __ belong to Prometheus"
        } else if CONSTANT_LABELS.contains(&label.as_str()) {
            "is reserved: every metric has it already"
        } else if histogram && label == BUCKET_LABEL {
            "is reserved: it names the buckets of a histogram"
        } else if labels.iter().take(index).any(|earlier| earlier == label) {
            "is listed twice"
        } else {
            continue;
        };
        add(Field::Label(index), rule, Some(format!("{label:?} {rule}")));
    }
}

fn is_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn check_buckets(buckets: &[f64], add: &mut impl FnMut(Field, &'static str, Option<String>)) {
    if buckets.is_empty() {
        add(Field::Buckets, "must not be empty", None);
    } else if buckets.len() > MAX_BUCKETS {
        add(Field::Buckets, TOO_MANY_BUCKETS, Some(format!("{TOO_MANY_BUCKETS}, found {}", buckets.len())));
    }
    for (index, bound) in buckets.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| buckets.get(before));
        if !bound.is_finite() {
            add(Field::Bucket(index), "must be finite", Some(format!("must be finite, found {bound}")));
        } else if let Some(before) = before.filter(|before| before.is_finite() && *before >= bound) {
            let reason = format!("must be above the bucket before it ({before}), found {bound}");
            add(Field::Bucket(index), "must be above the bucket before it", Some(reason));
        }
    }
}

/// Every rule that these bounds break: the index of the bound, the rule, and the rule with the value that breaks it.
pub(crate) fn buckets_problem(buckets: &[f64]) -> Vec<(Option<usize>, &'static str, String)> {
    let mut found = Vec::new();
    check_buckets(buckets, &mut |field, rule, reason: Option<String>| {
        let index = if let Field::Bucket(index) = field { Some(index) } else { None };
        found.push((index, rule, reason.unwrap_or_else(|| rule.to_owned())));
    });
    found
}
