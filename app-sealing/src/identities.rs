//! The config identities of a process, read from a file under the rules for configs and stricter ones.

use std::path::{Path, PathBuf};
use std::{error, fmt};

use app_config::file::{self, FileKind, Located};
use app_config::sealing::{IdentityError, is_sealed};
use app_core::prelude::Error;

use crate::key::{ConfigIdentity, KeyError, Recipient};

/// How many lines get a warning each. Further lines are counted.
const NAMED_LINES: usize = 8;

/// One or more config identities. While a key is replaced there are two: the old one, and the new one.
///
/// A file has one on each line, as age-keygen writes it. Empty lines and lines that begin with `#` are skipped. A key of an
/// unsupported type is skipped with a warning if the file has another key.
pub struct ConfigIdentities {
    keys: Vec<ConfigIdentity>,
    file: PathBuf,
    warnings: Vec<String>,
}

/// The content of a file of identities.
struct Parsed {
    keys: Vec<ConfigIdentity>,
    /// Lines with keys of unsupported types, and the kind of key.
    skipped: Vec<(usize, &'static str)>,
}

/// Why the content of a file of config identities is refused. Never repeats the content.
///
/// It is the [`IdentityError::Content`] of the file's error.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It is itself sealed.
    Sealed,
    /// A line is not an identity.
    Line {
        /// The number of the line, starting at 1.
        line: usize,
        /// What is wrong with it.
        problem: KeyError,
    },
    /// It begins with a byte order mark.
    ByteOrderMark,
    /// It has no identity.
    Empty,
}

impl ConfigIdentities {
    /// Reads a file of identities. It must be a regular file that only its owner may change.
    ///
    /// # Errors
    /// `ConfigFailure`: the file does not exist, can't be read, has a line that is not an identity, or has no identity.
    pub fn load(file: impl AsRef<Path>) -> Result<Self, Error> {
        let file = file.as_ref();
        Self::read(file).map_err(|error| Located::in_file(file, error).of_identities())
    }

    /// Identities that do not come from a file.
    ///
    /// # Errors
    /// There are none.
    pub fn of(keys: impl IntoIterator<Item = ConfigIdentity>) -> Result<Self, KeyFileError> {
        let keys: Vec<_> = keys.into_iter().collect();
        if keys.is_empty() {
            Err(KeyFileError::Empty)
        } else {
            Ok(Self { keys, file: "memory".into(), warnings: Vec::new() })
        }
    }

    pub(crate) fn read(file: &Path) -> Result<Self, IdentityError> {
        let content = file::read(file, FileKind::Identities).map_err(IdentityError::File)?;
        let content = content.ok_or(IdentityError::Missing)?;
        let parsed = parse(&content.bytes).map_err(|error| IdentityError::Content(Box::new(error)))?;
        let mode = (!content.private).then_some(content.mode);
        let warnings = warnings(file, mode, &parsed.skipped);
        Ok(Self { keys: parsed.keys, file: file.to_owned(), warnings })
    }

    /// How many there are, at least one.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The file that they were read from.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The recipient of each identity, in order.
    #[must_use]
    pub fn recipients(&self) -> Vec<Recipient> {
        self.keys.iter().map(ConfigIdentity::recipient).collect()
    }

    /// Problems of a file that is not refused: others may read it, or lines have keys of unsupported types. Never repeats the
    /// content.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ConfigIdentity> {
        self.keys.iter()
    }
}

/// The warnings on a file. `mode` is given if it is not private.
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

/// Which kind of key of an unsupported type this is.
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

fn parse(content: &[u8]) -> Result<Parsed, KeyFileError> {
    if is_sealed(content) {
        return Err(KeyFileError::Sealed);
    }
    if content.starts_with("\u{feff}".as_bytes()) {
        return Err(KeyFileError::ByteOrderMark);
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
            Err(problem) => return Err(KeyFileError::Line { line, problem }),
        }
    }
    match skipped.first() {
        _ if !keys.is_empty() => Ok(Parsed { keys, skipped }),
        Some((line, _)) => Err(KeyFileError::Line { line: *line, problem: KeyError::OtherType }),
        None => Err(KeyFileError::Empty),
    }
}

impl fmt::Debug for ConfigIdentities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigIdentities")
            .field("keys", &self.keys)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sealed => f.write_str(
                "the file is itself sealed, so it can't be opened: put the identities there unsealed, readable by their owner \
                 alone (mode 0400)",
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

impl error::Error for KeyFileError {}

#[cfg(test)]
mod tests;
