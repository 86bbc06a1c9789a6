//! From label values to their series.

use super::Series;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::{BuildHasher, Hasher as _};
use std::sync::Arc;

/// Hashes label values, with a seed of its own so that callers can't choose values that collide.
#[derive(Default)]
pub(super) struct Hasher(DefaultHashBuilder);

impl Hasher {
    /// Where one value ends and the next begins is not in the hash, but in the comparison.
    #[inline]
    pub(super) fn hash(&self, values: &[&str]) -> u64 {
        let mut hasher = self.0.build_hasher();
        values.iter().for_each(|value| hasher.write(value.as_bytes()));
        hasher.finish()
    }
}

pub(super) struct Table<M> {
    entries: HashTable<Entry<M>>,
    /// Indexes that removed series left.
    free: Vec<usize>,
}

struct Entry<M> {
    hash: u64,
    index: usize,
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

    #[inline]
    pub(super) fn find(&self, hash: u64, values: &[&str]) -> Option<&Arc<Series<M>>> {
        self.entries.find(hash, |entry| entry.is(values)).map(|entry| &entry.series)
    }

    /// Adds a series that is not there; gives the index of its slot.
    pub(super) fn insert(&mut self, hash: u64, series: Arc<Series<M>>) -> usize {
        // Every index below `len + free.len()` is either in use or free, so this one is neither.
        let index = self.free.pop().unwrap_or(self.entries.len());
        self.entries.insert_unique(hash, Entry { hash, index, series }, |entry| entry.hash);
        index
    }

    /// Removes a series; gives the index of the slot that it leaves.
    pub(super) fn remove(&mut self, hash: u64, values: &[&str]) -> Option<usize> {
        let entry = self.entries.find_entry(hash, |entry| entry.is(values)).ok()?;
        let index = entry.remove().0.index;
        self.free.push(index);
        Some(index)
    }
}

impl<M> Entry<M> {
    #[inline]
    fn is(&self, values: &[&str]) -> bool {
        let own = &self.series.values;
        own.len() == values.len() && own.iter().zip(values).all(|(own, value)| **own == **value)
    }
}
