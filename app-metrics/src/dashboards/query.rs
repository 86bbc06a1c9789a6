//! Queries with readable names, and what becomes of them with ids.
//!
//! A query is split into words and the text between them. Words within quotes are not names. A word that is a readable
//! name of a linked metric is translated. A word that looks like the name of a metric and is none is an error, so that a
//! typing mistake in a rule does not become an alert that never fires.

use super::rule::Rule;
use crate::names::{Names, TOTAL, mapped, service_name};
use crate::{Kind, METRIC_PLACEHOLDER, MetricDoc};
use app_ids::MetricId;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// What the dashboard selects: jobs and instances.
const INSTANCES: (&str, &str) = ("INSTANCES", "job=~\"$job\",instance=~\"$instance\"");
/// What the dashboard selects: jobs, instances and services.
const SERVICES: (&str, &str) = ("SERVICES", "job=~\"$job\",instance=~\"$instance\",name=~\"$service\"");

/// Words before a bracket that are no functions.
const NO_FUNCTIONS: &[&str] =
    &["and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool"];

/// Metrics that Prometheus makes itself.
const OF_PROMETHEUS: &[&str] = &["up"];

/// The metrics that queries may use.
pub(super) struct Queries {
    names: Names,
    docs: Vec<&'static MetricDoc>,
    /// By readable name of a series: the name with ids, and whether it is a counter's.
    known: HashMap<String, (String, bool)>,
    /// How readable names begin: the names of the linked services.
    prefixes: BTreeSet<String>,
    recorded: Vec<&'static str>,
}

/// A query, and the recorded names of its metrics.
pub(super) struct Query {
    pub(super) text: String,
    /// Readable names of the series that the query uses.
    pub(super) used: BTreeSet<String>,
}

impl Queries {
    /// Queries with these names over all linked metrics.
    pub(super) fn linked(names: Names) -> Self {
        Self::over(names, MetricDoc::linked())
    }

    pub(super) fn over(names: Names, docs: Vec<&'static MetricDoc>) -> Self {
        let mut known = HashMap::new();
        for doc in &docs {
            let Some(readable) = doc.readable_name() else { continue };
            for suffix in series_suffixes(doc.kind()) {
                let (id, counter) = if doc.is_of_the_process() {
                    (format!("{readable}{suffix}"), false)
                } else {
                    (format!("{}{suffix}", doc.prometheus_name()), doc.kind().is_counter())
                };
                known.insert(format!("{readable}{suffix}"), (id, counter));
            }
        }
        let prefixes =
            docs.iter().filter_map(|doc| mapped(service_name(doc.service())?)).map(|name| name + "_");
        let prefixes = prefixes.collect();
        Self { names, docs, known, prefixes, recorded: Rule::recorded() }
    }

    /// The query, for each service that documents the metric: the name of the service, and the query.
    ///
    /// # Errors
    /// A name that is no metric's.
    pub(super) fn each(
        &self,
        metric: Option<MetricId>,
        query: &str,
    ) -> Result<Vec<(&'static str, Query)>, String> {
        let Some(metric) = metric else { return Ok(vec![("", self.one(query)?)]) };
        let docs = self.docs.iter().filter(|doc| doc.id() == Some(metric));
        docs.filter_map(|doc| Some((service_name(doc.service())?, doc.readable_name()?)))
            .map(|(service, readable)| {
                Ok((service, self.one(&query.replace(METRIC_PLACEHOLDER, &readable))?))
            })
            .collect()
    }

