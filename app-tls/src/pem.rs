//! A strict reader of PEM. Every block is read, or refused with its position. Nothing that looks like a block is skipped.
//!
//! Accepted, because the content is the same:
//!
//! - line ends of any system, a byte order mark (UTF-8) at the start, indented lines, blanks at the end of lines;
//! - a block that begins right after another, as when two files are joined without a line break;
//! - a block on one line, with blanks in place of line breaks;
//! - text between blocks, such as the `subject=` lines of `openssl`;
//! - `EC PARAMETERS` before a key, as `openssl ecparam -genkey` writes them.
//!
//! Refused: a marker that is not exact, a block without an end, an end without a begin, a block of the wrong kind, and text that
//! is not base64. The reader knows nothing about certificates. Its errors never repeat the content of a block.

mod errors;
mod foreign;
mod scan;

use std::fmt;

use rustls::pki_types::PrivateKeyDer;

pub use self::errors::{PemError, PemFault};
use self::scan::Scanner;

/// The position of a block in its text. Both numbers start at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// The number of the block.
    pub block: usize,
    /// The line of its BEGIN marker.
    pub line: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} (line {})", self.block, self.line)
    }
}

/// What a text should contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PemContent {
    /// One or more certificates.
    Certificates,
    /// One private key.
    Key,
    /// One or more revocation lists.
    Crls,
}

/// The encoding of a block, by its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// `CERTIFICATE`
    Certificate,
    /// `X509 CRL`
    Crl,
    /// `PRIVATE KEY`
    Pkcs8,
    /// `RSA PRIVATE KEY`
    Pkcs1,
    /// `EC PRIVATE KEY`
    Sec1,
}

impl Encoding {
    fn of(label: &str) -> Option<Self> {
        Some(match label {
            // The second label is the older one of OpenSSL, and still in use.
            "CERTIFICATE" | "X509 CERTIFICATE" => Self::Certificate,
            "X509 CRL" => Self::Crl,
            "PRIVATE KEY" => Self::Pkcs8,
            "RSA PRIVATE KEY" => Self::Pkcs1,
            "EC PRIVATE KEY" => Self::Sec1,
            _ => return None,
        })
    }

    /// The private key with this encoding. Encodings of other things count as PKCS #8.
    #[must_use]
    pub fn private_key(self, der: Vec<u8>) -> PrivateKeyDer<'static> {
        match self {
            Self::Pkcs1 => PrivateKeyDer::Pkcs1(der.into()),
            Self::Sec1 => PrivateKeyDer::Sec1(der.into()),
            _ => PrivateKeyDer::Pkcs8(der.into()),
        }
    }

    fn is_for(self, wanted: PemContent) -> bool {
        match wanted {
            PemContent::Certificates => self == Self::Certificate,
            PemContent::Crls => self == Self::Crl,
            PemContent::Key => matches!(self, Self::Pkcs8 | Self::Pkcs1 | Self::Sec1),
        }
    }
}

/// One block, decoded.
#[non_exhaustive]
pub struct Block {
    /// Its position in the text.
    pub position: Position,
    /// Its encoding.
    pub encoding: Encoding,
    /// Its content. The caller has to overwrite it if it is a private key.
    pub der: Vec<u8>,
}

/// Reads every block of a text, at least one.
///
/// # Errors
/// There is no block, or the reader does not understand a part of the text.
pub fn read(text: &[u8], wanted: PemContent) -> Result<Vec<Block>, PemError> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    if text.is_empty() {
        return Err(PemError::whole(PemFault::Missing, wanted));
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if let Some(fault) = foreign::recognize(text) {
        return Err(PemError::whole(fault, wanted));
    }
    let mut scanner = Scanner::new(text, wanted);
    let mut blocks = Vec::new();
    while let Some(raw) = scanner.next_block()? {
        let refused = |fault| PemError::of_block(raw.position, fault, wanted);
        if wanted == PemContent::Key && raw.label == "EC PARAMETERS" {
            continue;
        }
        let encoding = Encoding::of(raw.label).filter(|encoding| encoding.is_for(wanted));
        let encoding = encoding.ok_or_else(|| refused(PemFault::Kind(raw.label.to_owned())))?;
        let der = scan::decode(&raw).map_err(refused)?;
        blocks.push(Block { position: raw.position, encoding, der });
    }
    if blocks.is_empty() {
        return Err(PemError::whole(PemFault::NoBlock, wanted));
    }
    Ok(blocks)
}

/// Writes one block, which [`read`] accepts.
#[must_use]
pub fn write(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in encoded.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

#[cfg(test)]
mod tests;
