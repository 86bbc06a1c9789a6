//! What dependencies record through the crate `metrics`.
//!
//! The recorder is the process's: the crate has one place for it, for good. It is installed when a metrics service starts
//! whose config names prefixes, and then keeps what begins with them. Without prefixes nothing is installed, so recording
//! costs a dependency next to nothing.
//!
//! KnownNames are kept as they were recorded, with `_` for what Prometheus refuses. A name has at most as many series as a
//! vector; further label values are recorded in one overflow series. Past [`MAX_NAMES`] a new name is not recorded. Both
//! are counted.

use super::labels;
use super::merge::OVERFLOW_SERIES;
use super::meters::{Drops, Reason};
use super::model::{ForeignFamily, ForeignKind, ForeignSample, ForeignSeries, Part};
use crate::histogram::Histogram;
use crate::vector::{MAX_LABEL_VALUE_BYTES, OVERFLOW_LABEL_VALUE};
use crate::written::{number_text, value_text};
use crate::{Counter, Gauge};
use arc_swap::ArcSwap;
use metrics::{CounterFn, GaugeFn, HistogramFn, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit};
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// KnownNames that are recorded at most, and that are described at most.
pub(crate) const MAX_NAMES: usize = 1_000;

/// Upper bounds of the buckets, in seconds, unless the config sets others.
pub(crate) const DEFAULT_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// What the config says about the recorder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FacadeSettings {
    /// How the recorded names begin. A name that begins with none of them is not recorded.
    pub(crate) prefixes: Vec<String>,
    pub(crate) buckets: Arc<[f64]>,
    /// After how long a series that nobody records is removed; `None` for never.
    pub(crate) idle: Option<Duration>,
    pub(crate) max_series: usize,
}

/// The recorder of the process. A cheap handle.
#[derive(Clone)]
pub(crate) struct Facade {
    store: Arc<FacadeStore>,
    /// What this handle has told of what was not recorded, in the order of [`Facade::not_recorded`].
    told: Arc<[AtomicU64; 3]>,
}

struct FacadeStore {
    settings: ArcSwap<FacadeSettings>,
    names: RwLock<KnownNames>,
    counters: SeriesMap<Counter>,
    gauges: SeriesMap<Gauge>,
    histograms: SeriesMap<Histogram>,
    past_names: AtomicU64,
    past_series: AtomicU64,
    of_two_kinds: AtomicU64,
}

type SeriesMap<M> = RwLock<HashMap<Key, Arc<Recorded<M>>>>;

/// What is known of names.
#[derive(Default)]
struct KnownNames {
    /// The kind of each recorded name, and its number of series.
    recorded: HashMap<String, (ForeignKind, usize)>,
    described: HashMap<String, (Option<Unit>, SharedString)>,
}

/// A metric, and whether it was recorded since the last scrape.
struct Recorded<M> {
    metric: M,
    touched: AtomicBool,
    /// When a scrape last saw it recorded, in milliseconds since [`epoch`].
    seen: AtomicU64,
}

impl<M> Recorded<M> {
    fn new(metric: M) -> Self {
        Self { metric, touched: AtomicBool::new(true), seen: AtomicU64::new(now_millis()) }
    }

