//! Reads what `prometheus-client` encodes, while it encodes it.
//!
//! The library escapes the values of labels, and nothing else. But it writes each part of a line in a call of its own. So
//! a help with a line break is told apart from the line after it, and no text that a collector chooses can pass for
//! another line.

use super::labels::{self, BUCKET};
use super::meters::{Drops, Reason};
use super::model::{ForeignFamily, ForeignKind, ForeignSample, ForeignSeries, Part};
use crate::written::value_text;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a source keeps at most, in bytes of names, labels and values.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The longest line, and the longest head of a family.
const MAX_LINE: usize = 64 * 1024;

/// The families of one source at most.
const MAX_FAMILIES: usize = 5_000;

/// Characters of an exemplar's labels that OpenMetrics allows.
const MAX_EXEMPLAR_CHARS: usize = 128;

const HELP: &str = "# HELP ";
const TYPE: &str = "# TYPE ";
const UNIT: &str = "# UNIT ";

/// A writer that keeps families instead of text.
pub(super) struct Intake<'a> {
    /// Whether nobody waits for the source any more.
    abandoned: &'a AtomicBool,
    constant: Arc<str>,
    max_series: usize,
    bytes: usize,
    families: Vec<Intaken>,
    by_name: HashMap<String, usize>,
    drops: Drops,
    state: IntakeState,
    /// The family that is being written: its name as it stands in lines, and its index unless it is left out.
    current: Option<(String, Option<usize>)>,
}

enum IntakeState {
    /// At the head of a family: the words of its line.
    Head(Head, Vec<String>),
    /// Within lines of samples.
    Samples(String),
}

#[derive(Clone, Copy, PartialEq)]
enum Head {
    Help,
    Type,
    Unit,
}

/// A family that is being read.
struct Intaken {
    family: ForeignFamily,
    seen: HashSet<Arc<str>>,
    /// The labels of the series that lines belong to now, and whether it is kept.
    open: Option<(String, bool)>,
}

impl<'a> Intake<'a> {
    pub(super) fn new(abandoned: &'a AtomicBool, constant: Arc<str>, max_series: usize) -> Self {
        Self {
            abandoned,
            constant,
            max_series,
            bytes: 0,
            families: Vec::new(),
            by_name: HashMap::new(),
            drops: Drops::default(),
            state: IntakeState::Samples(String::new()),
            current: None,
        }
    }

    /// The families that are complete and right, and what was left out.
    pub(super) fn finish(mut self) -> (Vec<ForeignFamily>, Drops) {
        self.end_of_head();
        if let IntakeState::Samples(line) = &self.state
            && !line.is_empty()
        {
            self.drops.add(Reason::Malformed, line);
        }
        let mut families = Vec::new();
        for Intaken { mut family, .. } in self.families {
            let before = family.series.len();
            family.series.retain_mut(|series| completed(family.kind, series));
            self.drops.add_many(Reason::Malformed, &family.base, before - family.series.len());
            families.push(family);
        }
        (families, self.drops)
    }

    fn head(&mut self, word: &str) {
        let IntakeState::Head(head, words) = &mut self.state else { return };
        let held: usize = words.iter().map(String::len).sum();
        // A help without end is cut.
        let room = MAX_LINE.saturating_sub(held);
        match word {
            TYPE if *head == Head::Help => {
                let described = help_of(words);
                self.state = IntakeState::Head(Head::Type, vec![]);
                self.begin(described);
            }
            "\n" if *head != Head::Help => {
                let last = words.last().cloned().unwrap_or_default();
                let head = *head;
                self.state = IntakeState::Samples(String::new());
                self.said(head, &last);
            }
            _ => words.push(cut(word, room).to_owned()),
        }
    }

    /// A head that never ended.
    fn end_of_head(&mut self) {
        if matches!(self.state, IntakeState::Head(..)) {
            self.drops.add(Reason::Malformed, "a family without a type");
            self.state = IntakeState::Samples(String::new());
        }
    }

    /// Begins a family with this name and help. Its type follows.
    fn begin(&mut self, (raw, help): (String, String)) {
        let index = self.families.len();
        let family = Intaken {
            family: ForeignFamily {
                base: labels::family_name(&raw).unwrap_or_default(),
                kind: ForeignKind::Unknown,
                help,
                unit: String::new(),
                series: Vec::new(),
            },
            seen: HashSet::new(),
            open: None,
        };
        self.bytes += raw.len() + family.family.help.len();
        self.families.push(family);
        self.current = Some((raw, Some(index)));
    }

