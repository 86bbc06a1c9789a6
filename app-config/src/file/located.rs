//! An error with the file or the directory that it is about, in one line.

use std::iter::successors;
use std::path::{Path, PathBuf};
use std::{error, fmt, io};

use app_core::flags::FlagSource;
use app_core::prelude::{Error, ServiceId, errors};
use app_errors::one_line;

use super::machine;
use crate::ids::{CONFIG_NOT_READ, CONFIG_SERVICE_ID, label};

/// Names the file of config identities for people.
pub(crate) const IDENTITIES: &str = "config identity";

/// An error, and the file or the directory that it is about.
///
/// It is the cause of every `ConfigFailure` and [`CONFIG_NOT_READ`] that this crate raises. `E` says which operation failed:
/// [`LoadError`](crate::LoadError), [`DirectoryError`](crate::DirectoryError), [`CheckError`](crate::CheckError) or
/// [`IdentityError`](crate::sealing::IdentityError). See [`Error::downcast_cause`].
#[derive(Debug)]
pub struct Located<E> {
    error: E,
    path: PathBuf,
    noun: &'static str,
    named_by: Option<FlagSource>,
}

impl<E: error::Error + Send + Sync + 'static> Located<E> {
    /// An error about a file.
    #[must_use]
    pub fn in_file(path: impl Into<PathBuf>, error: E) -> Self {
        Self { error, path: path.into(), noun: "file", named_by: None }
    }

    /// An error about a directory.
    pub(crate) fn in_directory(path: impl Into<PathBuf>, error: E) -> Self {
        Self { noun: "directory", ..Self::in_file(path, error) }
    }

    /// Adds the flag or the variable that names the path.
    pub(crate) fn named_by(mut self, source: Option<FlagSource>) -> Self {
        self.named_by = source;
        self
    }

    /// What is wrong.
    #[must_use]
    pub fn error(&self) -> &E {
        &self.error
    }

    /// The file or the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong, with its causes and without the path.
    #[must_use]
    pub fn reason(&self) -> String {
        self.causes().fold(self.error.to_string(), |text, cause| format!("{text}: {cause}"))
    }

    fn causes(&self) -> impl Iterator<Item = &(dyn error::Error + 'static)> {
        successors(self.error.source(), |cause| cause.source())
    }

    /// What the operating system said.
    fn io_error(&self) -> Option<&io::Error> {
        self.causes().find_map(|cause| cause.downcast_ref())
    }

    /// Whether the machine is at fault, not the file.
    pub(crate) fn is_of_machine(&self) -> bool {
        self.io_error().is_some_and(machine::is_at_fault)
    }

    /// The error about the config of a service.
    #[track_caller]
    pub(crate) fn of_service(self, service: ServiceId) -> Error {
        self.into_error(service, label(service))
    }

    /// The error about the config directory.
    #[track_caller]
    pub(crate) fn of_directory(self) -> Error {
        self.into_error(CONFIG_SERVICE_ID, "config directory".to_owned())
    }

    /// The error about the identities that open configs.
    #[must_use]
    #[track_caller]
    pub fn of_identities(self) -> Error {
        self.into_error(CONFIG_SERVICE_ID, IDENTITIES.to_owned())
    }

    #[track_caller]
    fn into_error(self, service: ServiceId, what: String) -> Error {
        let spec = if self.is_of_machine() { CONFIG_NOT_READ } else { errors::CONFIG_FAILURE };
        spec.error(service).message(what).cause(self).build()
    }
}

impl<E: error::Error + Send + Sync + 'static> fmt::Display for Located<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason())?;
        if let Some(cure) = self.io_error().and_then(machine::cure) {
            write!(f, ": {cure}")?;
        }
        write!(f, " ({} {}", self.noun, shown(&self.path))?;
        self.named_by.map_or(Ok(()), |source| write!(f, ", named by {source}"))?;
        f.write_str(")")
    }
}

/// Has no source: its text already has the causes.
impl<E: error::Error + Send + Sync + 'static> error::Error for Located<E> {}

/// A path for people, in one line. The folder follows if the path is relative.
pub(crate) fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    match std::env::current_dir() {
        Ok(folder) if path.is_relative() => one_line(&format!("{text}, in {}", folder.display())).to_string(),
        _ => one_line(&text).to_string(),
    }
}