    fn touch(&self) {
        // A load is cheaper than a store to memory that threads share.
        if !self.touched.load(Ordering::Relaxed) {
            self.touched.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was idle for longer than `most`.
    fn is_idle(&self, most: Duration) -> bool {
        if self.touched.swap(false, Ordering::Relaxed) {
            self.seen.store(now_millis(), Ordering::Relaxed);
            return false;
        }
        u128::from(now_millis().saturating_sub(self.seen.load(Ordering::Relaxed))) > most.as_millis()
    }
}

fn now_millis() -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    u64::try_from(EPOCH.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl CounterFn for Recorded<Counter> {
    fn increment(&self, value: u64) {
        self.metric.add(value);
        self.touch();
    }

    fn absolute(&self, value: u64) {
        self.metric.raise_to(value);
        self.touch();
    }
}

impl GaugeFn for Recorded<Gauge> {
    fn increment(&self, value: f64) {
        self.metric.add(value);
        self.touch();
    }

    fn decrement(&self, value: f64) {
        self.metric.add(-value);
        self.touch();
    }

    fn set(&self, value: f64) {
        self.metric.set(value);
        self.touch();
    }
}

impl HistogramFn for Recorded<Histogram> {
    fn record(&self, value: f64) {
        self.metric.observe(value);
        self.touch();
    }
}

impl Facade {
    /// The recorder of the process with these settings. The first call installs it.
    ///
    /// # Errors
    /// The process has another recorder.
    pub(crate) fn installed(settings: FacadeSettings) -> Result<Self, &'static str> {
        static INSTALLED: OnceLock<Result<Facade, ()>> = OnceLock::new();
        let installed = INSTALLED.get_or_init(|| {
            let facade = Self::new(settings.clone());
            metrics::set_global_recorder(facade.clone()).map(|()| facade).map_err(drop)
        });
        let facade =
            installed.as_ref().map_err(|()| "the process has another recorder of the crate metrics")?;
        facade.store.settings.store(Arc::new(settings));
        // What other apps of the process were told is not told again.
        let told = facade.not_recorded().map(|(_, count)| AtomicU64::new(count));
        Ok(Self { store: Arc::clone(&facade.store), told: Arc::new(told) })
    }

    pub(super) fn new(settings: FacadeSettings) -> Self {
        let store = FacadeStore {
            settings: ArcSwap::from_pointee(settings),
            names: RwLock::default(),
            counters: RwLock::default(),
            gauges: RwLock::default(),
            histograms: RwLock::default(),
            past_names: AtomicU64::new(0),
            past_series: AtomicU64::new(0),
            of_two_kinds: AtomicU64::new(0),
        };
        Self { store: Arc::new(store), told: Arc::default() }
    }

    fn wants(&self, name: &str) -> bool {
        self.store.settings.load().prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>, description: SharedString) {
        if !self.wants(name.as_str()) {
            return;
        }
        let mut names = self.store.names.write();
        if names.described.len() < MAX_NAMES || names.described.contains_key(name.as_str()) {
            names.described.insert(name.as_str().to_owned(), (unit, description));
        }
    }

    /// The metric with this key, which is created if it does not exist; `None` if it is not recorded.
    fn of<M>(
        &self,
        series: &SeriesMap<M>,
        key: &Key,
        kind: ForeignKind,
        create: impl Fn() -> M,
    ) -> Option<Arc<Recorded<M>>> {
        if let Some(known) = series.read().get(key) {
            return Some(Arc::clone(known));
        }
        if !self.wants(key.name()) {
            return None;
        }
        let max_series = self.store.settings.load().max_series;
        let mut names = self.store.names.write();
        let known = names.recorded.get(key.name()).copied();
        let count = match known {
            Some((other, _)) if other != kind => {
                self.store.of_two_kinds.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Some((_, count)) => count,
            None if names.recorded.len() >= MAX_NAMES => {
                self.store.past_names.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            None => 0,
        };
        let mut series = series.write();
        let too_long = key.labels().any(|label| label.value().len() > MAX_LABEL_VALUE_BYTES);
        let key = if count < max_series && !too_long {
            key.clone()
        } else {
            self.store.past_series.fetch_add(1, Ordering::Relaxed);
            overflow_key(key)
        };
        if let Some(known) = series.get(&key) {
            return Some(Arc::clone(known));
        }
        // Each set of label names has an overflow series, up to a bound.
        if count >= max_series.saturating_add(OVERFLOW_SERIES) {
            return None;
        }
        let recorded = Arc::new(Recorded::new(create()));
        names.recorded.insert(key.name().to_owned(), (kind, count + 1));
        series.insert(key, Arc::clone(&recorded));
        Some(recorded)
    }

    /// What was recorded, with these constant labels, and what was not.
    pub(crate) fn collect(&self, constant: &str) -> (Vec<ForeignFamily>, Drops) {
        self.remove_idle();
        let mut families = BTreeMap::new();
        let names = self.store.names.read();
        let mut shown =
            ShownFamilies { constant, names: &names, families: &mut families, drops: Drops::default() };
        for (key, recorded) in &*self.store.counters.read() {
            let value = number_text(recorded.metric.get());
            shown.add(key, ForeignKind::Counter, vec![sample(Part::Whole, value)], false);
        }
        for (key, recorded) in &*self.store.gauges.read() {
            let value = number_text(recorded.metric.get());
            shown.add(key, ForeignKind::Gauge, vec![sample(Part::Whole, value)], false);
        }
        for (key, recorded) in &*self.store.histograms.read() {
            let (samples, without_sum) = histogram(&recorded.metric);
            shown.add(key, ForeignKind::Histogram, samples, without_sum);
        }
        let mut drops = shown.drops;
        for ((reason, count), told) in self.not_recorded().into_iter().zip(&*self.told) {
            let more = count.saturating_sub(told.swap(count, Ordering::Relaxed));
            let times = usize::try_from(more).unwrap_or(usize::MAX);
            drops.add_many(reason, "recorded through the crate metrics", times);
        }
        let mut families: Vec<ForeignFamily> = families.into_values().collect();
        for family in &mut families {
            // The same order in each scrape, whatever the map has.
            family.series.sort_by(|one, other| one.labels.cmp(&other.labels));
        }
        (families, drops)
    }

    /// How often something was not recorded, by reason.
    fn not_recorded(&self) -> [(Reason, u64); 3] {
        let FacadeStore { past_names, past_series, of_two_kinds, .. } = &*self.store;
        [
            (Reason::NamesCap, past_names.load(Ordering::Relaxed)),
            (Reason::SeriesCap, past_series.load(Ordering::Relaxed)),
            (Reason::TypeConflict, of_two_kinds.load(Ordering::Relaxed)),
        ]
    }

    /// Removes series that nobody recorded for long, and whose handle nobody keeps.
    fn remove_idle(&self) {
        let Some(most) = self.store.settings.load().idle else { return };
        let mut names = self.store.names.write();
        let mut gone = Vec::new();
        sweep(&self.store.counters, most, &mut gone);
        sweep(&self.store.gauges, most, &mut gone);
        sweep(&self.store.histograms, most, &mut gone);
        for name in gone {
            if let Some((_, count)) = names.recorded.get_mut(&name) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    names.recorded.remove(&name);
                }
            }
        }
    }
}

fn sweep<M>(series: &SeriesMap<M>, most: Duration, gone: &mut Vec<String>) {
    series.write().retain(|key, recorded| {
        let stays = !recorded.is_idle(most) || Arc::strong_count(recorded) > 1;
        if !stays {
            gone.push(key.name().to_owned());
        }
        stays
    });
}

impl fmt::Debug for Facade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facade").field("settings", &self.store.settings.load()).finish_non_exhaustive()
    }
}

