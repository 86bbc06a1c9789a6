//! Sealed configs: seals config files for recipients, and opens them with config identities.
//!
//! An application that links this crate (`use app_sealing as _;`) opens the sealed files of its config directory. It has the flag
//! `--config-identity`, and the commands `config keygen` and `config recipients`; `config seal` seals. An application that does not
//! link it reads plain configs only, and refuses a sealed one with a line that names this crate.
//!
//! The files are [age](https://c2sp.org/age) files. [`app_config::sealing`] has their form and its limits, and decides which files
//! must be sealed. This crate contributes the [`Sealer`](app_config::sealing::Sealer) there. It is the only crate that uses `age`.
//!
//! ```
//! use app_sealing::{ConfigIdentities, ConfigIdentity, open, seal};
//!
//! let identity = ConfigIdentity::generate();
//! let sealed = seal(b"the content of a config file", &[identity.recipient()])?;
//! let identities = ConfigIdentities::of([identity])?;
//! assert_eq!(&*open(&sealed, &identities)?, b"the content of a config file");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cli;
mod flags;
mod identities;
mod key;
mod open;
mod plugin;
mod seal;
#[cfg(test)]
mod tests;

pub use self::flags::IdentityFlags;
pub use self::identities::{ConfigIdentities, KeyFileError};
pub use self::key::{ConfigIdentity, KeyError, Recipient};
pub use self::open::open;
pub use self::seal::{SealError, seal};
