//! The last hour of an app's metrics, in memory. It has a gap where nobody looked.
//!
//! A counter is kept as its rate per second. A histogram is kept as its rate, its median and its 99th percentile, each since the
//! sample before.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use crate::exposition::{self, Kind, Sample};

/// How long values are kept.
const KEPT: Duration = Duration::from_secs(3600);
/// Most moments. They are at least 5 s apart.
const MOST_MOMENTS: usize = 720;
/// Most series of an app. The rest is counted.
const MOST_SERIES: usize = 1200;
/// Most series of one family. The rest is counted.
const MOST_OF_FAMILY: usize = 16;
/// After this time without a sample there is no rate: the chart has a gap.
const GAP: Duration = Duration::from_secs(30);
/// Longest texts of an app that are kept: names, helps, labels.
const MOST_TEXT: usize = 400;

/// The last hour of one instance.
#[derive(Default)]
pub(crate) struct History {
    /// The process that the values are of.
    instance: String,
    /// Milliseconds since 1970 (UTC), growing.
    moments: VecDeque<i64>,
    families: BTreeMap<String, Kept>,
    series: usize,
    /// Series of the last sample that were not kept.
    left_out: usize,
    /// Counters and buckets of the last sample.
    before: HashMap<String, Before>,
}

struct Kept {
    readable: String,
    help: String,
    kind: Kind,
    service: String,
    series: BTreeMap<String, VecDeque<f64>>,
}

#[derive(Default, Clone)]
struct Before {
    count: f64,
    buckets: Vec<(f64, f64)>,
}

impl History {
    /// Takes a sample of all metrics.
    pub(crate) fn take(&mut self, instance: &str, now: i64, text: &str) {
        let elapsed = self.moments.back().map_or(i64::MAX, |last| now - last);
        if elapsed <= 0 {
            return;
        }
        let fresh = self.instance != instance || elapsed > millis(GAP);
        if fresh {
            // Rates across a gap or a restart would be wrong.
            self.before.clear();
            instance.clone_into(&mut self.instance);
        }
        while self.moments.len() >= MOST_MOMENTS
            || self.moments.front().is_some_and(|first| now - first > millis(KEPT))
        {
            self.forget_first();
        }
        self.moments.push_back(now);
        self.left_out = 0;
        #[expect(clippy::cast_precision_loss, reason = "a difference of minutes")]
        let seconds = if fresh { f64::NAN } else { elapsed as f64 / 1000.0 };
        let mut before = HashMap::new();
        for family in exposition::families(text) {
            self.take_family(&family, seconds, &mut before);
        }
        self.before = before;
        let moments = self.moments.len();
        for series in self.families.values_mut().flat_map(|family| family.series.values_mut()) {
            // No value of this moment.
            if series.len() < moments {
                series.push_back(f64::NAN);
            }
        }
    }

    fn forget_first(&mut self) {
        self.moments.pop_front();
        let mut dropped = 0;
        self.families.retain(|_, family| {
            family.series.retain(|_, values| {
                values.pop_front();
                let alive = values.iter().any(|value| value.is_finite());
                dropped += usize::from(!alive);
                alive
            });
            !family.series.is_empty()
        });
        self.series -= dropped;
    }

    fn take_family(
        &mut self,
        family: &exposition::Family<'_>,
        seconds: f64,
        before: &mut HashMap<String, Before>,
    ) {
        match family.kind {
            Kind::Gauge => {
                for sample in &family.samples {
                    self.keep(family, sample, "", sample.value);
                }
            }
            Kind::Counter => {
                for sample in &family.samples {
                    let key = format!("{}{{{}}}", family.name, sample.labels);
                    let rate = rate(self.before.get(&key).map(|last| last.count), sample.value, seconds);
                    before.insert(key, Before { count: sample.value, buckets: vec![] });
                    self.keep(family, sample, "", rate);
                }
            }
            Kind::Histogram => self.take_histogram(family, seconds, before),
        }
    }