impl Recorder for Facade {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&key, unit, description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        let counter = self.of(&self.store.counters, key, ForeignKind::Counter, Counter::default);
        counter.map_or_else(metrics::Counter::noop, metrics::Counter::from_arc)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        let gauge = self.of(&self.store.gauges, key, ForeignKind::Gauge, Gauge::default);
        gauge.map_or_else(metrics::Gauge::noop, metrics::Gauge::from_arc)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        let bounds = Arc::clone(&self.store.settings.load().buckets);
        let create = || Histogram::new(Arc::clone(&bounds));
        let histogram = self.of(&self.store.histograms, key, ForeignKind::Histogram, create);
        histogram.map_or_else(metrics::Histogram::noop, metrics::Histogram::from_arc)
    }
}

/// The key of the overflow series: the same labels, with the value `overflow`.
fn overflow_key(key: &Key) -> Key {
    let labels: Vec<Label> =
        key.labels().map(|label| Label::new(label.key().to_owned(), OVERFLOW_LABEL_VALUE)).collect();
    Key::from_parts(key.name().to_owned(), labels)
}

fn sample(part: Part, value: Box<str>) -> ForeignSample {
    ForeignSample { part, value, exemplar: None }
}

fn histogram(histogram: &Histogram) -> (Vec<ForeignSample>, bool) {
    let mut buckets = Vec::new();
    let sum = histogram.read_into(&mut buckets);
    let without_sum = sum < 0.0 || sum.is_nan() || buckets.first().is_some_and(|(bound, _)| *bound < 0.0);
    let (mut samples, mut count) = (Vec::with_capacity(buckets.len() + 2), 0_u64);
    for (bound, observed) in buckets {
        count = count.wrapping_add(observed);
        samples.push(sample(Part::Bucket(bound), count.to_string().into()));
    }
    samples.push(sample(Part::Sum, value_text("", sum)));
    samples.push(sample(Part::Count, count.to_string().into()));
    (samples, without_sum)
}

