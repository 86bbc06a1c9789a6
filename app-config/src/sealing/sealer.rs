//! The plugin that seals and opens config files, and the file of identities that it reads.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::{error, fmt};

use app_core::Flags;
use app_core::clap::{ArgMatches, Command};
use app_core::flags::FlagSource;

use super::opener::{IdentityError, Opener};
use crate::file::{FileError, Located};

/// The name of the file of identities in a config directory.
pub(crate) const DEFAULT_IDENTITY_FILE: &str = "config.identity";

/// Why something can't be sealed. Never repeats the content, or a key.
pub type SealerError = Box<dyn error::Error + Send + Sync>;

/// Seals content for these recipients.
type Seal = fn(&[u8], &[String]) -> Result<Vec<u8>, SealerError>;

/// What seals and opens config files. The crate `app-sealing` contributes one, with `inventory::submit!`.
#[derive(Clone, Copy)]
pub struct Sealer {
    /// The file of identities that the flags name.
    pub named: fn(&Flags) -> Option<NamedFile>,
    /// Reads a file of identities.
    pub read: fn(&Path) -> Result<Arc<dyn Opener>, IdentityError>,
    /// Checks a recipient. Returns its usual form.
    pub recipient: fn(&str) -> Result<String, SealerError>,
    /// Seals content. Each of the recipients can open it.
    pub seal: Seal,
    /// `config keygen`, which makes a key.
    pub keygen: ConfigCommand,
    /// `config recipients`, which says for whom a file is sealed.
    pub recipients: ConfigCommand,
}

inventory::collect!(Sealer);

/// A command below `config`.
#[derive(Debug, Clone, Copy)]
pub struct ConfigCommand {
    /// How its command line looks.
    pub command: fn() -> Command,
    /// Runs it.
    pub run: fn(&ArgMatches) -> ExitCode,
}

/// A file that a flag names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Its path.
    pub path: PathBuf,
    /// The flag or the variable; `None` if the flags were made in code.
    pub source: Option<FlagSource>,
}

impl Sealer {
    /// The sealer that is linked into this program. A program without one opens and makes no sealed files.
    #[must_use]
    pub fn linked() -> Option<Self> {
        inventory::iter::<Self>.into_iter().next().copied()
    }

    /// The identities in this file.
    pub(crate) fn read_file(&self, file: &Path) -> Result<Arc<dyn Opener>, Located<IdentityError>> {
        (self.read)(file).map_err(|error| Located::in_file(file, error))
    }

    /// The identities in a config directory; `None` if there is no file of them.
    pub(super) fn read_default(&self, dir: &Path) -> Result<Option<Arc<dyn Opener>>, Located<IdentityError>> {
        match self.read_file(&dir.join(DEFAULT_IDENTITY_FILE)) {
            Ok(identities) => Ok(Some(identities)),
            Err(refused) if is_absent(refused.error()) => Ok(None),
            Err(refused) => Err(refused),
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}

/// The file of identities that the flags name.
pub(crate) fn named_identities(flags: &Flags) -> Option<NamedFile> {
    Sealer::linked().and_then(|sealer| (sealer.named)(flags))
}

/// Whether there is no file. If its directory is not a directory, the listing reports that.
fn is_absent(error: &IdentityError) -> bool {
    match error {
        IdentityError::Missing => true,
        IdentityError::File(FileError::Open(error)) => error.kind() == ErrorKind::NotADirectory,
        _ => false,
    }
}