    /// What the head of the current family says: its type, or its unit.
    fn said(&mut self, head: Head, word: &str) {
        let Some((raw, Some(index))) = self.current.clone() else { return };
        if head == Head::Unit {
            if let Some(Intaken { family, .. }) = self.families.get_mut(index)
                && family.base.strip_suffix(word).is_some_and(|rest| rest.ends_with('_'))
            {
                family.unit = word.to_owned();
            }
            return;
        }
        // The type is known, so the family can be told from others.
        let Some(mut begun) = self.families.pop() else { return };
        let kind = ForeignKind::of_word(word);
        let family = &mut begun.family;
        family.kind = kind.unwrap_or(ForeignKind::Unknown);
        let suffix = family.kind.suffix();
        if !suffix.is_empty()
            && let Some(plain) = family.base.strip_suffix(suffix)
            && !plain.is_empty()
        {
            family.base = plain.to_owned();
        }
        let known = self.by_name.get(&family.base).copied();
        let kept = match known {
            _ if kind.is_none() || family.base.is_empty() => Err(Reason::Malformed),
            Some(other) if self.families.get(other).is_none_or(|other| other.family.kind != family.kind) => {
                Err(Reason::TypeConflict)
            }
            Some(other) => Ok(other),
            None if self.families.len() >= MAX_FAMILIES || self.bytes > MAX_BYTES => Err(Reason::BytesCap),
            None => {
                self.by_name.insert(family.base.clone(), index);
                self.families.push(begun);
                self.current = Some((raw, Some(index)));
                return;
            }
        };
        let kept = match kept {
            Ok(other) => {
                if let Some(known) = self.families.get_mut(other) {
                    known.open = None;
                }
                Some(other)
            }
            Err(reason) => {
                self.drops.add(reason, &raw);
                None
            }
        };
        self.current = Some((raw, kept));
    }

    fn samples(&mut self, text: &str) {
        let mut rest = text;
        while let Some((end, after)) = rest.split_once('\n') {
            self.lengthen(end);
            let IntakeState::Samples(line) = &mut self.state else { return };
            let line = std::mem::take(line);
            self.line(&line);
            rest = after;
        }
        self.lengthen(rest);
    }

    fn lengthen(&mut self, text: &str) {
        if let IntakeState::Samples(line) = &mut self.state
            // A line that is too long lacks its end, so it is malformed.
            && line.len() < MAX_LINE
        {
            line.push_str(text);
        }
    }

    fn line(&mut self, line: &str) {
        let Some((raw, index)) = &self.current else { return self.drops.add(Reason::Malformed, line) };
        // The family was left out, and that was counted.
        let Some(index) = *index else { return };
        let Some(intaken) = self.families.get_mut(index) else { return };
        let kind = intaken.family.kind;
        let read = if line.len() >= MAX_LINE { None } else { Sampled::read(line, raw, kind) };
        let Some(sampled) = read else { return self.drops.add(Reason::Malformed, raw) };
        let pairs = sampled.labels.iter().map(|(name, value)| (name.as_str(), *value));
        let Some(labels) = labels::written(&self.constant, pairs) else {
            return self.drops.add(Reason::TooLong, raw);
        };
        if intaken.open.as_ref().is_none_or(|(open, _)| *open != labels) {
            let refused = if intaken.seen.contains(labels.as_str()) {
                Some(Reason::Duplicate)
            } else if intaken.family.series.len() >= self.max_series {
                Some(Reason::SeriesCap)
            } else if self.bytes > MAX_BYTES {
                Some(Reason::BytesCap)
            } else {
                None
            };
            if let Some(reason) = refused {
                self.drops.add(reason, raw);
            } else {
                let labels: Arc<str> = labels.as_str().into();
                self.bytes += 2 * labels.len();
                intaken.seen.insert(Arc::clone(&labels));
                intaken.family.series.push(ForeignSeries { labels, samples: Vec::new(), without_sum: false });
            }
            intaken.open = Some((labels, refused.is_none()));
        }
        if intaken.open.as_ref().is_some_and(|(_, kept)| !kept) {
            return;
        }
        let Some(series) = intaken.family.series.last_mut() else { return };
        if series.samples.iter().any(|sample| sample.part == sampled.sample.part) {
            return self.drops.add(Reason::Duplicate, raw);
        }
        self.bytes +=
            sampled.sample.value.len() + sampled.sample.exemplar.as_ref().map_or(0, |text| text.len());
        series.samples.push(sampled.sample);
    }
}

impl fmt::Write for Intake<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(fmt::Error);
        }
        match &mut self.state {
            IntakeState::Samples(line) if line.is_empty() && text == HELP => {
                self.state = IntakeState::Head(Head::Help, Vec::new());
            }
            IntakeState::Samples(line) if line.is_empty() && text == UNIT => {
                self.state = IntakeState::Head(Head::Unit, Vec::new());
            }
            IntakeState::Samples(_) => self.samples(text),
            IntakeState::Head(..) => self.head(text),
        }
        Ok(())
    }
}