/// The families of a scrape.
struct ShownFamilies<'a> {
    constant: &'a str,
    names: &'a KnownNames,
    families: &'a mut BTreeMap<(String, u8), ForeignFamily>,
    drops: Drops,
}

impl ShownFamilies<'_> {
    fn add(&mut self, key: &Key, kind: ForeignKind, samples: Vec<ForeignSample>, without_sum: bool) {
        let Some(mut base) = labels::family_name(key.name()) else {
            return self.drops.add(Reason::Malformed, key.name());
        };
        if let Some(plain) = base.strip_suffix(kind.suffix()).filter(|plain| !plain.is_empty()) {
            base = plain.to_owned();
        }
        let escaped: Vec<(String, String)> =
            key.labels().map(|label| (label.key().to_owned(), escaped(label.value()))).collect();
        // Read back, so that the rules for labels are those of all sources.
        let text: Vec<_> = escaped.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let text = format!("{{{}}}", text.join(","));
        let count = escaped.len();
        let whole = |read: &labels::ReadLabels<'_>| read.rest.is_empty() && read.pairs.len() == count;
        let Some(read) = labels::read(&text).filter(whole) else {
            return self.drops.add(Reason::Malformed, key.name());
        };
        let pairs = read.pairs.iter().map(|(name, value)| (name.as_str(), *value));
        let Some(labels) = labels::written(self.constant, pairs) else {
            return self.drops.add(Reason::TooLong, key.name());
        };
        let family = self.families.entry((base.clone(), kind as u8)).or_insert_with(|| {
            let (unit, help) = self.names.described.get(key.name()).cloned().unwrap_or((None, "".into()));
            ForeignFamily {
                unit: unit_of(&base, unit),
                help: help_of(&help, unit),
                base,
                kind,
                series: Vec::new(),
            }
        });
        family.series.push(ForeignSeries { labels: labels.as_str().into(), samples, without_sum });
    }
}

/// The unit for OpenMetrics, which demands that the name ends with it.
fn unit_of(base: &str, unit: Option<Unit>) -> String {
    let name = unit.map(|unit| unit.as_str()).unwrap_or_default();
    let ends = base.strip_suffix(name).is_some_and(|rest| rest.ends_with('_'));
    if ends && !name.is_empty() { name.to_owned() } else { String::new() }
}

fn help_of(description: &str, unit: Option<Unit>) -> String {
    let one_line = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let one_line = one_line.replace(|c: char| c.is_control(), "");
    let one_line = if one_line.is_empty() { "Recorded by a dependency.".to_owned() } else { one_line };
    match unit {
        Some(unit) => format!("{one_line} Unit: {}.", unit.as_str()),
        None => one_line,
    }
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    crate::written::escape_value(&mut text, value);
    text
}
