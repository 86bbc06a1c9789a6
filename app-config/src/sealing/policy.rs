//! Whether config files must be sealed, and which identities open them.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use app_core::Flags;
use app_core::prelude::Error;

use super::flags::SealingFlags;
use super::header::{SealedHeader, is_sealed};
use super::opener::{IdentityError, OpenError, Opener};
use super::sealer::{Sealer, named_identities};
use crate::file::Located;
use crate::secret::SecretBytes;

/// Whether the files of a [`ConfigDir`](crate::ConfigDir) must be sealed, and the identities that open them.
///
/// Cheap to clone: the identities are read once, not for each file. The default has no identities and accepts plain files.
#[derive(Debug, Clone, Default)]
pub struct Sealing {
    keys: Keys,
    required: bool,
}

#[derive(Debug, Clone, Default)]
enum Keys {
    #[default]
    None,
    /// There is a file of identities, and it is refused.
    Refused,
    Loaded(Arc<dyn Opener>),
}

impl Sealing {
    /// Opens sealed files with these identities. Accepts plain files unless sealing is `required`.
    #[must_use]
    pub fn new(identities: Option<Arc<dyn Opener>>, required: bool) -> Self {
        Self { keys: identities.map_or(Keys::None, Keys::Loaded), required }
    }

    /// What the flags say. `--config-identity` names the file of identities. The default is `config.identity` in the config
    /// directory, if it exists. Without a [`Sealer`] there are no identities. `--require-sealed` refuses plain files.
    ///
    /// # Errors
    /// `ConfigFailure`: the file of identities is refused.
    pub fn of_flags(flags: &Flags) -> Result<Self, Error> {
        let (sealing, refused) = Self::read_flags(flags, &flags.config_dir);
        refused.map_or(Ok(sealing), |error| Err(error.of_identities()))
    }

    /// As [`Sealing::of_flags`], for this config directory.
    pub(crate) fn read_flags(flags: &Flags, dir: &Path) -> (Self, Option<Located<IdentityError>>) {
        let named = named_identities(flags).map(|named| named.path);
        Self::read(named.as_deref(), dir, sealing_flags(flags).require_sealed)
    }

    /// As [`Sealing::of_flags`]. If the file of identities is refused, you also get a value that can still check plain files.
    pub(crate) fn read(
        identity: Option<&Path>,
        dir: &Path,
        required: bool,
    ) -> (Self, Option<Located<IdentityError>>) {
        let Some(sealer) = Sealer::linked() else { return (Self::new(None, required), None) };
        let identities = match identity {
            Some(file) => sealer.read_file(file).map(Some),
            // The listing reports that the directory can't be read. Once is enough.
            None if is_closed(dir) => Ok(None),
            None => sealer.read_default(dir),
        };
        match identities {
            Ok(identities) => (Self::new(identities, required), None),
            Err(refused) => (Self { keys: Keys::Refused, required }, Some(refused)),
        }
    }

    /// The identities, if there are any.
    #[must_use]
    pub fn identities(&self) -> Option<&dyn Opener> {
        match &self.keys {
            Keys::Loaded(identities) => Some(&**identities),
            Keys::None | Keys::Refused => None,
        }
    }

    /// Whether plain files are refused.
    #[must_use]
    pub fn required(&self) -> bool {
        self.required
    }

    /// The content of a file: opened if it is sealed, else as it is.
    pub(crate) fn content(&self, file: SecretBytes) -> Result<SecretBytes, OpenError> {
        if is_sealed(&file) {
            return self.open(&file);
        }
        // An empty file gets a better error later.
        if self.required && !file.is_empty() { Err(OpenError::PlainRefused) } else { Ok(file) }
    }

    fn open(&self, file: &[u8]) -> Result<SecretBytes, OpenError> {
        // An error of the header does not depend on the identities, so it comes first.
        let check = || Ok::<_, OpenError>(SealedHeader::read(file)?.check()?);
        match &self.keys {
            Keys::Loaded(identities) => identities.open(file),
            Keys::None if Sealer::linked().is_none() => check().and(Err(OpenError::NotLinked)),
            Keys::None => check().and(Err(OpenError::NoIdentity)),
            Keys::Refused => check().and(Err(OpenError::IdentityRefused)),
        }
    }
}

/// The flags have defaults, so a group that was not set is not an error.
fn sealing_flags(flags: &Flags) -> Arc<SealingFlags> {
    flags.group().unwrap_or_default()
}

/// Whether this process may not list the directory.
fn is_closed(dir: &Path) -> bool {
    dir.read_dir().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests;
