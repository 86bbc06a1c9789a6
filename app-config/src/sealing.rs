//! Sealed files: only the recipients can read the content, and no change goes unnoticed.
//!
//! The files are [age](https://c2sp.org/age) files, as its program and its libraries write and read them: in the binary form,
//! with X25519 recipients. A file is opened from the outside in, as with the [framing](crate::codec):
//!
//! 1. the magic and the [header](SealedHeader), within [`MAX_HEADER_BYTES`];
//! 2. the config identities, one of them must open the file;
//! 3. the whole content. It is authenticated to its end before the caller sees a byte of it.
//!
//! This crate does the first step. The crate `app-sealing` does the others: it contributes a [`Sealer`] to every application that
//! links it. An application without a sealer reads plain configs, and refuses sealed ones with [`OpenError::NotLinked`].
//!
//! A seal does not say who made it: everyone who knows a recipient can seal to it. The permissions of the config directory
//! decide who may add files.

mod flags;
mod header;
mod opener;
mod policy;
mod sealer;

pub use self::flags::SealingFlags;
pub use self::header::{HeaderError, SealedHeader, is_sealed};
pub use self::opener::{IdentityError, OpenError, Opener};
pub use self::policy::Sealing;
pub use self::sealer::{ConfigCommand, NamedFile, Sealer, SealerError};
pub(crate) use self::sealer::{DEFAULT_IDENTITY_FILE, named_identities};
pub use crate::limits::{MAX_HEADER_BYTES, MAX_RECIPIENTS};
