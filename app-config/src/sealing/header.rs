//! The header of a sealed file. It is checked before the `age` crate sees a byte of it: the crate `app-sealing` uses that one.
//!
//! Source: <https://c2sp.org/age#header>. The parser of that crate has no limit, and its time grows with the square of the
//! header's length. So it only gets headers that have the right form and end within the limit.

use std::{error, fmt};

use crate::limits::MAX_HEADER_BYTES;
use crate::problems::quoted;

/// The first bytes of every file that age seals. The version follows.
const MAGIC: &[u8] = b"age-encryption.org/";

/// The same in age's text form.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

const VERSION: &[u8] = b"v1";

/// Columns in each line of a body except the last one.
const COLUMNS: usize = 64;

/// 32 bytes in base64 without padding.
const MAC_COLUMNS: usize = 43;

const X25519: &str = "X25519";
const SCRYPT: &str = "scrypt";

/// Whether the file is sealed, or was until it was truncated. Includes age's text form, which is recognised to be refused.
#[must_use]
pub fn is_sealed(file: &[u8]) -> bool {
    file.starts_with(MAGIC) || file.starts_with(ARMOR) || (!file.is_empty() && MAGIC.starts_with(file))
}

/// What is wrong with the header of a sealed file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The file is not sealed.
    NotSealed,
    /// The file is in age's text form.
    Armored,
    /// The file has another version of age's format.
    UnknownVersion,
    /// The file ends inside its header, or right after it.
    CutShort,
    /// The header does not end within [`MAX_HEADER_BYTES`].
    TooLarge,
    /// The header does not have the form of age's.
    Malformed,
    /// The file is sealed with a passphrase.
    Passphrase,
    /// The file is sealed only to recipients of types that are not supported.
    OtherRecipients {
        /// The types of its stanzas, as the file names them.
        types: Vec<String>,
    },
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSealed => f.write_str("the file is not sealed (age)"),
            Self::Armored => f.write_str("the file is sealed in age's text form: seal it without --armor"),
            Self::UnknownVersion => {
                f.write_str("the file is sealed in an unknown version of age's format: seal it in version 1")
            }
            Self::CutShort => f.write_str("the sealed file is cut short"),
            Self::TooLarge => write!(
                f,
                "the header of the sealed file does not end within {MAX_HEADER_BYTES} bytes, the most that is allowed: \
                 seal it to fewer recipients"
            ),
            Self::Malformed => f.write_str("the header of the sealed file is malformed"),
            Self::Passphrase => f.write_str(
                "the file is sealed with a passphrase: seal it to a recipient (age --recipient age1..)",
            ),
            Self::OtherRecipients { types } => {
                let shown: Vec<_> = types.iter().take(4).map(|name| quoted(name)).collect();
                let more = if types.len() > shown.len() { ", .." } else { "" };
                write!(
                    f,
                    "the file is sealed to {}{more}, and only X25519 recipients (age1..) are supported",
                    shown.join(", ")
                )
            }
        }
    }
}

impl error::Error for HeaderError {}

/// What the header of a sealed file says about its recipients: how many there are, and their types. Age does not write down
/// who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedHeader {
    stanza_types: Vec<String>,
}

impl SealedHeader {
    /// Reads the header of a sealed file, and checks its form. Do not trust its content before the file was opened.
    ///
    /// # Errors
    /// The file is not sealed, or its header is not whole, too long, or malformed.
    pub fn read(sealed: &[u8]) -> Result<Self, HeaderError> {
        if sealed.starts_with(ARMOR) {
            return Err(HeaderError::Armored);
        }
        if !sealed.starts_with(MAGIC) {
            let cut = !sealed.is_empty() && MAGIC.starts_with(sealed);
            return Err(if cut { HeaderError::CutShort } else { HeaderError::NotSealed });
        }
        let mut lines = Lines {
            rest: sealed.get(..MAX_HEADER_BYTES).unwrap_or(sealed),
            goes_on: sealed.len() > MAX_HEADER_BYTES,
        };
        if lines.next()?.strip_prefix(MAGIC) != Some(VERSION) {
            return Err(HeaderError::UnknownVersion);
        }
        let mut stanza_types = Vec::new();
        loop {
            let line = lines.next()?;
            if let Some(arguments) = line.strip_prefix(b"-> ") {
                stanza_types.push(stanza_type(arguments).ok_or(HeaderError::Malformed)?);
                while is_full_line(lines.next()?)? {}
            } else if let Some(mac) = line.strip_prefix(b"--- ") {
                let whole = mac.len() == MAC_COLUMNS && mac.iter().all(|&byte| is_base64(byte));
                return if whole && !stanza_types.is_empty() {
                    Ok(Self { stanza_types })
                } else {
                    Err(HeaderError::Malformed)
                };
            } else {
                return Err(HeaderError::Malformed);
            }
        }
    }

    /// How many X25519 recipients the file is sealed to.
    #[must_use]
    pub fn recipients(&self) -> usize {
        self.stanza_types.iter().filter(|name| *name == X25519).count()
    }

    /// The types of all stanzas, in the order of the file, in printable ASCII.
    ///
    /// Ignore types that end in `-grease`: age adds one at random, to keep readers tolerant.
    #[must_use]
    pub fn stanza_types(&self) -> &[String] {
        &self.stanza_types
    }

    /// Checks that an X25519 identity could open the file.
    ///
    /// # Errors
    /// It is sealed with a passphrase, or only to recipients of types that are not supported.
    pub fn check(&self) -> Result<(), HeaderError> {
        if self.stanza_types.iter().any(|name| name == SCRYPT) {
            return Err(HeaderError::Passphrase);
        }
        if self.recipients() == 0 {
            return Err(HeaderError::OtherRecipients { types: self.stanza_types.clone() });
        }
        Ok(())
    }
}

/// The lines of a possible header.
struct Lines<'a> {
    rest: &'a [u8],
    /// Whether the file goes on after `rest`.
    goes_on: bool,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a [u8], HeaderError> {
        let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') else {
            return Err(if self.goes_on { HeaderError::TooLarge } else { HeaderError::CutShort });
        };
        let (line, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        Ok(line)
    }
}

/// The first argument, if all arguments are visible ASCII with one space between them.
fn stanza_type(arguments: &[u8]) -> Option<String> {
    let is_argument = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
    let mut arguments = arguments.split(|&byte| byte == b' ');
    let name = arguments.next().filter(|name| is_argument(name))?;
    arguments.all(is_argument).then(|| String::from_utf8_lossy(name).into_owned())
}

/// Whether another line of the body follows.
fn is_full_line(line: &[u8]) -> Result<bool, HeaderError> {
    if line.len() <= COLUMNS && line.iter().all(|&byte| is_base64(byte)) {
        Ok(line.len() == COLUMNS)
    } else {
        Err(HeaderError::Malformed)
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}
