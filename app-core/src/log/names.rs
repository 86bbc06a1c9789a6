//! The names of a record's keys: none twice, none that passes for one of the platform's.

use slog::Key;

use super::escape::is_plain;
use super::line::{BLOCK, Block, block};

/// A bit per hash of a name: unset means that no such name was seen.
type Seen = [u64; 4];

/// The keys that are the platform's: a record's own key of that name gets an underscore.
const TAKEN: [(&str, &str); 11] = [
    ("app", "app_"),
    ("svc", "svc_"),
    ("time", "time_"),
    ("level", "level_"),
    ("domain", "domain_"),
    ("message", "message_"),
    ("release", "release_"),
    ("instance", "instance_"),
    ("svc_name", "svc_name_"),
    ("cut_keys", "cut_keys_"),
    ("event_name", "event_name_"),
];
/// Written before all others.
const EVENT: &str = "event";
/// Whose value is always an object.
pub(super) const ERROR: &str = "err";

/// A record has no more fields: to tell more apart takes long, and there is no room for them.
const MAX_NAMES: usize = 1024;

/// So many keys of a thread's records are known, in 8 KiB.
const KNOWN: usize = 128;
/// A key is in one of so many places in a row; when all are taken by others, they take turns in the first.
const PLACES: usize = 4;

/// What becomes of a key.
pub(super) enum Admitted<'a> {
    /// It is written as it is, and how is known.
    Usual(&'a Known),
    /// It is written under this name.
    Other(Name),
    /// There is such a field already.
    Not,
    /// There are too many.
    TooMany,
}

/// A name that was admitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    pub(super) text: &'static str,
    pub(super) is_event: bool,
}

/// A key that was seen before, is short, and has nothing to escape or to change. Keys are `'static`: one that has the
/// address and the length of another is that other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    address: usize,
    key_length: usize,
    word: u8,
    bit: u64,
    /// `,"key":`
    pub(super) piece: Block,
    pub(super) length: usize,
}

impl Known {
    #[inline]
    fn is(&self, key: Key) -> bool {
        self.address == key.as_ptr().addr() && self.key_length == key.len()
    }
}

const NOBODY: Known = Known { address: 0, key_length: 0, word: 0, bit: 0, piece: [0; BLOCK], length: 0 };

/// The names of the record that is being written.
#[derive(Debug)]
pub(super) struct Names {
    seen: Seen,
    all: Vec<&'static str>,
    known: Box<[Known; KNOWN]>,
}

impl Default for Names {
    fn default() -> Self {
        Names { seen: [0; 4], all: Vec::new(), known: Box::new([NOBODY; KNOWN]) }
    }
}

impl Names {
    /// Starts a new record.
    pub(super) fn clear(&mut self) {
        self.seen = [0; 4];
        self.all.clear();
    }

    /// Under which name the value of `key` is to be written, if at all.
    #[inline(always)]
    pub(super) fn admit(&mut self, key: Key) -> Admitted<'_> {
        let first = slot(key);
        let mut at = first;
        while !self.known[at].is(key) {
            at = (at + 1) % KNOWN;
            if at == (first + PLACES) % KNOWN {
                return self.look(key);
            }
        }
        let known = &self.known[at];
        let seen = &mut self.seen[usize::from(known.word % 4)];
        if self.all.len() >= MAX_NAMES {
            return Admitted::TooMany;
        }
        if *seen & known.bit != 0 && is_among(&self.all, key) {
            return Admitted::Not;
        }
        *seen |= known.bit;
        self.all.push(key);
        Admitted::Usual(known)
    }

    #[cold]
    fn look(&mut self, key: Key) -> Admitted<'_> {
        let name = TAKEN.iter().find(|(taken, _)| *taken == key).map_or(key, |(_, instead)| instead);
        if self.all.len() >= MAX_NAMES && key != EVENT {
            return Admitted::TooMany;
        }
        if self.all.contains(&name) {
            return Admitted::Not;
        }
        let (word, bit) = place(name);
        self.seen[usize::from(word % 4)] |= bit;
        self.all.push(name);
        if name == key && key != EVENT && key != ERROR {
            self.learn(key, word, bit);
        }
        Admitted::Other(Name { text: name, is_event: name == EVENT })
    }

    fn learn(&mut self, key: Key, word: u8, bit: u64) {
        if key.len() + 4 > BLOCK || !is_plain(key.as_bytes()) {
            return;
        }
        let (piece, length) = block(format!(",\"{key}\":").as_bytes());
        let first = slot(key);
        let places = (first..first + PLACES).map(|at| at % KNOWN);
        let at = places.clone().find(|at| self.known[*at].address == 0).unwrap_or(first);
        self.known[at] =
            Known { address: key.as_ptr().addr(), key_length: key.len(), word, bit, piece, length };
    }
}

#[inline(never)]
fn is_among(names: &[&str], key: Key) -> bool {
    names.contains(&key)
}

/// Where the key is, if it is known.
#[inline]
fn slot(key: Key) -> usize {
    // 2^64 divided by the golden ratio: the highest bits of the product depend on all bits.
    (key.as_ptr().addr() as u64 ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize
        >> (usize::BITS - 6)
}

/// Which word and which bit of it.
const fn place(name: &str) -> (u8, u64) {
    let hash = match name.as_bytes() {
        [first, .., last] => name.len() * 5 + *first as usize * 7 + *last as usize * 31,
        short => short.len(),
    };
    ((hash >> 6 & 3) as u8, 1 << (hash & 63))
}
