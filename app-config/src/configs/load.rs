//! Reads the config of one service: from its file to a value of its type.

use std::{error, fmt, io};

use app_core::prelude::{App, Error, LogEventId, ServiceId};
use capnp::message::{Reader, ReaderSegments};
use sha2::{Digest, Sha256};

use super::dir::ConfigDir;
use crate::codec::{self, Message, Segments, UnmarshalError};
use crate::events::{CAPNP_ERR, CONFIG_LOADING_ERR};
use crate::file::{self, FileError, FileKind, Located};
use crate::limits::reader_options;
use crate::problems::{Problem, Problems};
use crate::sealing::{OpenError, is_sealed};
use crate::value::{self, Config, Configured, Fields, Loaded};

/// Why the config of a service is refused, or could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The file can't be read.
    File(FileError),
    /// The file is sealed and can't be opened, or it is plain where only sealed ones are accepted.
    Sealed(OpenError),
    /// The file does not hold exactly one message.
    Content(UnmarshalError),
    /// The message is not what the service expects. All problems are here.
    Problems(Vec<Problem>),
    /// The file was there when the config was loaded, and is gone.
    Removed,
    /// The service did not start with the config.
    NotStarted {
        /// Why it did not.
        why: String,
    },
    /// The system refused the thread that reads configs.
    NoThread(io::Error),
}

impl LoadError {
    /// The event of the log record about it.
    pub(crate) fn event(&self) -> LogEventId {
        match self {
            Self::Content(_) | Self::Problems(_) => CAPNP_ERR,
            _ => CONFIG_LOADING_ERR,
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Sealed(error) => error.fmt(f),
            Self::Content(error) => error.fmt(f),
            Self::Problems(problems) => {
                let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join("; "))
            }
            Self::Removed => f.write_str("the file was removed"),
            Self::NotStarted { why } => write!(f, "its service did not start with it: {why}"),
            Self::NoThread(_) => f.write_str("the file was not read"),
        }
    }
}

impl error::Error for LoadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Sealed(error) => error.source(),
            Self::Content(error) => error.source(),
            Self::NoThread(error) => Some(error),
            Self::Problems(_) | Self::Removed | Self::NotStarted { .. } => None,
        }
    }
}

/// What is in the file of a config.
pub(crate) struct ConfigContent {
    pub(crate) message: Message,
    /// Whether the file is sealed. If it is, no message about the config repeats a value of it.
    pub(crate) sealed: bool,
}

impl ConfigDir {
    /// The config of the service as a message of any schema; `None` if there is no file.
    ///
    /// # Errors
    /// `ConfigFailure`: the file can't be read or opened, is plain where only sealed ones are accepted, or does not hold exactly
    /// one message.
    pub fn read(&self, service: ServiceId) -> Result<Option<Message>, Error> {
        self.load(service).map_err(|error| error.of_service(service))
    }

    pub(crate) fn load(&self, service: ServiceId) -> Result<Option<Message>, Located<LoadError>> {
        Ok(self.load_content(service)?.map(|content| content.message))
    }

    /// As [`load`](Self::load), with what is known about the file.
    pub(crate) fn load_content(
        &self,
        service: ServiceId,
    ) -> Result<Option<ConfigContent>, Located<LoadError>> {
        let path = self.file(service);
        let file = match file::read(&path, FileKind::Config) {
            Ok(Some(content)) => content.bytes,
            Ok(None) => return Ok(None),
            Err(error) => return Err(Located::in_file(path, LoadError::File(error))),
        };
        let sealed = is_sealed(&file);
        let plain = self.sealing().content(file).map_err(LoadError::Sealed);
        let message = plain.and_then(|plain| codec::decode(&plain).map_err(LoadError::Content));
        message
            .map(|message| Some(ConfigContent { message, sealed }))
            .map_err(|error| Located::in_file(path, error))
    }
}

/// Reads and validates the config of type `C`. Without a file it is the default.
pub(crate) fn load<C: Config>(dir: &ConfigDir) -> Result<Loaded<C>, Located<LoadError>> {
    let Some(ConfigContent { message, sealed }) = dir.load_content(C::SERVICE)? else {
        return Ok(Loaded::without_file());
    };
    let segments = message.into_segments();
    let digest = digest(&segments);
    // Of a message that does not match its schema there are none, and the check below refuses it.
    let fields = Fields::of_message::<C, _>(&segments);
    let problems = Problems::of_source(sealed);
    match value::judge(Reader::new(segments, reader_options()), dir.application(), problems) {
        Ok(accepted) => Ok(Loaded::of_file(accepted, sealed, digest, fields)),
        Err(problems) => {
            Err(Located::in_file(dir.file(C::SERVICE), LoadError::Problems(problems.into_vec())))
        }
    }
}

/// The config of type `C` that the application would start with, for a [`Preflight`](app_core::plugins::Preflight).
///
/// `None` if the config is refused: the check of all configs reports why.
#[must_use]
pub fn upcoming<C: Config>(app: &App) -> Option<Configured<C>> {
    let (dir, _reported_by_the_check) = ConfigDir::of(app);
    load(&dir).ok().map(|loaded| loaded.config)
}

fn digest(segments: &Segments) -> [u8; 32] {
    let mut digest = Sha256::new();
    for segment in (0..).map_while(|index| segments.get_segment(index)) {
        digest.update((segment.len() as u64).to_le_bytes());
        digest.update(segment);
    }
    digest.finalize().into()
}
