//! The config directory: one file for each service. Its name is `0x` and the service id in hex.

use std::path::{Path, PathBuf};

use app_core::Identity as AppIdentity;
use app_core::prelude::{App, ServiceId};

use crate::file::{Located, owner};
use crate::sealing::{IdentityError, Opener, Sealing};

/// A config directory. It need not exist: then there are no configs.
///
/// Only the identities that open sealed files are kept. Each call looks at the directory again.
#[derive(Debug, Clone)]
pub struct ConfigDir {
    path: PathBuf,
    sealing: Sealing,
    /// The application that the configs are for. Commands that author configs do not know it.
    application: Option<AppIdentity>,
}

impl ConfigDir {
    /// The directory at this path, without identities: sealed files can't be opened.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), sealing: Sealing::default(), application: None }
    }

    /// Sets whether files must be sealed, and the identities that open them.
    #[must_use]
    pub fn with_sealing(mut self, sealing: Sealing) -> Self {
        self.sealing = sealing;
        self
    }

    /// The directory of an application. With an error if its identities are refused: then sealed files can't be opened.
    pub(crate) fn of(app: &App) -> (Self, Option<Located<IdentityError>>) {
        let dir = app.config_dir();
        let (sealing, refused) = Sealing::read_flags(app.flags(), dir);
        let dir = Self { application: Some(*app.identity()), ..Self::new(dir).with_sealing(sealing) };
        (dir, refused)
    }

    /// The application that the configs are for, if it is known.
    pub(crate) fn application(&self) -> Option<&AppIdentity> {
        self.application.as_ref()
    }

    /// Whether files must be sealed, and the identities that open them.
    #[must_use]
    pub fn sealing(&self) -> &Sealing {
        &self.sealing
    }

    /// The path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it exists and is a directory.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// The name of the file that holds the config of the service, such as `0xe49214fa20b35ba8`.
    #[must_use]
    pub fn file_name(service: ServiceId) -> String {
        format!("{service:#x}")
    }

    /// The file that holds the config of the service.
    #[must_use]
    pub fn file(&self, service: ServiceId) -> PathBuf {
        self.path.join(Self::file_name(service))
    }

    /// Whether the service has a config: a file with the right name, whether it can be read or not.
    #[must_use]
    pub fn has(&self, service: ServiceId) -> bool {
        self.file(service).symlink_metadata().is_ok()
    }

    /// Problems that do not refuse anything.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let identities = self.sealing.identities().map(Opener::warnings).unwrap_or_default();
        identities.iter().cloned().chain(owner::warnings(&self.path)).collect()
    }
}

#[cfg(test)]
mod tests;