    /// The query with its names.
    ///
    /// # Errors
    /// A name that is no metric's.
    pub(super) fn one(&self, query: &str) -> Result<Query, String> {
        let query = query.replace(INSTANCES.0, INSTANCES.1).replace(SERVICES.0, SERVICES.1);
        let (mut text, mut used, mut from) = (String::new(), BTreeSet::new(), 0);
        for word in words(&query) {
            let name = &query[word.clone()];
            if let Some((id, counter)) = self.known.get(name) {
                used.insert(name.to_owned());
                if self.names == Names::Readable {
                    continue;
                }
                if word.start < from {
                    return Err(format!("{query}: {name} stands within a call of another counter"));
                }
                // A counter is asked for with everything that the call around it says.
                let whole = if *counter { call_around(&query, &word) } else { word.clone() };
                text.push_str(query.get(from..whole.start).unwrap_or_default());
                let (before, after) = (&query[whole.start..word.start], &query[word.end..whole.end]);
                let asked = if *counter {
                    format!("({before}{id}{TOTAL}{after} or {before}{id}{after})")
                } else {
                    id.clone()
                };
                text.push_str(&asked);
                from = whole.end;
            } else if self.is_mistaken(&query, &word) {
                return Err(format!("{query}: no linked metric has the readable name {name}"));
            }
        }
        text.push_str(&query[from..]);
        Ok(Query { text, used })
    }

    /// Whether a word is meant to be a metric and is none.
    fn is_mistaken(&self, query: &str, word: &Range<usize>) -> bool {
        let name = &query[word.clone()];
        if OF_PROMETHEUS.contains(&name) || self.recorded.contains(&name) {
            return false;
        }
        let selected = query[word.end..].starts_with(['{', '[']);
        let of_service = self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
        // A label may begin like a service: it stands before a comparison, or in a list of labels.
        let label =
            query[word.end..].trim_start().starts_with(['=', '!']) || in_label_list(query, word.start);
        selected || name.contains(':') || (of_service && !label)
    }
}

/// The suffixes of the series of a kind, after [`MetricDoc::readable_name`].
fn series_suffixes(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Histogram | Kind::HistogramVector => &["_bucket", "_sum", "_count"],
        _ => &[""],
    }
}

/// The words of a query, outside of quotes and of variables such as `$job`.
fn words(query: &str) -> Vec<Range<usize>> {
    let (mut found, mut start, mut quoted, mut escaped) = (Vec::new(), None, false, false);
    for (at, byte) in query.bytes().chain([b' ']).enumerate() {
        let of_word = !quoted && (byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'$'));
        match (of_word, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                if query.as_bytes().get(from).is_some_and(|first| !first.is_ascii_digit() && *first != b'$') {
                    found.push(from..at);
                }
                start = None;
            }
            _ => {}
        }
        quoted ^= byte == b'"' && !escaped;
        escaped = quoted && byte == b'\\' && !escaped;
    }
    found
}

/// The call whose argument the word is, with its function: `rate(word{..}[5m])`. Without a function around it: the word
/// with what it selects.
fn call_around(query: &str, word: &Range<usize>) -> Range<usize> {
    let selected = word.start..end_of_selection(query, word.end);
    let before = &query[..word.start];
    let Some(open) = before.strip_suffix('(') else { return selected };
    let name =
        open.len() - open.bytes().rev().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let function = &open[name..];
    if function.is_empty() || NO_FUNCTIONS.contains(&function) || !query[selected.end..].starts_with(')') {
        return selected;
    }
    name..selected.end + 1
}

/// Where the labels, the range and the offset of a selector end.
fn end_of_selection(query: &str, from: usize) -> usize {
    let mut end = from;
    for (open, close) in [('{', '}'), ('[', ']')] {
        let rest = &query[end..];
        if !rest.starts_with(open) {
            continue;
        }
        let mut quoted = false;
        let length = rest.find(|c: char| {
            quoted ^= c == '"';
            c == close && !quoted
        });
        end += length.map_or(rest.len(), |length| length + 1);
    }
    end
}

/// Whether a place is in the brackets of `by (..)`, `on (..)` and the like.
fn in_label_list(query: &str, at: usize) -> bool {
    let Some(open) = query[..at].rfind('(') else { return false };
    let inner = &query[open..at];
    let listed = inner[1..].chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ',' | ' '));
    let before = query[..open].trim_end();
    let keyword = NO_FUNCTIONS.iter().any(|word| {
        before.strip_suffix(word).is_some_and(|rest| !rest.ends_with(|c: char| c.is_ascii_alphanumeric()))
    });
    listed && keyword
}
