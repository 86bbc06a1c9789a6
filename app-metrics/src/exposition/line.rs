//! The lines of one series.

use super::format::Format;
use crate::counter::Value;
use crate::histogram::Exemplar;
use crate::included::{ForeignFamily, ForeignSample, Part};
use crate::written::{escape_value, float, number, whole};
use crate::{Counter, Gauge, Histogram};
use std::fmt::Write as _;
use std::ops::Range;

/// The label of a histogram's buckets.
const BUCKET_LABEL: &str = ",le=\"";

/// The name and the labels of a series, which all of its lines share.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeriesNames<'a> {
    pub(super) format: Format,
    /// The name of the family.
    pub(super) name: &'a str,
    /// The suffix of a counter's samples.
    pub(super) counter_suffix: &'static str,
    /// The constant labels as text; never empty.
    pub(super) constant: &'a str,
    pub(super) names: &'a [String],
    pub(super) values: &'a [Box<str>],
}

/// A metric that writes the lines of one series. `buckets` is scratch memory for histograms.
pub(super) trait Sample {
    fn write(&self, series: &SeriesNames<'_>, out: &mut String, buckets: &mut Vec<(f64, u64)>);
}

impl Sample for Counter {
    fn write(&self, series: &SeriesNames<'_>, out: &mut String, _: &mut Vec<(f64, u64)>) {
        series.begin(out, series.counter_suffix);
        out.push_str("} ");
        match self.value() {
            Value::Whole(value) => whole(out, value),
            Value::Float(value) => number(out, value),
        }
        out.push('\n');
    }
}

impl Sample for Gauge {
    fn write(&self, series: &SeriesNames<'_>, out: &mut String, _: &mut Vec<(f64, u64)>) {
        series.begin(out, "");
        out.push_str("} ");
        number(out, self.get());
        out.push('\n');
    }
}

impl Sample for Histogram {
    fn write(&self, series: &SeriesNames<'_>, out: &mut String, buckets: &mut Vec<(f64, u64)>) {
        let sum = self.read_into(buckets);
        let lowest = buckets.first().map_or(0.0, |(bound, _)| *bound);
        // Where the labels of the first line are, for copies into the other lines.
        let mut labels: Option<Range<usize>> = None;
        let mut count = 0_u64;
        for (bucket, (bound, observed)) in buckets.iter().enumerate() {
            count = count.wrapping_add(*observed);
            series.begin_again(out, "_bucket", &mut labels);
            out.push_str(BUCKET_LABEL);
            float(out, *bound);
            out.push_str("\"} ");
            whole(out, count);
            if series.format == Format::OpenMetrics
                && let Some(exemplar) = self.exemplar(bucket)
            {
                write_exemplar(out, &exemplar);
            }
            out.push('\n');
        }
        // OpenMetrics allows no sum that can go down, and no count without a sum.
        if series.format == Format::OpenMetrics && (lowest < 0.0 || sum < 0.0) {
            return;
        }
        series.begin_again(out, "_sum", &mut labels);
        out.push_str("} ");
        number(out, sum);
        out.push('\n');
        series.begin_again(out, "_count", &mut labels);
        out.push_str("} ");
        whole(out, count);
        out.push('\n');
    }
}

/// Writes an exemplar behind the value of its bucket. Its labels have 63 characters, and OpenMetrics allows 128.
fn write_exemplar(out: &mut String, exemplar: &Exemplar) {
    let Exemplar { trace_id, span_id, value, at_millis } = exemplar;
    // Writing to a string succeeds.
    let _ = write!(out, " # {{trace_id=\"{trace_id}\",span_id=\"{span_id}\"}} ");
    number(out, *value);
    let _ = write!(out, " {}.{:03}", at_millis / 1000, at_millis % 1000);
}

impl SeriesNames<'_> {
    /// Writes the name and the labels. The caller closes the brace.
    fn begin(&self, out: &mut String, suffix: &str) {
        out.extend([self.name, suffix, "{"]);
        self.labels(out);
    }

    /// Like [`begin`](Self::begin). `labels` says where `out` already has the labels of this series.
    fn begin_again(&self, out: &mut String, suffix: &str, labels: &mut Option<Range<usize>>) {
        out.extend([self.name, suffix, "{"]);
        if let Some(written) = labels {
            out.extend_from_within(written.clone());
            return;
        }
        let start = out.len();
        self.labels(out);
        *labels = Some(start..out.len());
    }

    fn labels(&self, out: &mut String) {
        out.push_str(self.constant);
        for (name, value) in self.names.iter().zip(self.values) {
            out.extend([",", name, "=\""]);
            escape_value(out, value);
            out.push('"');
        }
    }
}

/// Writes the sample of another library.
pub(super) fn foreign(
    out: &mut String,
    family: &ForeignFamily,
    labels: &str,
    sample: &ForeignSample,
    exemplars: bool,
) {
    let suffix = match sample.part {
        Part::Whole => family.kind.suffix(),
        Part::Bucket(_) => "_bucket",
        Part::Sum => "_sum",
        Part::Count => "_count",
    };
    out.extend([&family.base, suffix, "{", labels]);
    if let Part::Bucket(bound) = sample.part {
        out.push_str(BUCKET_LABEL);
        float(out, bound);
        out.push('"');
    }
    out.extend(["} ", &sample.value]);
    if let Some(exemplar) = sample.exemplar.as_deref().filter(|_| exemplars) {
        out.extend([" # ", exemplar]);
    }
    out.push('\n');
}
