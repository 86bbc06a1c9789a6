//! Memory that is overwritten before it is freed, so that the content of a sealed file does not stay in it.

use std::fmt;
use std::io::{self, Read};
use std::mem;
use std::ops::Deref;

/// Bytes that are overwritten on drop. `Debug` does not show them.
///
/// # What is overwritten, and what is not
///
/// A core dump, a swapped page or a later bug should show as little of a sealed config as possible. These are overwritten as soon
/// as they are not needed: the file, the opened content, the inflated content, the words of the [`Message`](crate::codec::Message), the
/// text and the tree of JSON, files that JSON names, the [`Draft`](crate::author::Draft) of a message, and private keys (by age).
///
/// These are not overwritten:
///
/// - The service's own config value, which lives as long as the service needs it. Keep a secret in a type that overwrites itself,
///   such as those of the crate `zeroize`.
/// - The strings that [`decompile`](crate::author::decompile) and [`to_json`](crate::author::to_json) return, unless you convert
///   them with `SecretBytes::from(json.into_bytes())`. Also everything that was written to standard output.
/// - Buffers of dependencies: the window of the inflater, and a chunk of age (64 KiB).
/// - Registers, the stack, and memory that the system swapped out or copied.
#[derive(Default)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// No bytes, and room for this many.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Fill it up to its capacity, and no further: a vector that grows by itself leaves a copy behind.
    #[must_use]
    pub fn vec_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Whether a byte can be added without growing.
    pub(crate) fn has_room(&self) -> bool {
        self.0.len() < self.0.capacity()
    }

    /// Reads to the end of `input`, or up to `limit` bytes. Allocates only for bytes that arrived.
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

    /// Moves to a larger allocation, and overwrites the old one.
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

/// Text that is overwritten on drop, and when it moves to a larger allocation.
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

    /// The text. The caller has to overwrite it.
    pub(crate) fn into_string(mut self) -> String {
        // Only text was added, so nothing is replaced.
        String::from_utf8(mem::take(&mut self.0.0)).unwrap_or_default()
    }
}

/// Overwrites with zeros. The same as [`zeroize::Zeroize`], but by blocks: files have hundreds of thousands of bytes.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

#[cfg(test)]
mod tests;
