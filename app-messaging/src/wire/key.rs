//! Keys of messages, and their hashes.

use std::fmt;

/// The hash of a message's key: xxh64 with seed 0, of the bytes of the key.
///
/// Two keys may have one hash. So a hash says where a message goes, and never which key it has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(u64);

impl KeyHash {
    /// The hash of these bytes.
    ///
    /// ```
    /// use app_messaging::KeyHash;
    ///
    /// assert_eq!(KeyHash::of(b"alice@example.com").to_string(), "c21eb846cc96c11e");
    /// assert_eq!(KeyHash::of(b"alice@example.com").partition(), 0xc);
    /// ```
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(twox_hash::XxHash64::oneshot(0, key))
    }

    /// The hash with this number.
    pub(crate) const fn new(hash: u64) -> Self {
        Self(hash)
    }

    /// The number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The partition of the key, 0 to 15: the first hex digit of the hash.
    #[must_use]
    pub const fn partition(self) -> u8 {
        (self.0 >> 60) as u8
    }
}

/// 16 hex digits.
impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

/// What the function `key` of [`message!`](crate::message) may return: a text or bytes, or the result of reading them.
pub trait MessageKey {
    /// The hash of the key.
    ///
    /// # Errors
    /// Reading the key failed.
    fn hash(self) -> capnp::Result<KeyHash>;
}

impl MessageKey for capnp::text::Reader<'_> {
    fn hash(self) -> capnp::Result<KeyHash> {
        Ok(KeyHash::of(self.as_bytes()))
    }
}

impl MessageKey for &[u8] {
    fn hash(self) -> capnp::Result<KeyHash> {
        Ok(KeyHash::of(self))
    }
}

impl MessageKey for &str {
    fn hash(self) -> capnp::Result<KeyHash> {
        Ok(KeyHash::of(self.as_bytes()))
    }
}

impl<K: MessageKey> MessageKey for capnp::Result<K> {
    fn hash(self) -> capnp::Result<KeyHash> {
        self?.hash()
    }
}
