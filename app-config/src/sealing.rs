//! How configs are to be sealed, and what opens them: what the flags say, applied to one file after another.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use app_core::Flags;
use app_core::prelude::Error;

use crate::fault::{Fault, Reason};
use crate::identities::Identities;
use crate::sealed::{self, OpenError};
use crate::secret::SecretBytes;

/// How the files of a [`ConfigDir`](crate::ConfigDir) are to be sealed, and what opens them. Cheap to clone: identities are
/// read once, not per file.
///
/// The default opens no sealed file, and takes plain ones.
#[derive(Debug, Clone, Default)]
pub struct Sealing {
    keys: Keys,
    required: bool,
}

#[derive(Debug, Clone, Default)]
enum Keys {
    #[default]
    None,
    /// There are some, in a file that is refused.
    Refused,
    Loaded(Arc<Identities>),
}

impl Sealing {
    /// Opens sealed files with these identities; takes plain ones unless sealing is `required`.
    #[must_use]
    pub fn new(identities: Option<Identities>, required: bool) -> Self {
        Self {
            keys: identities.map_or(Keys::None, |identities| Keys::Loaded(Arc::new(identities))),
            required,
        }
    }

    /// What the flags say: identities are those of `--config-identity`, or else of `config.identity` in the config directory if
    /// it is there; `--require-sealed`.
    ///
    /// # Errors
    /// `ConfigFailure`: the file of identities is refused.
    pub fn of_flags(flags: &Flags) -> Result<Self, Error> {
        let (sealing, fault) =
            Self::read(flags.config_identity.as_deref(), &flags.config_dir, flags.require_sealed);
        fault.map_or(Ok(sealing), |fault| Err(fault.of_identities()))
    }

    /// As [`Sealing::of_flags`]; with a file of identities that is refused, other things can still be checked.
    pub(crate) fn read(identity: Option<&Path>, dir: &Path, required: bool) -> (Self, Option<Fault>) {
        let identities = match identity {
            Some(file) => Identities::read(file).map(Some),
            // The whole directory is refused, which says it once.
            None if is_closed(dir) => Ok(None),
            None => Identities::read_default(dir),
        };
        match identities {
            Ok(identities) => (Self::new(identities, required), None),
            Err(fault) => (Self { keys: Keys::Refused, required }, Some(fault)),
        }
    }

    /// The identities, if there are any.
    #[must_use]
    pub fn identities(&self) -> Option<&Identities> {
        match &self.keys {
            Keys::Loaded(identities) => Some(identities),
            Keys::None | Keys::Refused => None,
        }
    }

    /// Whether plain files are refused.
    #[must_use]
    pub fn required(&self) -> bool {
        self.required
    }

    /// What is in a file: of a sealed one what was sealed, of a plain one all of it.
    pub(crate) fn content(&self, file: SecretBytes) -> Result<SecretBytes, Reason> {
        if sealed::is_sealed(&file) {
            return self.open(&file).map_err(Reason::Sealed);
        }
        // An empty file is refused for what it is.
        if self.required && !file.is_empty() { Err(Reason::Plain) } else { Ok(file) }
    }

    fn open(&self, file: &[u8]) -> Result<SecretBytes, OpenError> {
        match &self.keys {
            Keys::Loaded(identities) => sealed::open(file, identities),
            // What nobody could open is told without an identity too.
            Keys::None => sealed::check(file).and(Err(OpenError::NoIdentity)),
            Keys::Refused => sealed::check(file).and(Err(OpenError::IdentityRefused)),
        }
    }
}

/// Whether nobody may list this directory.
fn is_closed(dir: &Path) -> bool {
    dir.read_dir().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests;
