//! Which configs a directory has, by the names of its files.

use std::ffi::OsStr;
use std::path::Path;
use std::{error, fmt, io};

use app_core::prelude::{Error, ServiceId};
use app_ids::ParseIdError;

use super::dir::ConfigDir;
use crate::file::Located;

/// The prefix of the name of each config. Files with other names are not read: Kubernetes puts `..data` there, for example.
const PREFIX: &[u8] = b"0x";

/// Where systemd puts the credentials of units, each in a directory with the unit's name.
const SYSTEMD_CREDENTIALS: &str = "/run/credentials";

/// How many names of other files a listing remembers, for hints.
const MOST_OTHERS: usize = 1_000;

/// Why a config directory can't be used, or a name in it is wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The directory can't be listed.
    List(io::Error),
    /// The directory was named, and does not exist.
    Missing,
    /// The directory was named, and is a symbolic link to a path that does not exist.
    DeadLink,
    /// The name of a file has the prefix of configs, and is no service id.
    NoId(ParseIdError),
    /// The name of a file is a service id, but not in the form that configs have.
    Name {
        /// The name in the right form.
        expected: String,
    },
    /// The name of a file has the prefix of configs, and is not UTF-8.
    NotText,
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(_) => f.write_str("it can't be listed"),
            Self::Missing => f.write_str("it does not exist: make it, or name another one"),
            Self::DeadLink => f.write_str(
                "it is a symbolic link to a path that does not exist: mend it, or name another one",
            ),
            Self::NoId(cause) => {
                write!(f, "the name of a file begins with 0x, as those of configs, but {cause}")
            }
            Self::Name { expected } => {
                write!(f, "the name of a file is a service id in another form: rename it to {expected}")
            }
            Self::NotText => {
                f.write_str("the name of a file begins with 0x, as those of configs, but is not UTF-8")
            }
        }
    }
}

impl error::Error for DirectoryError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::List(cause) => Some(cause),
            _ => None,
        }
    }
}

/// What a listing of the directory found.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The services that have a config, sorted.
    pub(crate) services: Vec<ServiceId>,
    /// Files whose names begin as those of configs and are wrong; or that the directory can't be listed.
    pub(crate) errors: Vec<Located<DirectoryError>>,
    /// Names of other files, sorted. Without directories, and without names that begin with a dot.
    pub(crate) others: Vec<String>,
}

impl ConfigDir {
    /// The services that have a config, sorted.
    ///
    /// # Errors
    /// `ConfigFailure`: the directory can't be listed, or the name of a file begins as those of configs and is wrong.
    pub fn service_ids(&self) -> Result<Vec<ServiceId>, Error> {
        let Listing { services, errors, .. } = self.list();
        errors.into_iter().next().map_or(Ok(services), |error| Err(error.of_directory()))
    }

    pub(crate) fn list(&self) -> Listing {
        let mut listing = Listing::default();
        if let Err(error) = self.list_into(&mut listing) {
            let error = DirectoryError::List(explained(self.path(), error));
            listing.errors.push(Located::in_directory(self.path(), error));
        }
        listing.services.sort_unstable();
        listing.others.sort_unstable();
        listing.errors.sort_by(|a, b| a.path().cmp(b.path()));
        listing
    }

    fn list_into(&self, listing: &mut Listing) -> io::Result<()> {
        let entries = match self.path().read_dir() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            if !name.as_encoded_bytes().starts_with(PREFIX) {
                let is_file = entry.path().metadata().is_ok_and(|found| found.is_file());
                let is_hidden = name.as_encoded_bytes().starts_with(b".");
                if is_file && !is_hidden && listing.others.len() < MOST_OTHERS {
                    listing.others.push(name.to_string_lossy().into_owned());
                }
                continue;
            }
            match service_of(&name) {
                Ok(service) => listing.services.push(service),
                Err(error) => listing.errors.push(Located::in_file(self.path().join(name), error)),
            }
        }
        Ok(())
    }
}

/// Adds a hint to the error of systemd's directory of credentials: its path is valid in every unit, but it exists only in some.
pub(super) fn explained(path: &Path, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::PermissionDenied || !path.starts_with(SYSTEMD_CREDENTIALS) {
        return error;
    }
    let cure = "systemd makes this directory only for a unit with a credential: add LoadCredential= or SetCredential=";
    io::Error::new(error.kind(), format!("{error}; {cure}"))
}

/// The service whose config has this name.
fn service_of(name: &OsStr) -> Result<ServiceId, DirectoryError> {
    let name = name.to_str().ok_or(DirectoryError::NotText)?;
    let service = name.parse().map_err(DirectoryError::NoId)?;
    let expected = ConfigDir::file_name(service);
    if name == expected { Ok(service) } else { Err(DirectoryError::Name { expected }) }
}
