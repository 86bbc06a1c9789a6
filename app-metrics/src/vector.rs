//! Vectors: metrics of several series, told apart by the values of their labels.
//!
//! Invariants:
//! 1. A vector has at most `cap` series, plus one that takes what is too much; nothing that callers ask for can make
//!    it grow further.
//! 2. The table (values to series) and the slots (series in the order in which they came) hold the same series; both
//!    change under the table's write lock only.
//! 3. A scrape reads the slots and never takes the lock, so it can't block a writer. Nor is a guard of the lock ever
//!    handed out: what callers get is a handle of the series.

mod by_value;
mod packed;
mod slots;
mod table;
#[cfg(test)]
mod tests;

use crate::{Counter, Gauge, Histogram};
use app_errors::{Error, errors};
use app_ids::ServiceId;
use arc_swap::ArcSwapOption;
use crossbeam_utils::sync::{ShardedLock, ShardedLockReadGuard, ShardedLockWriteGuard};
use packed::PackedValue;
use slots::Slots;
use std::fmt;
use std::sync::{Arc, PoisonError};
use table::{Hasher, Table};

/// The value of every label of the series that takes what is too much.
pub const OVERFLOW_LABEL_VALUE: &str = "overflow";

/// Label values longer than this go to the overflow series: values come from callers, memory is ours.
pub const MAX_LABEL_VALUE_BYTES: usize = 1_024;

/// What a vector can be of: [`Counter`], [`Gauge`], [`Histogram`].
pub trait Metric: Clone + fmt::Debug + Send + Sync + 'static {
    /// A new one; `bounds` are for those that have buckets.
    #[doc(hidden)]
    fn fresh(bounds: &Arc<[f64]>) -> Self;
}

impl Metric for Counter {
    fn fresh(_: &Arc<[f64]>) -> Self {
        Self::default()
    }
}

impl Metric for Gauge {
    fn fresh(_: &Arc<[f64]>) -> Self {
        Self::default()
    }
}

impl Metric for Histogram {
    fn fresh(bounds: &Arc<[f64]>) -> Self {
        Self::new(Arc::clone(bounds))
    }
}

/// A metric of several series. A cheap handle: clones share the series.
///
/// Ask for a series once with [`with`](Vector::with), keep what it gives, and use that: a lookup costs many times what
/// counting does. Where the values are known only when something is counted, `inc`, `add`, `set` and `observe` of the vector
/// look up and count in one step, which allocates nothing and shares nothing between threads.
///
/// The number of series is capped. What is asked for beyond the cap gets the one overflow series, whose label values
/// are all `overflow`, and is counted ([`overflowed`](Vector::overflowed)).
pub struct Vector<M: Metric>(Arc<VectorInner<M>>);

/// Counters told apart by labels.
pub type CounterVector = Vector<Counter>;
/// Gauges told apart by labels.
pub type GaugeVector = Vector<Gauge>;
/// Histograms told apart by labels.
pub type HistogramVector = Vector<Histogram>;

struct VectorInner<M> {
    service: ServiceId,
    name: String,
    labels: Vec<String>,
    bounds: Arc<[f64]>,
    cap: usize,
    hasher: Hasher,
    table: ShardedLock<Table<M>>,
    slots: Slots<Series<M>>,
    overflow: ArcSwapOption<Series<M>>,
    overflowed: Counter,
}

/// One series: the values of its labels, and what it measures.
#[derive(Debug)]
pub(crate) struct Series<M> {
    pub(crate) values: Box<[Box<str>]>,
    pub(crate) metric: M,
}

/// What a vector is made of, from a validated spec.
pub(crate) struct VectorParts {
    pub(crate) service: ServiceId,
    pub(crate) name: String,
    pub(crate) labels: Vec<String>,
    pub(crate) bounds: Arc<[f64]>,
    pub(crate) cap: usize,
}

impl Vector<Gauge> {
    /// The value of each series, with its label values in the order of the label names.
    #[must_use]
    pub fn values(&self) -> Vec<(Vec<String>, f64)> {
        let labels = |values: &[Box<str>]| values.iter().map(ToString::to_string).collect();
        self.series_from(0).map(|(_, series)| (labels(&series.values), series.metric.get())).collect()
    }
}

impl<M: Metric> Vector<M> {
    pub(crate) fn new(parts: VectorParts) -> Self {
        let VectorParts { service, name, labels, bounds, cap } = parts;
        Self(Arc::new(VectorInner {
            service,
            name,
            labels,
            bounds,
            cap: cap.min(slots::CAPACITY),
            hasher: Hasher::default(),
            table: ShardedLock::default(),
            slots: Slots::default(),
            overflow: ArcSwapOption::empty(),
            overflowed: Counter::default(),
        }))
    }

    /// The series of these label values, in the order of the label names; made when it is not there.
    ///
    /// Beyond the cap, and for a value of more than [`MAX_LABEL_VALUE_BYTES`], it is the overflow series.
    ///
    /// # Errors
    /// `IllegalArgument` when there are not as many values as labels.
    pub fn with<const N: usize>(&self, values: [&str; N]) -> Result<M, Error> {
        self.on(values, M::clone)
    }

    /// What `f` gives of the series of these values. It runs under the table's lock, so it is not for callers outside of
    /// this module.
    #[inline]
    fn on<const N: usize, T>(&self, values: [&str; N], f: impl Fn(&M) -> T) -> Result<T, Error> {
        self.check_count(N)?;
        let packed = PackedValue::of_all(&values);
        let hash = self.0.hasher.hash(&values, &packed);
        let full = {
            let table = self.read();
            if let Some(series) = table.find(hash, &values, &packed) {
                return Ok(f(&series.metric));
            }
            table.len() >= self.0.cap
        };
        Ok(f(&self.missing(hash, &values, full)))
    }

