//! Vectors: metrics of several series, which differ in the values of their labels.
//!
//! Invariants:
//! 1. A vector has at most `cap` series, plus one overflow series. No caller can make it grow further.
//! 2. The table (values to series) and the slots (series in the order of their creation) hold the same series. Both
//!    change only under the table's write lock.
//! 3. A scrape reads the slots and never takes the lock, so it cannot block a writer. No guard of the lock is handed
//!    out: callers get a handle of the series.

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

/// The value of every label of the overflow series.
pub const OVERFLOW_LABEL_VALUE: &str = "overflow";

/// Longer label values go to the overflow series, because values come from callers and take memory here.
pub const MAX_LABEL_VALUE_BYTES: usize = 1_024;

/// The metrics that a vector can hold: [`Counter`], [`Gauge`], [`Histogram`].
pub trait Metric: Clone + fmt::Debug + Send + Sync + 'static {
    /// Creates a metric. `bounds` are for metrics with buckets.
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
/// Ask for a series once with [`with`](Vector::with), and keep the handle: a lookup costs many times what counting
/// does. If you know the values only when you count, use `inc`, `add`, `set` and `observe` of the vector. They look up
/// and count in one step, allocate nothing, and write to no memory that threads share.
///
/// The number of series is capped. Beyond the cap, lookups return the overflow series, whose label values are all
/// `overflow`. [`overflowed`](Vector::overflowed) counts these lookups.
pub struct Vector<M: Metric>(Arc<VectorInner<M>>);

/// Counters that differ in their labels.
pub type CounterVector = Vector<Counter>;
/// Gauges that differ in their labels.
pub type GaugeVector = Vector<Gauge>;
/// Histograms that differ in their labels.
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

/// One series: the values of its labels, and its metric.
#[derive(Debug)]
pub(crate) struct Series<M> {
    pub(crate) values: Box<[Box<str>]>,
    pub(crate) metric: M,
}

/// The parts of a vector, from a validated spec.
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

    /// The series with these label values, in the order of the label names. Creates it if it does not exist.
    ///
    /// Returns the overflow series beyond the cap, and for a value of more than [`MAX_LABEL_VALUE_BYTES`].
    ///
    /// # Errors
    /// `IllegalArgument` if the number of values differs from the number of labels.
    pub fn with<const N: usize>(&self, values: [&str; N]) -> Result<M, Error> {
        self.on(values, M::clone)
    }

    /// The result of `f` for the series with these values. `f` runs under the table's lock, so only this module may
    /// pass it.
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

    /// Removes the series with these label values from the exposition. Returns whether it existed.
    ///
    /// Handles of the series still work, but are not shown. `with` then creates a new series, which starts at zero.
    ///
    /// # Errors
    /// `IllegalArgument` if the number of values differs from the number of labels.
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

    /// Number of series, without the overflow series.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.read().len()
    }

    /// Number of lookups that returned the overflow series, because of the cap or of a value that is too long.
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

    /// All series from a place on, each with the place after it. The first place is 0.
    ///
    /// The series are in the order of their creation, and the overflow series is last. A new series may take the place
    /// of a removed one. No other place changes. Takes no lock.
    pub(crate) fn series_from(&self, place: usize) -> impl Iterator<Item = (usize, Arc<Series<M>>)> {
        let overflow = if place <= slots::CAPACITY { self.0.overflow.load_full() } else { None };
        let slots = self.0.slots.iter_from(place).map(|(index, series)| (index + 1, series));
        slots.chain(overflow.map(|series| (slots::CAPACITY + 1, series)))
    }

    /// The value of a series, or 0 if it does not exist; `None` if the number of values differs from the number of
    /// labels.
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

    /// Locks the table for reading. A poisoned lock is fine: only a failed allocation can panic, before the table
    /// changes.
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

    /// The series for values that were not in the table a moment ago. Its values are the only allocation.
    #[cold]
    fn missing(&self, hash: u64, values: &[&str], full: bool) -> M {
        if is_overflow(values) {
            return self.overflow_series();
        }
        if full || values.iter().any(|value| value.len() > MAX_LABEL_VALUE_BYTES) {
            return self.overflow();
        }
        // Packed again, so that the fast path keeps the packed values in registers.
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
