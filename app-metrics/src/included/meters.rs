//! What was left out of other libraries' metrics, and why.

use crate::spec::Origin;
use crate::{CounterVector, METRICS_SERVICE_ID, MetricDoc, MetricRegistry, Panel, Row, Rule, Target};
use crate::{Group, Severity};
use app_core::prelude::*;
use std::collections::BTreeMap;

ids! {
    /// What was left out of included metrics: counter vector, label `reason`, pieces.
    pub INCLUDED_DROPPED: MetricId = 0x5e1b_77d0_9a4c_2f63, "included_dropped";
}

const DROPPED: MetricDoc = MetricDoc::counter_vector(
    METRICS_SERVICE_ID,
    INCLUDED_DROPPED,
    "Series, families and sources of other libraries' metrics that were left out of a scrape, by reason.",
    &[(
        "reason",
        "`series_cap`, `bytes_cap`, `names_cap`; `name_taken`, `type_conflict`, `duplicate`; `malformed`, `too_long`; \
         `panicked`, `blocked`, `failed`",
    )],
)
.unit("pieces")
.meaning("Each scrape counts what it left out. The log says once for each source and reason which metric it was.")
.queries(&[("Left out in the last hour", "sum by (reason) (increase(METRIC[1h])) > 0")]);

crate::document! { DROPPED }

crate::panels! {
    Panel::bars(Row::HTTP, "Included metrics that were left out")
        .place(40)
        .about("Metrics of other libraries that were left out of scrapes, in the interval, by reason (included_dropped). The log names them.")
        .size(8, 7)
        .targets(&[Target::new("{{reason}}", "sum by (reason) (increase(metrics_included_dropped_total{INSTANCES}[$__rate_interval]))")]),
}

crate::rules! {
    Rule::alert(Group::PLATFORM, "IncludedMetricsDropped", "increase(metrics_included_dropped_total[15m]) > 0", Severity::Warning)
        .place(150)
        .lasting("15m")
        .summary("{{ $labels.job }} on {{ $labels.instance }} leaves out metrics of other libraries: {{ $labels.reason }}")
        .description("The log names the metric and the reason. See included_dropped in docs/METRICS.md."),
}

/// Why something was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    SeriesCap,
    BytesCap,
    NamesCap,
    NameTaken,
    TypeConflict,
    Duplicate,
    Malformed,
    TooLong,
    Panicked,
    Blocked,
    Failed,
}

impl Reason {
    const ALL: [Self; 11] = [
        Self::SeriesCap,
        Self::BytesCap,
        Self::NamesCap,
        Self::NameTaken,
        Self::TypeConflict,
        Self::Duplicate,
        Self::Malformed,
        Self::TooLong,
        Self::Panicked,
        Self::Blocked,
        Self::Failed,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::SeriesCap => "series_cap",
            Self::BytesCap => "bytes_cap",
            Self::NamesCap => "names_cap",
            Self::NameTaken => "name_taken",
            Self::TypeConflict => "type_conflict",
            Self::Duplicate => "duplicate",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::Panicked => "panicked",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
        }
    }

    /// What the log says, with the cure.
    const fn sentence(self) -> &'static str {
        match self {
            Self::SeriesCap => {
                "the family has too many series; raise maxSeriesPerVector, or use fewer label values"
            }
            Self::BytesCap => "the source is too large; include less of it",
            Self::NamesCap => "too many names were recorded; narrow facadePrefixes",
            Self::NameTaken => "a metric of this program has the name; rename one of the two",
            Self::TypeConflict => {
                "another included metric has the name, with another type; rename one of the two"
            }
            Self::Duplicate => "a series with these labels was there already; include it once",
            Self::Malformed => "it is not a metric that the text formats allow; correct its collector",
            Self::TooLong => "a label value is too long; shorten it",
            Self::Panicked => "its collector panicked; correct the collector",
            Self::Blocked => "its collector took too long; let it answer from a snapshot",
            Self::Failed => "its collector failed; correct the collector",
        }
    }
}

/// What was left out: how often for each reason, and the first name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drops(BTreeMap<Reason, (u64, String)>);

/// The longest name that is kept for the log.
const MAX_NAME: usize = 120;

impl Drops {
    pub(super) fn add(&mut self, reason: Reason, name: &str) {
        self.add_many(reason, name, 1);
    }

    pub(super) fn add_many(&mut self, reason: Reason, name: &str, times: usize) {
        if times == 0 {
            return;
        }
        let kept = || (0, name.chars().take(MAX_NAME).collect());
        self.0.entry(reason).or_insert_with(kept).0 += times as u64;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Reason, u64, &str)> {
        self.0.iter().map(|(reason, (times, name))| (*reason, *times, name.as_str()))
    }

    #[cfg(test)]
    pub(super) fn of(&self, reason: Reason) -> u64 {
        self.0.get(&reason).map_or(0, |(times, _)| *times)
    }
}

/// The counters of what was left out.
#[derive(Clone, Debug)]
pub(crate) struct IncludedMeters(CounterVector);

impl IncludedMeters {
    pub(crate) fn register(registry: &MetricRegistry) -> Result<Self, Error> {
        let dropped = registry.register(DROPPED.counter_vector_spec(), Origin::Platform)?;
        // All reasons are there from the start, so that an increase is one.
        for reason in Reason::ALL {
            dropped.with([reason.label()])?;
        }
        Ok(Self(dropped))
    }

    pub(super) fn count(&self, reason: Reason, times: u64) {
        // Fails only for a wrong number of labels, which is a constant of this crate.
        if let Ok(counter) = self.0.with([reason.label()]) {
            counter.add(times);
        }
    }
}

/// Says in the log that a metric of a source is left out.
pub(super) fn say(log: &Logger, source: &str, reason: Reason, name: &str) {
    warn!(log, "included metric left out: {}", reason.sentence(); "source" => source.to_owned(), "metric" => name.to_owned(), "reason" => reason.label());
}
