//! Memory that is overwritten before it is given back, so that what a sealed file held is not found in it afterwards.

use std::fmt;
use std::io::{self, Read};
use std::mem;
use std::ops::Deref;

/// Bytes that are overwritten when they are dropped, and not shown by `Debug`.
///
/// # What is overwritten, and what is not
///
/// A core dump, a swapped page or a later bug should find as little as can be of what was in a sealed config. On the way
/// of a config these are overwritten as soon as they are done with: the file, what was sealed in it, what was compressed,
/// the words of the [`Message`](crate::Message), the text and the tree of JSON, files that JSON names, the
/// [`Draft`](crate::Draft) of a message, and private keys (by age).
///
/// Out of reach are:
///
/// - the service's own config value, which lives as long as the service needs it: a secret in it is best kept in a type that
///   overwrites itself, such as those of the crate `zeroize`;
/// - what [`decompile`](crate::decompile) and [`to_json`](crate::to_json) return, since a `String` is its owner's
///   (`SecretBytes::from(json.into_bytes())` takes care of it), and what was written to standard output;
/// - buffers inside of dependencies: the window of the inflater, a chunk of age (64 KiB), text with escapes in serde_json;
/// - registers, the stack, and whatever the system swapped out or copied before.
#[derive(Default)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// To be filled up to its capacity, and no further: a vector that grows by itself leaves a copy behind.
    pub(crate) fn vec_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Whether something can be added without growing.
    pub(crate) fn has_room(&self) -> bool {
        self.0.len() < self.0.capacity()
    }

    /// Reads to the end of `input`, or up to `limit` bytes. Takes memory for what arrived.
    pub(crate) fn read_from(mut input: impl Read, limit: usize) -> io::Result<Self> {
        let mut bytes = Self::with_capacity(limit.min(8 * 1024));
        loop {
            let room = (bytes.0.capacity().min(limit) - bytes.len()) as u64;
            if room == 0 {
                return Ok(bytes);
            }
            if input.by_ref().take(room).read_to_end(&mut bytes.0)? < room as usize {
                return Ok(bytes);
            }
            bytes.grow(bytes.len().min(limit - bytes.len()));
        }
    }

    /// Moves to a larger allocation, and overwrites the one before.
    pub(crate) fn grow(&mut self, additional_bytes: usize) {
        let mut larger = Self::with_capacity(self.0.len() + additional_bytes);
        larger.0.extend_from_slice(&self.0);
        *self = larger;
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for SecretBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for SecretBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

/// Text that is overwritten when it is dropped and when it moves.
#[derive(Default)]
pub(crate) struct SecretText(SecretBytes);

impl SecretText {
    pub(crate) fn push(&mut self, c: char) {
        self.push_str(c.encode_utf8(&mut [0; 4]));
    }

    pub(crate) fn push_str(&mut self, text: &str) {
        let bytes = &mut self.0;
        if bytes.0.capacity() - bytes.len() < text.len() {
            bytes.grow(bytes.len().max(text.len()).max(256));
        }
        bytes.0.extend_from_slice(text.as_bytes());
    }

    /// The text, to be taken care of by whoever gets it.
    pub(crate) fn into_string(mut self) -> String {
        // Only text was added, so nothing is replaced.
        String::from_utf8(mem::take(&mut self.0.0)).unwrap_or_default()
    }
}

/// Overwrites with zeros. As [`zeroize::Zeroize`] does it, by the block and not by the byte: files have hundreds of
/// thousands.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

#[cfg(test)]
mod tests;
