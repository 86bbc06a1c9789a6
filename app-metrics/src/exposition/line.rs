//! The lines of one series.

use super::format::{Format, escape_value};
use crate::counter::Value;
use crate::{Counter, Gauge, Histogram};
use std::ops::Range;

/// Whole numbers below this are exact as `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The label of a histogram's buckets.
const BUCKET_LABEL: &str = ",le=\"";

/// Names and labels of a series: what its lines have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeriesNames<'a> {
    pub(super) format: Format,
    /// The name of the family.
    pub(super) name: &'a str,
    /// The constant labels as they are written: there are some.
    pub(super) constant: &'a str,
    pub(super) names: &'a [String],
    pub(super) values: &'a [Box<str>],
}

/// A metric that writes the line or lines of one series. `buckets` is room for those that have some.
pub(super) trait Sample {
    fn write(&self, series: &SeriesNames<'_>, out: &mut String, buckets: &mut Vec<(f64, u64)>);
}

impl Sample for Counter {
    fn write(&self, series: &SeriesNames<'_>, out: &mut String, _: &mut Vec<(f64, u64)>) {
        series.begin(out, series.format.counter_suffix());
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
        // The labels as the first line has them, which is where the others copy them from.
        let mut labels: Option<Range<usize>> = None;
        let mut count = 0_u64;
        for (bound, observed) in &*buckets {
            count = count.wrapping_add(*observed);
            series.begin_again(out, "_bucket", &mut labels);
            out.push_str(BUCKET_LABEL);
            float(out, *bound);
            out.push_str("\"} ");
            whole(out, count);
            out.push('\n');
        }
        // A sum that can go down is none to OpenMetrics, and without it there is no count.
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

impl SeriesNames<'_> {
    /// The name and the labels, the brace of which is left open.
    fn begin(&self, out: &mut String, suffix: &str) {
        out.extend([self.name, suffix, "{"]);
        self.labels(out);
    }

    /// As [`begin`](Self::begin); `labels` says where in `out` the labels of this series are already.
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

/// A value: whole numbers without a point, which is shorter, quicker, and what people expect of counts.
pub(super) fn number(out: &mut String, value: f64) {
    if value.abs() < EXACT && value.fract() == 0.0 {
        out.push_str(itoa::Buffer::new().format(value as i64));
    } else {
        float(out, value);
    }
}

fn whole(out: &mut String, value: u64) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// Always with a point or an exponent, as OpenMetrics wants the bounds of buckets; the others are as Go prints them.
fn float(out: &mut String, value: f64) {
    if value.is_finite() {
        out.push_str(ryu::Buffer::new().format_finite(value));
    } else if value.is_nan() {
        out.push_str("NaN");
    } else {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    }
}
