//! From label values to their series.

use super::Series;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::sync::Arc;

/// Hashes label values, with a seed of its own so that callers can't choose values that collide.
#[derive(Default)]
pub(super) struct Hasher(DefaultHashBuilder);

impl Hasher {
    pub(super) fn hash(&self, values: &[&str]) -> u64 {
        self.0.hash_one(values)
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
        own.len() == values.len() && own.iter().zip(values).all(|(own, value)| same(own, value))
    }
}

/// Whether two texts are the same. Most label values are short, and calling `memcmp` costs more than comparing them.
#[inline]
fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        0..4 => one.iter().zip(other).all(|(one, other)| one == other),
        4..=8 => ends::<4>(one) == ends::<4>(other),
        9..=16 => ends::<8>(one) == ends::<8>(other),
        _ => one == other,
    }
}

/// The first and the last bytes, which of a short text are all of them.
#[inline]
fn ends<const N: usize>(text: &[u8]) -> (Option<&[u8; N]>, Option<&[u8; N]>) {
    (text.first_chunk(), text.last_chunk())
}

#[cfg(test)]
mod tests {
    //! Tests of how label values are compared.

    use super::same;

    #[test]
    fn texts_of_any_length_are_the_same_only_when_every_byte_is() {
        for length in 0..40 {
            let text = "x".repeat(length);
            assert!(same(&text, &text.clone()));
            assert!(!same(&text, &"x".repeat(length + 1)));
            for place in 0..length {
                let mut other = text.clone();
                other.replace_range(place..=place, "y");
                assert!(!same(&text, &other), "{text} and {other}");
            }
        }
    }
}
