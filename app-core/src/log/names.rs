//! The names of a record's keys: no name twice, and none of the platform's keys.

use slog::Key;

use super::escape::is_plain;
use super::line::{BLOCK, Block, block};

/// One bit for each hash of a name. Unset means that the record has no name with this hash.
type Seen = [u64; 4];

/// The platform's keys. A record's own key of that name gets an underscore.
const RESERVED: [(&str, &str); 13] = [
    ("app", "app_"),
    ("svc", "svc_"),
    ("time", "time_"),
    ("level", "level_"),
    ("domain", "domain_"),
    ("message", "message_"),
    ("release", "release_"),
    ("span_id", "span_id_"),
    ("instance", "instance_"),
    ("svc_name", "svc_name_"),
    ("cut_keys", "cut_keys_"),
    ("trace_id", "trace_id_"),
    ("event_name", "event_name_"),
];
/// The key that is written before all others.
const EVENT: &str = "event";
/// The key whose value is always an object.
pub(super) const ERROR: &str = "err";

/// The most fields of a record. To find duplicates among more takes long, and a record has no room for them.
const MAX_NAMES: usize = 1024;

/// The slots of the cache of keys, which takes 8 KiB of each thread.
const CACHE_SLOTS: usize = 128;
/// A key is in one of this many successive slots. If other keys have all of them, the key replaces the first.
const PROBES: usize = 4;

/// How to write the value of a key.
pub(super) enum Admission<'a> {
    /// Under the key, which is in the cache.
    Cached(&'a CachedKey),
    /// Under this name.
    Named(FieldName),
    /// Not at all: the record already has such a field.
    Duplicate,
    /// Not at all: the record has too many fields.
    TooMany,
}

/// The name of a field.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldName {
    pub(super) text: &'static str,
    pub(super) is_event: bool,
}

/// A short key that is written as it is, without escapes or an underscore.
///
/// Keys are `'static`, so two keys with the same address and length are the same key.
#[derive(Debug, Clone, Copy)]
pub(super) struct CachedKey {
    address: usize,
    key_length: usize,
    word: u8,
    bit: u64,
    /// `,"key":`
    pub(super) piece: Block,
    pub(super) length: usize,
}

impl CachedKey {
    const EMPTY: Self = Self { address: 0, key_length: 0, word: 0, bit: 0, piece: [0; BLOCK], length: 0 };

    #[inline]
    fn is(&self, key: Key) -> bool {
        self.address == key.as_ptr().addr() && self.key_length == key.len()
    }
}

/// The names of the record that is being written, and the cache of keys.
#[derive(Debug)]
pub(super) struct Names {
    seen: Seen,
    all: Vec<&'static str>,
    cache: Box<[CachedKey; CACHE_SLOTS]>,
}

impl Default for Names {
    fn default() -> Self {
        Names { seen: [0; 4], all: Vec::new(), cache: Box::new([CachedKey::EMPTY; CACHE_SLOTS]) }
    }
}

impl Names {
    /// Starts a new record.
    pub(super) fn clear(&mut self) {
        self.seen = [0; 4];
        self.all.clear();
    }

    /// Decides how to write the value of `key`.
    #[inline(always)]
    pub(super) fn admit(&mut self, key: Key) -> Admission<'_> {
        let first = slot(key);
        let mut at = first;
        while !self.cache[at].is(key) {
            at = (at + 1) % CACHE_SLOTS;
            if at == (first + PROBES) % CACHE_SLOTS {
                return self.admit_uncached(key);
            }
        }
        let cached = &self.cache[at];
        let seen = &mut self.seen[usize::from(cached.word % 4)];
        if self.all.len() >= MAX_NAMES {
            return Admission::TooMany;
        }
        if *seen & cached.bit != 0 && is_among(&self.all, key) {
            return Admission::Duplicate;
        }
        *seen |= cached.bit;
        self.all.push(key);
        Admission::Cached(cached)
    }

    #[cold]
    fn admit_uncached(&mut self, key: Key) -> Admission<'_> {
        let reserved = RESERVED.iter().find(|(reserved, _)| *reserved == key);
        let name = reserved.map_or(key, |(_, replacement)| replacement);
        if self.all.len() >= MAX_NAMES && key != EVENT {
            return Admission::TooMany;
        }
        if self.all.contains(&name) {
            return Admission::Duplicate;
        }
        let (word, bit) = seen_bit(name);
        self.seen[usize::from(word % 4)] |= bit;
        self.all.push(name);
        if name == key && key != EVENT && key != ERROR {
            self.cache_key(key, word, bit);
        }
        Admission::Named(FieldName { text: name, is_event: name == EVENT })
    }

    fn cache_key(&mut self, key: Key, word: u8, bit: u64) {
        if key.len() + 4 > BLOCK || !is_plain(key.as_bytes()) {
            return;
        }
        let (piece, length) = block(format!(",\"{key}\":").as_bytes());
        let first = slot(key);
        let mut slots = (first..first + PROBES).map(|at| at % CACHE_SLOTS);
        let at = slots.find(|at| self.cache[*at].address == 0).unwrap_or(first);
        self.cache[at] =
            CachedKey { address: key.as_ptr().addr(), key_length: key.len(), word, bit, piece, length };
    }
}

#[inline(never)]
fn is_among(names: &[&str], key: Key) -> bool {
    names.contains(&key)
}

/// The first slot of the cache in which a key may be.
#[inline]
fn slot(key: Key) -> usize {
    // Multiplicative hashing: the factor is 2^64 divided by the golden ratio, and the high bits depend on all bits.
    (key.as_ptr().addr() as u64 ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize
        >> (usize::BITS - 6)
}

/// The word and the bit of [`Seen`] for a name.
const fn seen_bit(name: &str) -> (u8, u64) {
    let hash = match name.as_bytes() {
        [first, .., last] => name.len() * 5 + *first as usize * 7 + *last as usize * 31,
        short => short.len(),
    };
    ((hash >> 6 & 3) as u8, 1 << (hash & 63))
}
