//! The config directory: one file for each service, named `0x` and its id.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use app_core::Identity as AppIdentity;
use app_core::prelude::{App, Error, ServiceId};

use crate::codec::{self, Message};
use crate::fault::{Fault, Reason};
use crate::file::{self, Kind, owner};
use crate::identities::Identities;
use crate::sealed::is_sealed;
use crate::sealing::Sealing;

/// How the name of every config begins. Whatever else is in the directory is not looked at: Kubernetes, for one, puts
/// `..data` there.
const PREFIX: &[u8] = b"0x";

/// Where systemd puts the credentials of units, each in a directory with the unit's name.
const SYSTEMD_CREDENTIALS: &str = "/run/credentials";

/// Names of this many files that are no configs are remembered, for hints.
const MOST_OTHERS: usize = 1_000;

/// A config directory. It need not exist: then there are no configs.
///
/// Nothing is kept open or remembered but the identities that open sealed files: each call looks anew.
#[derive(Debug, Clone)]
pub struct ConfigDir {
    path: PathBuf,
    sealing: Sealing,
    /// Whose configs these are; not known to commands that author them.
    application: Option<AppIdentity>,
}

/// What is in the file of a config.
pub(crate) struct Content {
    pub(crate) message: Message,
    /// Whether the file is sealed: then nothing that is told of the config repeats a value of it.
    pub(crate) sealed: bool,
}

/// What a listing of the directory found.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The services that have a config, sorted.
    pub(crate) services: Vec<ServiceId>,
    /// Files that are named as configs, and wrongly; or that the directory can't be listed.
    pub(crate) faults: Vec<Fault>,
    /// Names of other files, sorted. Directories are not among them, nor names that begin with a dot.
    pub(crate) others: Vec<String>,
}

impl ConfigDir {
    /// The directory at this path, without anything that would open sealed files.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), sealing: Sealing::default(), application: None }
    }

    /// How its files are to be sealed, and what opens them.
    #[must_use]
    pub fn with_sealing(mut self, sealing: Sealing) -> Self {
        self.sealing = sealing;
        self
    }

    /// The directory of an app. With a fault if its identities are refused: then sealed files can't be opened.
    pub(crate) fn of(app: &App) -> (Self, Option<Fault>) {
        let (dir, flags) = (app.config_dir(), app.flags());
        let (sealing, fault) = Sealing::read(flags.config_identity.as_deref(), dir, flags.require_sealed);
        let dir = Self { application: Some(*app.identity()), ..Self::new(dir).with_sealing(sealing) };
        (dir, fault)
    }

    /// The application that the configs are for, if it is known.
    pub(crate) fn application(&self) -> Option<&AppIdentity> {
        self.application.as_ref()
    }

    /// How its files are to be sealed, and what opens them.
    #[must_use]
    pub fn sealing(&self) -> &Sealing {
        &self.sealing
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it exists, and is a directory.
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

    /// Whether there is a config for the service: a file of its name, readable or not.
    #[must_use]
    pub fn has(&self, service: ServiceId) -> bool {
        self.file(service).symlink_metadata().is_ok()
    }

    /// The services that there are configs for, sorted.
    ///
    /// # Errors
    /// `ConfigFailure`: the directory can't be listed, or has a file that is named as configs are, and wrongly.
    pub fn service_ids(&self) -> Result<Vec<ServiceId>, Error> {
        let Listing { services, faults, .. } = self.list();
        faults.into_iter().next().map_or(Ok(services), |fault| Err(fault.of_directory()))
    }

    /// The config of the service as a message, whatever its schema; `None` if there is no file.
    ///
    /// # Errors
    /// `ConfigFailure`: the file can't be read or opened, is plain where it should be sealed, or does not hold one message.
    pub fn read(&self, service: ServiceId) -> Result<Option<Message>, Error> {
        self.load(service).map_err(|fault| fault.of_service(service))
    }

    pub(crate) fn load(&self, service: ServiceId) -> Result<Option<Message>, Fault> {
        Ok(self.load_content(service)?.map(|content| content.message))
    }

    /// As [`load`](Self::load), with what is known of the file.
    pub(crate) fn load_content(&self, service: ServiceId) -> Result<Option<Content>, Fault> {
        let path = self.file(service);
        let file = match file::read(&path, Kind::Config) {
            Ok(Some(content)) => content.bytes,
            Ok(None) => return Ok(None),
            Err(error) => return Err(Fault::new(path, Reason::File(error))),
        };
        let sealed = is_sealed(&file);
        let message =
            self.sealing.content(file).and_then(|plain| codec::decode(&plain).map_err(Reason::Content));
        message.map(|message| Some(Content { message, sealed })).map_err(|reason| Fault::new(path, reason))
    }

    /// What should be said although nothing is refused for it.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let identities = self.sealing.identities().map(Identities::warnings).unwrap_or_default();
        identities.iter().cloned().chain(owner::warnings(&self.path)).collect()
    }

    pub(crate) fn list(&self) -> Listing {
        let mut listing = Listing::default();
        if let Err(error) = self.list_into(&mut listing) {
            listing.faults.push(Fault::new(&self.path, Reason::Directory(explained(&self.path, error))));
        }
        listing.services.sort_unstable();
        listing.others.sort_unstable();
        listing.faults.sort_by(|a, b| a.file().cmp(b.file()));
        listing
    }

    fn list_into(&self, listing: &mut Listing) -> io::Result<()> {
        let entries = match self.path.read_dir() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            if !name.as_encoded_bytes().starts_with(PREFIX) {
                let is_file = entry.path().metadata().is_ok_and(|found| found.is_file());
                if is_file && listing.others.len() < MOST_OTHERS && !name.as_encoded_bytes().starts_with(b".")
                {
                    listing.others.push(name.to_string_lossy().into_owned());
                }
                continue;
            }
            match service_of(&name) {
                Ok(service) => listing.services.push(service),
                Err(reason) => listing.faults.push(Fault::new(self.path.join(name), reason)),
            }
        }
        Ok(())
    }
}

/// The error of a directory that is not listed. systemd's directory of credentials takes a word more: its path is valid in
/// every unit, and it exists only in some.
pub(crate) fn explained(path: &Path, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::PermissionDenied || !path.starts_with(SYSTEMD_CREDENTIALS) {
        return error;
    }
    let cure = "systemd makes this directory only for a unit with a credential: add LoadCredential= or SetCredential=";
    io::Error::new(error.kind(), format!("{error}; {cure}"))
}

/// The service whose config has this name.
fn service_of(name: &OsStr) -> Result<ServiceId, Reason> {
    let name = name.to_str().ok_or(Reason::NotText)?;
    let service = name.parse().map_err(Reason::NoId)?;
    let expected = ConfigDir::file_name(service);
    if name == expected { Ok(service) } else { Err(Reason::Name { expected }) }
}

#[cfg(test)]
mod tests;