/// The beginning of a text, of at most `bytes`.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The name and the help of a family, from the words of the first line: the name, a space, the help, a line break.
fn help_of(words: &[String]) -> (String, String) {
    let space = words.iter().position(|word| word == " ").unwrap_or(words.len());
    let (name, help) = words.split_at(space);
    let help = help.get(1..help.len().saturating_sub(1)).unwrap_or_default();
    let one_line = help.concat().split_whitespace().collect::<Vec<_>>().join(" ");
    (name.concat(), one_line.replace(|c: char| c.is_control(), ""))
}

/// A line of a sample.
struct Sampled<'a> {
    labels: Vec<(String, &'a str)>,
    sample: ForeignSample,
}

impl<'a> Sampled<'a> {
    /// Reads a line of the family `raw`; `None` if it is malformed, or no sample that such a family may have.
    fn read(line: &'a str, raw: &str, kind: ForeignKind) -> Option<Self> {
        let rest = line.strip_prefix(raw)?;
        let name = rest.find(['{', ' ']).map(|end| &rest[..end])?;
        let labels::ReadLabels { pairs: mut labels, rest } = labels::read(&rest[name.len()..])?;
        let (value, exemplar) = match rest.strip_prefix(' ')?.split_once(" # ") {
            Some((value, exemplar)) => (value, Some(exemplar)),
            None => (rest.strip_prefix(' ')?, None),
        };
        let number: f64 = value.parse().ok()?;
        let part = match (kind, name) {
            (ForeignKind::Histogram, "_bucket") => {
                let at = labels.iter().position(|(name, _)| name == BUCKET)?;
                let (_, bound) = labels.remove(at);
                let bound: f64 = bound.parse().ok()?;
                // The library's last bound is the largest number.
                Part::Bucket(if bound == f64::MAX { f64::INFINITY } else { bound })
            }
            (ForeignKind::Histogram, "_sum") => Part::Sum,
            (ForeignKind::Histogram, "_count") => Part::Count,
            (ForeignKind::Histogram, _) => return None,
            (_, suffix) if suffix == kind.suffix() => Part::Whole,
            _ => return None,
        };
        // A counter is a number from 0 on, and so is a count.
        let counts = kind == ForeignKind::Counter || matches!(part, Part::Bucket(_) | Part::Count);
        if counts && (number.is_nan() || number < 0.0) || kind == ForeignKind::Info && number != 1.0 {
            return None;
        }
        let may_have = kind == ForeignKind::Counter || matches!(part, Part::Bucket(_));
        let exemplar = exemplar.filter(|_| may_have).and_then(exemplar_text);
        Some(Self { labels, sample: ForeignSample { part, value: value_text(value, number), exemplar } })
    }
}

/// An exemplar that OpenMetrics allows: `{trace_id="1"} 0.5 1700000000.0`. `None` if it does not.
fn exemplar_text(text: &str) -> Option<Box<str>> {
    let labels = labels::read(text)?;
    let mut numbers = labels.rest.trim().split(' ');
    let (value, time) = (numbers.next()?, numbers.next());
    let number: f64 = value.parse().ok()?;
    let chars: usize =
        labels.pairs.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    if chars > MAX_EXEMPLAR_CHARS || numbers.next().is_some() || !text.starts_with('{') {
        return None;
    }
    let pairs: Vec<_> = labels.pairs.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let mut written = format!("{{{}}} {}", pairs.join(","), value_text(value, number));
    if let Some(time) = time {
        let seconds: f64 = time.parse().ok().filter(|time: &f64| time.is_finite())?;
        written.push(' ');
        written.push_str(&value_text(time, seconds));
    }
    Some(written.into())
}

/// Orders the samples of a series. Returns whether it has all samples that its type needs, and they agree.
fn completed(kind: ForeignKind, series: &mut ForeignSeries) -> bool {
    if kind != ForeignKind::Histogram {
        return series.samples.len() == 1;
    }
    series
        .samples
        .sort_by(|one, other| one.part.partial_cmp(&other.part).unwrap_or(std::cmp::Ordering::Equal));
    let number = |sample: &ForeignSample| sample.value.parse::<f64>().unwrap_or(f64::NAN);
    let buckets: Vec<(f64, f64)> = series
        .samples
        .iter()
        .filter_map(|sample| match sample.part {
            Part::Bucket(bound) => Some((bound, number(sample))),
            _ => None,
        })
        .collect();
    let find = |part: Part| series.samples.iter().find(|sample| sample.part == part).map(number);
    let (Some(sum), Some(count)) = (find(Part::Sum), find(Part::Count)) else { return false };
    let rising = buckets.is_sorted_by(|one, other| one.0 < other.0 && one.1 <= other.1);
    let whole = buckets.last().is_some_and(|(bound, all)| *bound == f64::INFINITY && *all == count);
    series.without_sum = sum.is_nan() || sum < 0.0 || buckets.first().is_some_and(|(bound, _)| *bound < 0.0);
    rising && whole && buckets.iter().all(|(bound, _)| !bound.is_nan())
}
