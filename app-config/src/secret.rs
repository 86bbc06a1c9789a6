//! Memory that is overwritten before it is given back, so that what a sealed file held is not found in it afterwards.
//!
//! The best that can be done from here: what the compiler leaves in registers and on the stack, what a dependency keeps in
//! buffers of its own (age and the inflater, a window each), and what the system swaps out is beyond reach.

use std::fmt;
use std::ops::Deref;

/// Bytes that are overwritten when they are dropped, and not shown by `Debug`.
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

/// Overwrites with zeros. As [`zeroize::Zeroize`] does it, by the block and not by the byte: files have hundreds of
/// thousands.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

#[cfg(test)]
mod tests;
