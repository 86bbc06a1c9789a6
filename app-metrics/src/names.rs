//! Readable names of metrics: `{service}_{metric}[_unit][_total]`, such as `quota_grants_total`.
//!
//! Ids are the contract: dashboards over ids outlive renamed code. Readable names are for people who type queries. A
//! readable name is made of the names that are recorded for the ids:
//!
//! 1. Every character that Prometheus refuses becomes `_`, and upper-case letters become lower-case words: `quota-rpc`
//!    is `quota_rpc`, and `queueDepth` is `queue_depth`.
//! 2. The name of the service stands first, unless the name of the metric begins with it.
//! 3. A base unit of Prometheus is appended, unless the name ends with it: `_seconds`, `_bytes`. Other units are not.
//! 4. The samples of a counter end in `_total`, in every format.
//!
//! A metric keeps its id name if no name is recorded for its id or for its service.

use crate::Kind;
use app_ids::{MetricId, ServiceId};
use std::collections::HashMap;

/// The suffix of a counter's samples.
pub(crate) const TOTAL: &str = "_total";

/// The name of service 0 in readable names.
const APP: &str = "app";

/// Units that a readable name ends with: the unit of a [`MetricDoc`](crate::MetricDoc), and the suffix.
const BASE_UNITS: &[(&str, &str)] = &[
    ("amperes", "amperes"),
    ("bytes", "bytes"),
    ("celsius", "celsius"),
    ("grams", "grams"),
    ("joules", "joules"),
    ("meters", "meters"),
    ("ratio", "ratio"),
    ("seconds", "seconds"),
    ("seconds since 1970", "seconds"),
    ("volts", "volts"),
];

/// The names that metrics have in a scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Names {
    /// `op_{service hex}_{metric hex}`, the default. The names outlive renamed code.
    #[default]
    Ids,
    /// `{service}_{metric}[_unit][_total]`, such as `quota_grants_total`.
    Readable,
}

impl Names {
    /// Both kinds of names.
    pub const ALL: [Self; 2] = [Self::Ids, Self::Readable];

    /// The word in the parameter `names` of a scrape: `ids` or `readable`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ids => "ids",
            Self::Readable => "readable",
        }
    }

    /// The names with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|names| names.word() == word)
    }
}

/// What readable names are made of, besides the names of metric ids.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    /// Names of services that no `ids!` or `service!` records.
    pub(crate) services: HashMap<ServiceId, String>,
    /// The units of documented metrics.
    pub(crate) units: HashMap<(ServiceId, MetricId), &'static str>,
}

impl Vocabulary {
    /// The readable name of a metric, without `_total`, and its unit; `None` if a name is not recorded.
    pub(crate) fn readable(&self, service: ServiceId, metric: MetricId, kind: Kind) -> Option<ReadableName> {
        let unit = self.units.get(&(service, metric)).copied().unwrap_or_default();
        let other = self.services.get(&service).map(String::as_str);
        readable(service_name(service).or(other)?, metric.name()?, unit, kind)
    }
}

/// The recorded name of a service.
pub(crate) fn service_name(service: ServiceId) -> Option<&'static str> {
    if service.is_zero() { Some(APP) } else { service.name() }
}

/// A readable name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadableName {
    /// The name of the family in OpenMetrics: without `_total`.
    pub(crate) base: String,
    /// The unit that the name ends with; empty for none.
    pub(crate) unit: &'static str,
}

/// The readable name for these names; `None` if nothing would be left of one.
pub(crate) fn readable(service: &str, metric: &str, unit: &str, kind: Kind) -> Option<ReadableName> {
    let (service, mut base) = (mapped(service)?, mapped(metric)?);
    if kind.is_counter()
        && let Some(plain) = base.strip_suffix(TOTAL)
    {
        base = plain.to_owned();
    }
    let repeated = base.strip_prefix(&service).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
    if !repeated {
        base = format!("{service}_{base}");
    }
    let unit = BASE_UNITS.iter().find(|(name, _)| *name == unit).map_or("", |(_, suffix)| suffix);
    if !unit.is_empty() && !ends_with_word(&base, unit) {
        base = format!("{base}_{unit}");
    }
    if base.starts_with(|first: char| first.is_ascii_digit()) {
        base.insert(0, '_');
    }
    Some(ReadableName { base, unit })
}

fn ends_with_word(text: &str, word: &str) -> bool {
    text.strip_suffix(word).is_some_and(|rest| rest.ends_with('_'))
}

/// The name in characters that Prometheus takes; `None` if it has no letter and no digit.
pub(crate) fn mapped(name: &str) -> Option<String> {
    let mut text = String::with_capacity(name.len());
    let mut after_small = false;
    for character in name.chars() {
        if character.is_ascii_uppercase() && after_small {
            text.push('_');
        }
        after_small = character.is_ascii_lowercase() || character.is_ascii_digit();
        text.push(if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '_' });
    }
    text.bytes().any(|byte| byte.is_ascii_alphanumeric()).then_some(text)
}

/// Every name that a family takes: its own, and those of its samples in either format. Two families must not share any.
pub(crate) fn taken(base: &str, suffixes: &[&str]) -> impl Iterator<Item = String> {
    let with = suffixes.iter().map(move |suffix| format!("{base}{suffix}"));
    std::iter::once(base.to_owned()).chain(with)
}

#[cfg(test)]
mod tests;
