//! The two text formats and their differences.

use crate::spec::Kind;

/// A text format that Prometheus reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Prometheus text format 0.0.4, the default: counters have exactly their names.
    Text,
    /// OpenMetrics 1.0.0: samples of counters end in `_total`, quotes in help are escaped, and the end is marked.
    OpenMetrics,
}

impl Format {
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The suffix of a counter's samples.
    pub(super) const fn counter_suffix(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::OpenMetrics => "_total",
        }
    }

    /// The text after the last sample.
    pub(super) const fn end(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::OpenMetrics => "# EOF\n",
        }
    }

    /// Writes the first lines of a family.
    pub(super) fn announce(self, out: &mut String, name: &str, help: &str, kind: Kind) {
        let kind = match kind {
            Kind::Counter | Kind::CounterVector => "counter",
            Kind::Gauge | Kind::GaugeVector => "gauge",
            Kind::Histogram | Kind::HistogramVector => "histogram",
        };
        out.extend(["# HELP ", name, " "]);
        match self {
            Self::Text => escape(out, help, |byte| matches!(byte, b'\\' | b'\n')),
            Self::OpenMetrics => escape(out, help, is_escaped_in_values),
        }
        out.extend(["\n# TYPE ", name, " ", kind, "\n"]);
    }
}

/// Appends a label value. Both formats escape it in the same way.
pub(super) fn escape_value(out: &mut String, value: &str) {
    escape(out, value, is_escaped_in_values);
}

fn is_escaped_in_values(byte: u8) -> bool {
    matches!(byte, b'\\' | b'"' | b'\n')
}

fn escape(out: &mut String, text: &str, escaped: impl Fn(u8) -> bool) {
    let mut rest = text;
    // Usually nothing is escaped, and all is appended at once.
    while let Some(at) = rest.bytes().position(&escaped) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        // Every escaped character is one byte long.
        let (special, after) = special.split_at(1);
        out.push('\\');
        out.push_str(if special == "\n" { "n" } else { special });
        rest = after;
    }
    out.push_str(rest);
}
