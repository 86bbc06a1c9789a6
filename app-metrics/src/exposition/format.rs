//! The two text formats and their differences.

use crate::names::{Names, TOTAL};
use crate::spec::Kind;
use crate::written::{escape, is_escaped_in_values};

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

    /// The suffix of a counter's samples. With ids, text format 0.0.4 keeps the exact name. A readable name is the same
    /// in both formats.
    pub(super) const fn counter_suffix(self, names: Names) -> &'static str {
        match (self, names) {
            (Self::Text, Names::Ids) => "",
            _ => TOTAL,
        }
    }

    /// The text after the last sample.
    pub(super) const fn end(self) -> &'static str {
        match self {
            Self::Text => "",
            Self::OpenMetrics => "# EOF\n",
        }
    }

    /// Writes the first lines of a family. Text format 0.0.4 names a family as its samples, so `suffix`, that of a
    /// counter's samples, belongs to the name there.
    pub(super) fn announce(self, out: &mut String, family: &Announced<'_>) {
        let Announced { base, suffix, help, plain_help, kind, unit } = *family;
        let suffix = match self {
            Self::Text => suffix,
            Self::OpenMetrics => "",
        };
        out.extend(["# HELP ", base, suffix, " "]);
        match self {
            _ if plain_help => out.push_str(help),
            Self::Text => escape(out, help, |byte| matches!(byte, b'\\' | b'\n')),
            Self::OpenMetrics => escape(out, help, is_escaped_in_values),
        }
        out.extend(["\n# TYPE ", base, suffix, " ", kind, "\n"]);
        if self == Self::OpenMetrics && !unit.is_empty() {
            out.extend(["# UNIT ", base, " ", unit, "\n"]);
        }
    }
}

/// What the first lines of a family say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced<'a> {
    /// The name in OpenMetrics.
    pub(super) base: &'a str,
    /// What text format 0.0.4 adds to the name.
    pub(super) suffix: &'a str,
    pub(super) help: &'a str,
    /// Whether nothing in the help is escaped.
    pub(super) plain_help: bool,
    /// The type in the words of the format.
    pub(super) kind: &'a str,
    /// The unit that `base` ends with; empty for none.
    pub(super) unit: &'a str,
}

/// The kind in the words of both formats.
pub(super) const fn type_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter | Kind::CounterVector => "counter",
        Kind::Gauge | Kind::GaugeVector => "gauge",
        Kind::Histogram | Kind::HistogramVector => "histogram",
    }
}
