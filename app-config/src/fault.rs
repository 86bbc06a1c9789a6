//! A config that is refused: which file, and why, in one line.

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

use app_core::FlagSource;
use app_core::prelude::{Error, ErrorId, ServiceId, errors};
use app_errors::{ErrSpec, ErrorSeverity, ErrorType, one_line};
use app_ids::{IdKind, IdName, ParseIdError};

use crate::CONFIG_SERVICE_ID;
use crate::codec::UnmarshalError;
use crate::file::{FileError, machine};
use crate::identities::IdentityError;
use crate::problems::Problem;
use crate::sealed::OpenError;

/// The machine could not read a config now: too few file descriptors, a disk error, no memory. The config itself may be
/// good. A start that fails with it ends with status 1, so that supervisors try again.
pub const CONFIG_NOT_READ: ErrSpec =
    ErrSpec::new(ErrorId::new(0xe034_3dbe_feee_6cac), ErrorType::KnownEdgeCase, ErrorSeverity::Fatal)
        .without_stack();

app_ids::__inventory::submit! {
    IdName::new(IdKind::Error, CONFIG_NOT_READ.id.as_u64(), "ConfigNotRead")
}

/// Why a config is refused, or could not be read. It is the cause of every `ConfigFailure` and [`CONFIG_NOT_READ`] that
/// this crate raises: see [`Error::downcast_cause`].
#[derive(Debug)]
pub struct Fault {
    reason: Reason,
    file: PathBuf,
    named_by: Option<FlagSource>,
}

/// What is wrong: with the file, with what is in it, or with its name.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The config directory can't be listed.
    Directory(io::Error),
    /// The config directory was named, and is not there.
    NoDirectory,
    /// The config directory was named, and is a symbolic link that leads to nothing.
    DeadLink,
    /// The service of the file runs here, and this program has no schema for its config.
    NoSchema {
        /// The service.
        service: ServiceId,
    },
    /// The name of a file begins as that of a config, and is no service id.
    NoId(ParseIdError),
    /// The name of a file is a service id, and not written as names of configs are.
    Name {
        /// How it would be written.
        expected: String,
    },
    /// The name of a file begins as that of a config, and is not even text.
    NotText,
    /// The file can't be read.
    File(FileError),
    /// The file was there when the config was loaded, and is gone.
    Removed,
    /// No thread could be had to read the file on.
    NoThread(io::Error),
    /// The service did not start with the config.
    NotStarted {
        /// Why it did not.
        why: String,
    },
    /// The file is not sealed, and should be.
    Plain,
    /// The file is sealed, and can't be opened.
    Sealed(OpenError),
    /// The file of identities is refused.
    Identity(IdentityError),
    /// The file does not hold one message.
    Content(UnmarshalError),
    /// The message is not what the service expects.
    Problem(Problem),
    /// The message is not what the service expects, in several ways: when one error has to name them all.
    Problems(Vec<Problem>),
    /// Two types in this program claim to be the config of the service.
    TwoSchemas {
        /// Where the one is registered.
        first: String,
        /// Where the other is registered.
        second: String,
    },
}

impl Fault {
    pub(crate) fn new(file: impl Into<PathBuf>, reason: Reason) -> Self {
        Self { reason, file: file.into(), named_by: None }
    }

    /// Adds the flag or variable that names the file or the directory.
    pub(crate) fn named_by(mut self, source: Option<FlagSource>) -> Self {
        self.named_by = source;
        self
    }

    /// What is wrong.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The file that it is wrong with, or the directory.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether the machine is at fault, and not the file.
    pub(crate) fn is_of_machine(&self) -> bool {
        matches!(self.reason, Reason::NoThread(_)) || self.reason.io_error().is_some_and(machine::is_at_fault)
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
    #[track_caller]
    pub(crate) fn of_identities(self) -> Error {
        self.into_error(CONFIG_SERVICE_ID, IDENTITIES.to_owned())
    }

    #[track_caller]
    fn into_error(self, service: ServiceId, what: String) -> Error {
        let spec = if self.is_of_machine() { CONFIG_NOT_READ } else { errors::CONFIG_FAILURE };
        spec.error(service).message(what).cause(self).build()
    }
}

/// Names the file of identities for people.
pub(crate) const IDENTITIES: &str = "config identity";

/// A path for people, in one line. A relative one is followed by the folder that it is relative to.
pub(crate) fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    match std::env::current_dir() {
        Ok(folder) if path.is_relative() => one_line(&format!("{text}, in {}", folder.display())).to_string(),
        _ => one_line(&text).to_string(),
    }
}

/// Names a config for people: `config 0xe3054017c1b1d214 (metrics)`.
pub(crate) fn label(service: ServiceId) -> String {
    match service.name() {
        Some(name) => format!("config {service:#x} ({name})"),
        None => format!("config {service:#x}"),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)?;
        if let Some(cure) = self.reason.io_error().and_then(machine::cure) {
            write!(f, ": {cure}")?;
        }
        write!(f, " ({} {}", self.reason.noun(), shown(&self.file))?;
        self.named_by.map_or(Ok(()), |source| write!(f, ", named by {source}"))?;
        f.write_str(")")
    }
}

/// The text of the reason has its own causes in it.
impl error::Error for Fault {}

impl Reason {
    fn noun(&self) -> &'static str {
        match self {
            Self::Directory(_) | Self::NoDirectory | Self::DeadLink => "directory",
            _ => "file",
        }
    }

    /// What the operating system said.
    fn io_error(&self) -> Option<&io::Error> {
        match self {
            Self::Directory(error)
            | Self::File(FileError::Open(error) | FileError::Read(error))
            | Self::Identity(IdentityError::File(FileError::Open(error) | FileError::Read(error))) => {
                Some(error)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(cause) => write!(f, "it can't be listed: {cause}"),
            Self::NoDirectory => f.write_str("it does not exist: make it, or name another one"),
            Self::DeadLink => f.write_str("it is a symbolic link that leads to nothing: mend it, or name another one"),
            Self::NoSchema { service } => write!(
                f,
                "service {} has no registered config schema, so nothing reads the file: register the type of its config (app_config::config!), or remove the file",
                service.describe()
            ),
            Self::NoId(cause) => write!(f, "a file is named as configs are, and {cause}"),
            Self::Name { expected } => {
                write!(f, "a file has the id of a service, and not its name: rename it to {expected}")
            }
            Self::NotText => f.write_str("a file is named as configs are, and the name is not text"),
            Self::File(reason) => with_cause(f, reason),
            Self::Removed => f.write_str("the file was removed"),
            Self::NoThread(error) => error.fmt(f),
            Self::NotStarted { why } => write!(f, "its service did not start with it: {why}"),
            Self::Plain => f.write_str(
                "the file is not sealed, and --require-sealed refuses plain ones: seal it (config seal, or age --recipient age1..)",
            ),
            Self::Sealed(reason) => with_cause(f, reason),
            Self::Identity(reason) => with_cause(f, reason),
            Self::Content(reason) => with_cause(f, reason),
            Self::Problem(problem) => problem.fmt(f),
            Self::Problems(problems) => {
                let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join("; "))
            }
            Self::TwoSchemas { first, second } => {
                write!(f, "two types claim to be this config, one at {first}, the other at {second}")
            }
        }
    }
}

fn with_cause(f: &mut fmt::Formatter<'_>, reason: &dyn error::Error) -> fmt::Result {
    write!(f, "{reason}")?;
    reason.source().map_or(Ok(()), |cause| write!(f, ": {cause}"))
}