    fn take_histogram(
        &mut self,
        family: &exposition::Family<'_>,
        seconds: f64,
        before: &mut HashMap<String, Before>,
    ) {
        let mut of_labels: BTreeMap<&str, (Option<&Sample<'_>>, Before)> = BTreeMap::new();
        for sample in &family.samples {
            let (counted, now) = of_labels.entry(sample.labels.as_str()).or_default();
            match sample.suffix {
                "_bucket" => now.buckets.push((sample.bound, sample.value)),
                "_count" => {
                    now.count = sample.value;
                    *counted = Some(sample);
                }
                _ => {}
            }
        }
        for (labels, (sample, now)) in of_labels {
            let Some(sample) = sample else { continue };
            let key = format!("{}{{{labels}}}", family.name);
            let last = self.before.get(&key).cloned();
            let rate = rate(last.as_ref().map(|last| last.count), now.count, seconds);
            let (median, most) = last
                .as_ref()
                .filter(|_| rate.is_finite())
                .map_or((f64::NAN, f64::NAN), |last| (quantile(0.5, last, &now), quantile(0.99, last, &now)));
            before.insert(key, now);
            self.keep(family, sample, "rate", rate);
            self.keep(family, sample, "p50", median);
            self.keep(family, sample, "p99", most);
        }
    }

    /// Keeps a value of this moment.
    fn keep(&mut self, family: &exposition::Family<'_>, sample: &Sample<'_>, part: &str, value: f64) {
        let moments = self.moments.len();
        if !self.families.contains_key(family.name) {
            if self.series >= MOST_SERIES {
                self.left_out += 1;
                return;
            }
            let (readable, help) = exposition::readable(family.name, &family.help);
            let kept = Kept {
                readable: cut(&readable),
                help: cut(help),
                kind: family.kind,
                service: cut(sample.service),
                series: BTreeMap::new(),
            };
            self.families.insert(family.name.to_owned(), kept);
        }
        let Some(kept) = self.families.get_mut(family.name) else { return };
        let label = match (sample.labels.as_str(), part) {
            (labels, "") => cut(labels),
            ("", part) => part.to_owned(),
            (labels, part) => cut(&format!("{part}, {labels}")),
        };
        if !kept.series.contains_key(&label) {
            if self.series >= MOST_SERIES || kept.series.len() >= MOST_OF_FAMILY {
                self.left_out += 1;
                return;
            }
            kept.series.insert(label.clone(), std::iter::repeat_n(f64::NAN, moments - 1).collect());
            self.series += 1;
        }
        if let Some(values) = kept.series.get_mut(&label)
            && values.len() < moments
        {
            values.push_back(value);
        }
    }

    /// The last value of all series of a family together; `None` if there is none.
    pub(crate) fn last(&self, name: &str, label: &str) -> Option<f64> {
        self.values(name, label).last().copied().filter(|value| value.is_finite())
    }

    /// The sums of all series of a family, by moment. `label` selects series.
    fn values(&self, name: &str, label: &str) -> Vec<f64> {
        let mut sums = vec![f64::NAN; self.moments.len()];
        let families = self.families.get(name).into_iter();
        for (_, values) in
            families.flat_map(|family| &family.series).filter(|(known, _)| known.contains(label))
        {
            for (sum, value) in sums.iter_mut().zip(values).filter(|(_, value)| value.is_finite()) {
                *sum = if sum.is_nan() { *value } else { *sum + value };
            }
        }
        sums
    }

    /// The last values of a family, oldest first, for a small line: at most `most`.
    pub(crate) fn trend(&self, name: &str, most: usize) -> Vec<Value> {
        let values = self.values(name, "");
        values[values.len().saturating_sub(most)..].iter().map(|value| short(*value)).collect()
    }

    /// The moment of the last sample; 0 if there is none.
    pub(crate) fn last_moment(&self) -> i64 {
        self.moments.back().copied().unwrap_or(0)
    }

    /// All families, with their last values: `{families, left_out, at}`.
    pub(crate) fn list(&self) -> Value {
        let families = self.families.iter().map(|(name, family)| {
            json!({
                "name": name, "readable": family.readable, "help": family.help, "kind": family.kind.name(),
                "service": family.service, "series": family.series.len(),
            })
        });
        json!({ "families": families.collect::<Vec<_>>(), "left_out": self.left_out, "at": self.last_moment() })
    }

    /// The values of some families after a moment: `{times, families: {name: [{label, values}]}}`.
    pub(crate) fn points(&self, names: &[&str], after: i64) -> Value {
        let from = self.moments.iter().take_while(|moment| **moment <= after).count();
        let series = |family: &Kept| -> Vec<Value> {
            let lines = family.series.iter().map(|(label, values)| {
                let values: Vec<_> = values.iter().skip(from).map(|value| short(*value)).collect();
                json!({ "label": label, "values": values })
            });
            lines.collect()
        };
        let families: serde_json::Map<_, _> = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), Value::Array(series(self.families.get(*name)?)))))
            .collect();
        json!({ "times": self.moments.iter().skip(from).collect::<Vec<_>>(), "families": families })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A value with six digits, which a chart cannot show better; null for a gap.
fn short(value: f64) -> Value {
    if !value.is_finite() {
        return Value::Null;
    }
    if value == value.trunc() && value.abs() < 9e15 {
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        return json!(value as i64);
    }
    json!(format!("{value:.5e}").parse::<f64>().unwrap_or(value))
}

fn rate(last: Option<f64>, now: f64, seconds: f64) -> f64 {
    // A counter that went down was reset.
    last.filter(|last| now >= *last).map_or(f64::NAN, |last| (now - last) / seconds)
}

/// The quantile of what was added since the last sample, within its bucket by proportion. NaN if nothing was added.
fn quantile(q: f64, last: &Before, now: &Before) -> f64 {
    let added: Vec<_> = now
        .buckets
        .iter()
        .enumerate()
        .map(|(at, (bound, count))| (*bound, count - last.buckets.get(at).map_or(0.0, |(_, count)| *count)))
        .collect();
    let Some((_, all)) = added.last().copied().filter(|(_, all)| *all > 0.0) else { return f64::NAN };
    let (mut below, mut lower) = (0.0, 0.0);
    for (bound, count) in added {
        if count >= q * all {
            if bound.is_infinite() {
                return lower;
            }
            let inside = (count - below).max(f64::MIN_POSITIVE);
            return lower + (bound - lower) * ((q * all - below) / inside).clamp(0.0, 1.0);
        }
        (below, lower) = (count, bound);
    }
    lower
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
