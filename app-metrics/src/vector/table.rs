//! The table from label values to their series.

use super::Series;
use super::packed::PackedValue;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::{BuildHasher, Hasher as _};
use std::sync::Arc;

/// Hashes label values. The seed is random, so that callers cannot choose values that collide.
#[derive(Default)]
pub(super) struct Hasher(DefaultHashBuilder);

impl Hasher {
    #[inline(always)]
    pub(super) fn hash(&self, values: &[&str], packed: &[PackedValue]) -> u64 {
        let mut hasher = self.0.build_hasher();
        for (word, value) in packed.iter().zip(values) {
            if word.is_long() {
                hasher.write(value.as_bytes());
            } else {
                hasher.write_u128(u128::from(word.low) | u128::from(word.high) << 64);
            }
        }
        hasher.finish()
    }
}

pub(super) struct Table<M> {
    entries: HashTable<Entry<M>>,
    /// Indexes that removed series have left.
    free: Vec<usize>,
}

struct Entry<M> {
    hash: u64,
    index: usize,
    /// The packed label values of the series.
    packed: Box<[PackedValue]>,
    series: Arc<Series<M>>,
}

impl<M> Default for Table<M> {
    fn default() -> Self {
        Self { entries: HashTable::new(), free: Vec::new() }
    }
}

impl<M> Table<M> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline(always)]
    pub(super) fn find(&self, hash: u64, values: &[&str], packed: &[PackedValue]) -> Option<&Arc<Series<M>>> {
        self.entries.iter_hash(hash).find(|entry| entry.is(values, packed)).map(|entry| &entry.series)
    }

    /// Adds a series that is not in the table. Returns the index of its slot.
    pub(super) fn insert(&mut self, hash: u64, series: Arc<Series<M>>) -> usize {
        // Every index below `len + free.len()` is either in use or free, so this index is neither.
        let index = self.free.pop().unwrap_or(self.entries.len());
        let packed = series.values.iter().map(|value| PackedValue::of(value)).collect();
        let entry = Entry { hash, index, packed, series };
        self.entries.insert_unique(hash, entry, |entry| entry.hash);
        index
    }

    /// Removes a series. Returns the index of its slot, which is now free.
    pub(super) fn remove(&mut self, hash: u64, values: &[&str], packed: &[PackedValue]) -> Option<usize> {
        let entry = self.entries.find_entry(hash, |entry| entry.is(values, packed)).ok()?;
        let index = entry.remove().0.index;
        self.free.push(index);
        Some(index)
    }
}

impl<M> Entry<M> {
    #[inline(always)]
    fn is(&self, values: &[&str], packed: &[PackedValue]) -> bool {
        self.packed.len() == packed.len()
            && self.packed.iter().zip(packed).all(|(own, word)| own.is(*word))
            && (!packed.iter().any(|word| word.is_long()) || self.is_text(values))
    }

    /// Whether the long values are equal too.
    #[cold]
    fn is_text(&self, values: &[&str]) -> bool {
        self.series.values.iter().zip(values).all(|(own, value)| **own == **value)
    }
}
