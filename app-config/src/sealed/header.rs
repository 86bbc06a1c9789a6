//! The header of a sealed file, looked at before the `age` crate sees a byte of it.
//!
//! Source: <https://c2sp.org/age#header>. That crate's parser takes time by the square of a header's length, and knows no
//! limit; so what it gets to see is known to end in time, and to be what the format says.

use super::errors::OpenError;
use super::{ARMOR, MAGIC, MAX_HEADER_BYTES};

const VERSION: &[u8] = b"v1";

/// How many columns a line of a body has, unless it is the last one.
const COLUMNS: usize = 64;

/// 32 bytes in base64 without padding.
const MAC_COLUMNS: usize = 43;

const X25519: &str = "X25519";
const SCRYPT: &str = "scrypt";

/// What anybody can tell of whom a file is sealed to: how many there are, and of what type. Not who: age does not write
/// that down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedHeader {
    stanza_types: Vec<String>,
}

impl SealedHeader {
    /// Reads the header of a sealed file. Checks its form; what it says can be trusted no sooner than the file was opened.
    ///
    /// # Errors
    /// The file is not sealed, or its header is not whole, too long, or malformed.
    pub fn read(sealed: &[u8]) -> Result<Self, OpenError> {
        if sealed.starts_with(ARMOR) {
            return Err(OpenError::Armored);
        }
        if !sealed.starts_with(MAGIC) {
            let cut = !sealed.is_empty() && MAGIC.starts_with(sealed);
            return Err(if cut { OpenError::CutShort } else { OpenError::NotSealed });
        }
        let mut lines = Lines {
            rest: sealed.get(..MAX_HEADER_BYTES).unwrap_or(sealed),
            goes_on: sealed.len() > MAX_HEADER_BYTES,
        };
        if lines.next()?.strip_prefix(MAGIC) != Some(VERSION) {
            return Err(OpenError::UnknownVersion);
        }
        let mut stanza_types = Vec::new();
        loop {
            let line = lines.next()?;
            if let Some(arguments) = line.strip_prefix(b"-> ") {
                stanza_types.push(stanza_type(arguments).ok_or(OpenError::HeaderMalformed)?);
                while is_full_line(lines.next()?)? {}
            } else if let Some(mac) = line.strip_prefix(b"--- ") {
                let whole = mac.len() == MAC_COLUMNS && mac.iter().all(|&byte| is_base64(byte));
                return if whole && !stanza_types.is_empty() {
                    Ok(Self { stanza_types })
                } else {
                    Err(OpenError::HeaderMalformed)
                };
            } else {
                return Err(OpenError::HeaderMalformed);
            }
        }
    }

    /// How many X25519 recipients the file is sealed to.
    #[must_use]
    pub fn recipients(&self) -> usize {
        self.stanza_types.iter().filter(|name| *name == X25519).count()
    }

    /// The types of all stanzas, in the order of the file, in printable ASCII. Those whose names end in `-grease` are there to be
    /// ignored: age adds one at random, to keep readers tolerant.
    #[must_use]
    pub fn stanza_types(&self) -> &[String] {
        &self.stanza_types
    }

    /// Whether an X25519 identity could open it.
    pub(super) fn check(&self) -> Result<(), OpenError> {
        if self.stanza_types.iter().any(|name| name == SCRYPT) {
            return Err(OpenError::Passphrase);
        }
        if self.recipients() == 0 {
            return Err(OpenError::OtherRecipients { types: self.stanza_types.clone() });
        }
        Ok(())
    }
}

/// The lines of what may be the header.
struct Lines<'a> {
    rest: &'a [u8],
    /// Whether the file has more than this.
    goes_on: bool,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a [u8], OpenError> {
        let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') else {
            return Err(if self.goes_on { OpenError::HeaderTooLarge } else { OpenError::CutShort });
        };
        let (line, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        Ok(line)
    }
}

/// The first of the arguments, if all are as they should be: visible ASCII, one blank between two.
fn stanza_type(arguments: &[u8]) -> Option<String> {
    let is_argument = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
    let mut arguments = arguments.split(|&byte| byte == b' ');
    let name = arguments.next().filter(|name| is_argument(name))?;
    arguments.all(is_argument).then(|| String::from_utf8_lossy(name).into_owned())
}

/// Whether another line of the body follows.
fn is_full_line(line: &[u8]) -> Result<bool, OpenError> {
    if line.len() <= COLUMNS && line.iter().all(|&byte| is_base64(byte)) {
        Ok(line.len() == COLUMNS)
    } else {
        Err(OpenError::HeaderMalformed)
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}
