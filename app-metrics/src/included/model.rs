//! Families of other libraries, as a scrape writes them.

use crate::names::TOTAL;
use std::sync::Arc;

/// The types of `prometheus-client`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForeignKind {
    Counter,
    Gauge,
    Histogram,
    Info,
    Unknown,
}

impl ForeignKind {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "counter" => Self::Counter,
            "gauge" => Self::Gauge,
            "histogram" => Self::Histogram,
            "info" => Self::Info,
            "unknown" => Self::Unknown,
            _ => return None,
        })
    }

    /// The type in OpenMetrics.
    pub(crate) const fn open_metrics(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
            Self::Unknown => "unknown",
        }
    }

    /// The type in text format 0.0.4, which has no info and calls the unknown untyped.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge | Self::Info => "gauge",
            Self::Histogram => "histogram",
            Self::Unknown => "untyped",
        }
    }

    /// What the name of a family without parts has in its samples.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::Counter => TOTAL,
            Self::Info => "_info",
            Self::Gauge | Self::Histogram | Self::Unknown => "",
        }
    }

    /// The suffixes that OpenMetrics reserves for samples of this type.
    pub(super) const fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter => &[TOTAL, "_created"],
            Self::Histogram => &["_bucket", "_count", "_created", "_sum"],
            Self::Info => &["_info"],
            Self::Gauge | Self::Unknown => &[],
        }
    }
}

/// A family of another library.
#[derive(Clone, Debug)]
pub(crate) struct ForeignFamily {
    /// The name in OpenMetrics: without `_total` and `_info`.
    pub(crate) base: String,
    pub(crate) kind: ForeignKind,
    /// Without line breaks.
    pub(crate) help: String,
    /// The unit that `base` ends with; empty for none.
    pub(crate) unit: String,
    pub(crate) series: Vec<ForeignSeries>,
}

/// A series: labels, and its samples in the order in which they are written.
#[derive(Clone, Debug)]
pub(crate) struct ForeignSeries {
    /// The constant labels and the own ones, escaped, without braces.
    pub(crate) labels: Arc<str>,
    pub(crate) samples: Vec<ForeignSample>,
    /// Whether OpenMetrics forbids the sum and the count: the sum may go down.
    pub(crate) without_sum: bool,
}

/// A sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ForeignSample {
    pub(crate) part: Part,
    /// The value, as both formats write it.
    pub(crate) value: Box<str>,
    /// An exemplar, as OpenMetrics writes it: `{trace_id="1"} 0.5 1700000000.0`.
    pub(crate) exemplar: Option<Box<str>>,
}

/// The part of a series that a sample is. The order is that of the exposition.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum Part {
    /// The only sample of a series.
    Whole,
    /// A bucket with its upper bound.
    Bucket(f64),
    Sum,
    Count,
}
