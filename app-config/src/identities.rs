//! The identities of a process: read once from their file, under the rules for configs and some more.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{error, fmt};

use app_core::prelude::Error;

use crate::fault::{Fault, Reason};
use crate::file::{self, FileError, Kind};
use crate::key::{Identity, KeyError, Recipient};
use crate::sealed;

/// The name of the file of identities in a config directory.
pub(crate) const DEFAULT_FILE: &str = "config.identity";

/// Lines of a file that are named one by one in warnings; the others are counted.
const NAMED_LINES: usize = 8;

/// One or more identities. For a time there are two when a key is changed: the old one, and the new one that files are being
/// sealed to.
///
/// In a file there is one on a line, as age-keygen writes it; empty lines and lines that begin with `#` are skipped. So are keys of
/// types that are not supported, with a warning, if there is another key.
pub struct Identities {
    keys: Vec<Identity>,
    file: PathBuf,
    warnings: Vec<String>,
}

/// What a file of identities has.
struct Parsed {
    keys: Vec<Identity>,
    /// Lines with keys of types that are not supported, and what they are.
    skipped: Vec<(usize, &'static str)>,
}

/// Why a file of identities is refused. Never with what is in it.
#[derive(Debug)]
#[non_exhaustive]
pub enum IdentityError {
    /// It was named, and is not there.
    Missing,
    /// It can't be read.
    File(FileError),
    /// It is itself sealed.
    Sealed,
    /// A line is no identity.
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        problem: KeyError,
    },
    /// It begins with a byte order mark, which is no part of any identity.
    ByteOrderMark,
    /// There is no identity in it.
    Empty,
}

impl Identities {
    /// Reads a file of identities. Only a regular file that nobody but its owner may change is read.
    ///
    /// # Errors
    /// `ConfigFailure`: the file is not there, can't be read, has a line that is no identity, or has none at all.
    pub fn load(file: impl AsRef<Path>) -> Result<Self, Error> {
        Self::read(file.as_ref()).map_err(Fault::of_identities)
    }

    /// Identities that are from no file.
    ///
    /// # Errors
    /// There are none.
    pub fn of(keys: impl IntoIterator<Item = Identity>) -> Result<Self, IdentityError> {
        let keys: Vec<_> = keys.into_iter().collect();
        if keys.is_empty() {
            Err(IdentityError::Empty)
        } else {
            Ok(Self { keys, file: "memory".into(), warnings: Vec::new() })
        }
    }

    pub(crate) fn read(file: &Path) -> Result<Self, Fault> {
        let refuse = |reason| Fault::new(file, Reason::Identity(reason));
        match file::read(file, Kind::Identities) {
            Ok(Some(content)) => {
                let Parsed { keys, skipped } = parse(&content.bytes).map_err(refuse)?;
                let mode = (!content.private).then_some(content.mode);
                Ok(Self { keys, file: file.to_owned(), warnings: warnings(file, mode, &skipped) })
            }
            Ok(None) => Err(refuse(IdentityError::Missing)),
            Err(error) => Err(refuse(IdentityError::File(error))),
        }
    }

    /// Those of a config directory, where there need not be any.
    pub(crate) fn read_default(dir: &Path) -> Result<Option<Self>, Fault> {
        match Self::read(&dir.join(DEFAULT_FILE)) {
            Ok(identities) => Ok(Some(identities)),
            Err(fault) if is_absent(&fault) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// How many there are, at least one.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there are no empty ones")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The file that they are from.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What to seal to for each of them, in order.
    #[must_use]
    pub fn recipients(&self) -> Vec<Recipient> {
        self.keys.iter().map(Identity::recipient).collect()
    }

    /// What should be said about the file although it is not refused: that others than its owner may read it, and which lines have
    /// keys of types that are not supported. Never with what is in it.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Identity> {
        self.keys.iter()
    }
}

/// The file is not there; nor is it when what should be its directory is none, which the listing tells.
fn is_absent(fault: &Fault) -> bool {
    match fault.reason() {
        Reason::Identity(IdentityError::Missing) => true,
        Reason::Identity(IdentityError::File(FileError::Open(error))) => {
            error.kind() == ErrorKind::NotADirectory
        }
        _ => false,
    }
}

/// What is said of a file. `mode` is there if it is not private.
fn warnings(file: &Path, mode: Option<u32>, skipped: &[(usize, &'static str)]) -> Vec<String> {
    let shown = file.display();
    let mut warnings = Vec::new();
    if let Some(mode) = mode {
        warnings.push(format!(
            "the identities in {shown} may be read by others than its owner (mode {mode:04o}): chmod go-r"
        ));
    }
    for (line, kind) in skipped.iter().take(NAMED_LINES) {
        warnings.push(format!(
            "the identity in line {line} of {shown} is skipped: it is {kind}, which is not supported; files that are sealed to it alone can't be opened"
        ));
    }
    if let Some(more) = skipped.len().checked_sub(NAMED_LINES).filter(|more| *more > 0) {
        warnings
            .push(format!("{more} more lines of {shown} have keys that are not supported, and are skipped"));
    }
    warnings
}

/// What a key is whose type is not supported.
fn other_type(text: &[u8]) -> &'static str {
    let begins = |with: &[u8]| text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    if begins(b"AGE-PLUGIN-") {
        "a key of an age plugin"
    } else if begins(b"AGE-SECRET-KEY-PQ-") {
        "a post-quantum key"
    } else {
        "a key of another type"
    }
}

fn parse(content: &[u8]) -> Result<Parsed, IdentityError> {
    if sealed::is_sealed(content) {
        return Err(IdentityError::Sealed);
    }
    if content.starts_with("\u{feff}".as_bytes()) {
        return Err(IdentityError::ByteOrderMark);
    }
    let (mut keys, mut skipped) = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(content.split(|&byte| byte == b'\n')) {
        let text = text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        let key = str::from_utf8(text).map_err(|_| KeyError::NotAge).and_then(str::parse);
        match key {
            Ok(key) => keys.push(key),
            Err(KeyError::OtherType) => skipped.push((line, other_type(text))),
            Err(problem) => return Err(IdentityError::Line { line, problem }),
        }
    }
    match skipped.first() {
        _ if !keys.is_empty() => Ok(Parsed { keys, skipped }),
        Some((line, _)) => Err(IdentityError::Line { line: *line, problem: KeyError::OtherType }),
        None => Err(IdentityError::Empty),
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities")
            .field("keys", &self.keys)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such file"),
            Self::File(error) => error.fmt(f),
            Self::Sealed => f.write_str(
                "the file is itself sealed, and nothing here could open it: put the identities there unsealed, for their \
                 owner alone (mode 0400)",
            ),
            Self::Line { line, problem } => write!(f, "line {line} is no identity: {problem}"),
            Self::ByteOrderMark => f.write_str(
                "the file begins with a byte order mark, as some editors write it: save it as UTF-8 without one",
            ),
            Self::Empty => f.write_str(
                "there is no identity in the file: it needs a line that begins with AGE-SECRET-KEY-1, as age-keygen writes it",
            ),
        }
    }
}

impl error::Error for IdentityError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