    /// Removes the series of these label values: the next scrape does not show it. Gives whether it was there.
    ///
    /// Handles of it that callers keep still work and are shown no more; `with` makes a new one, which starts at zero.
    ///
    /// # Errors
    /// `IllegalArgument` when there are not as many values as labels.
    pub fn remove<const N: usize>(&self, values: [&str; N]) -> Result<bool, Error> {
        self.check_count(N)?;
        let packed = PackedValue::of_all(&values);
        let hash = self.0.hasher.hash(&values, &packed);
        let mut table = self.write();
        if is_overflow(&values) {
            return Ok(self.0.overflow.swap(None).is_some());
        }
        let removed = table.remove(hash, &values, &packed);
        if let Some(index) = removed {
            self.0.slots.set(index, None);
        }
        Ok(removed.is_some())
    }

    /// How many series there are, without the overflow series.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.read().len()
    }

    /// How many calls of [`with`](Vector::with) got the overflow series because of the cap or of a value too long.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.0.overflowed.whole()
    }

    /// Names of the labels.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.0.labels
    }

    #[cfg(test)]
    pub(crate) fn series(&self) -> impl Iterator<Item = Arc<Series<M>>> {
        self.series_from(0).map(|(_, series)| series)
    }

    /// All series from a place on, each with the place from which to go on after it; the overflow series last, the others
    /// in the order in which they were made, those made after a removal in the places that it left. Places stay what they
    /// are whatever is made and removed meanwhile; the first is 0. Takes no lock.
    pub(crate) fn series_from(&self, place: usize) -> impl Iterator<Item = (usize, Arc<Series<M>>)> {
        let overflow = if place <= slots::CAPACITY { self.0.overflow.load_full() } else { None };
        let slots = self.0.slots.iter_from(place).map(|(index, series)| (index + 1, series));
        slots.chain(overflow.map(|series| (slots::CAPACITY + 1, series)))
    }

    /// The value of a series, 0 when it is not there; `None` when there are not as many values as labels.
    pub(crate) fn value(&self, values: &[&str], value: impl Fn(&M) -> f64) -> Option<f64> {
        if values.len() != self.0.labels.len() {
            return None;
        }
        let overflow = || is_overflow(values).then(|| self.0.overflow.load_full()).flatten();
        let table = self.read();
        let packed: Vec<_> = values.iter().map(|value| PackedValue::of(value)).collect();
        let series =
            table.find(self.0.hasher.hash(values, &packed), values, &packed).cloned().or_else(overflow);
        Some(series.map_or(0.0, |series| value(&series.metric)))
    }

    /// A panic while the table was changed can only be one for want of memory, before anything was changed: so a lock
    /// that is poisoned guards a good table.
    #[inline]
    fn read(&self) -> ShardedLockReadGuard<'_, Table<M>> {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> ShardedLockWriteGuard<'_, Table<M>> {
        self.0.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn check_count(&self, found: usize) -> Result<(), Error> {
        if found == self.0.labels.len() { Ok(()) } else { Err(self.wrong_count(found)) }
    }

    #[cold]
    fn wrong_count(&self, found: usize) -> Error {
        let VectorInner { service, name, labels, .. } = &*self.0;
        let message = format!(
            "metric {name}: {found} label values for {} labels ({})",
            labels.len(),
            labels.join(", ")
        );
        errors::ILLEGAL_ARGUMENT.error(*service).message(message).build()
    }

    /// The series for values that the table did not have a moment ago. Its values are the only allocation.
    #[cold]
    fn missing(&self, hash: u64, values: &[&str], full: bool) -> M {
        if is_overflow(values) {
            return self.overflow_series();
        }
        if full || values.iter().any(|value| value.len() > MAX_LABEL_VALUE_BYTES) {
            return self.overflow();
        }
        // Again, so that whoever finds the series has them in registers only.
        let packed: Vec<_> = values.iter().map(|value| PackedValue::of(value)).collect();
        let mut table = self.write();
        if let Some(series) = table.find(hash, values, &packed) {
            return series.metric.clone();
        }
        if table.len() >= self.0.cap {
            drop(table);
            return self.overflow();
        }
        let series = Arc::new(self.new_series(values));
        let index = table.insert(hash, Arc::clone(&series));
        self.0.slots.set(index, Some(Arc::clone(&series)));
        series.metric.clone()
    }

    fn overflow(&self) -> M {
        self.0.overflowed.inc();
        self.overflow_series()
    }

    fn overflow_series(&self) -> M {
        if let Some(series) = &*self.0.overflow.load() {
            return series.metric.clone();
        }
        let _table = self.write();
        if let Some(series) = &*self.0.overflow.load() {
            return series.metric.clone();
        }
        let series = self.new_series(&vec![OVERFLOW_LABEL_VALUE; self.0.labels.len()]);
        let metric = series.metric.clone();
        self.0.overflow.store(Some(Arc::new(series)));
        metric
    }

    fn new_series(&self, values: &[&str]) -> Series<M> {
        let values = values.iter().map(|value| Box::from(*value)).collect();
        Series { values, metric: M::fresh(&self.0.bounds) }
    }
}

fn is_overflow(values: &[&str]) -> bool {
    values.iter().all(|value| *value == OVERFLOW_LABEL_VALUE)
}

impl<M: Metric> Clone for Vector<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Metric> fmt::Debug for Vector<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vector")
            .field("name", &self.0.name)
            .field("labels", &self.0.labels)
            .field("series", &self.series_count())
            .finish_non_exhaustive()
    }
}
