//! Sealed files: only the recipients can read the content, and no change goes unnoticed.
//!
//! The files are [age](https://c2sp.org/age) files, as its program and its libraries write and read them: in the binary form,
//! with X25519 recipients. A file is opened from the outside in, as with the [framing](crate::codec):
//!
//! 1. the magic and the [header](SealedHeader), within [`MAX_HEADER_BYTES`];
//! 2. the config identities, one of them must open the file;
//! 3. the whole content. It is authenticated to its end before the caller sees a byte of it.
//!
//! A seal does not say who made it: everyone who knows a recipient can seal to it. The permissions of the config directory
//! decide who may add files.

mod flags;
mod header;
mod identities;
mod key;
mod open;
mod policy;
mod seal;
#[cfg(test)]
mod tests;

pub use self::flags::SealingFlags;
pub use self::header::{HeaderError, SealedHeader, is_sealed};
pub(crate) use self::identities::DEFAULT_IDENTITY_FILE;
pub use self::identities::{ConfigIdentities, IdentityError};
pub use self::key::{ConfigIdentity, KeyError, Recipient};
pub use self::open::{OpenError, open};
pub use self::policy::Sealing;
pub(crate) use self::policy::sealing_flags;
pub use self::seal::{SealError, seal};
pub use crate::limits::{MAX_HEADER_BYTES, MAX_RECIPIENTS};
