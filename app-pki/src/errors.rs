//! Errors of making and reading certificates.

use std::fmt;
use std::time::SystemTime;

use app_tls::pem::PemError;

/// Why a certificate or a revocation list could not be made or read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PkiError {
    /// The text is not a name of a client.
    ClientName {
        /// The text, or its beginning.
        found: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The text is not a name of an authority.
    AuthorityName,
    /// An authority above has the same name.
    SameName,
    /// The text is not a kind of key.
    KeyKind(String),
    /// The text is not a serial number.
    Serial(String),
    /// The validity ends before it begins, or is outside of the years 1970 to 9999.
    Validity,
    /// The certificate would be valid longer than its authority.
    OutlivesAuthority {
        /// The last moment when the authority is valid.
        authority: SystemTime,
    },
    /// The path length of the authority allows no authority under it, or none with this path length.
    PathLength,
    /// The text is not PEM, or has the wrong kind of blocks.
    Pem(PemError),
    /// The certificate or list is damaged.
    Damaged(&'static str),
    /// The private key is damaged, or its kind is not supported.
    KeyUnusable,
    /// The private key belongs to another certificate.
    KeyOfAnother,
    /// The certificate is not an authority's.
    NoAuthority,
    /// Another authority issued the certificate.
    Foreign,
    /// The system gave no random numbers, or signing failed.
    Crypto(String),
}

impl fmt::Display for PkiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientName { found, reason } => write!(
                f,
                "{found:?} can't be the name of a client: {reason} (it is a DNS name of up to 64 bytes, such as deploy.example.com)"
            ),
            Self::AuthorityName => f.write_str("the name of an authority must have 1 to 64 printable characters"),
            Self::SameName => {
                f.write_str("an authority above has the same name, and peers could not tell them apart")
            }
            Self::KeyKind(found) => write!(f, "{found:?} is no kind of key: use p256, p384 or ed25519"),
            Self::Serial(found) => write!(f, "{found:?} is no serial number: it has 1 to 40 hex digits"),
            Self::Validity => f.write_str("a validity must end after it begins, and lie in 1970 to 9999"),
            Self::OutlivesAuthority { authority } => {
                let until = humantime::format_rfc3339_seconds(*authority);
                write!(f, "it would be valid longer than its authority, which is until {until}: ask for fewer days")
            }
            Self::PathLength => f.write_str(
                "the authority may not have such an authority under it: make it with a larger path length",
            ),
            Self::Pem(error) => error.fmt(f),
            Self::Damaged(what) => write!(f, "the {what} is damaged"),
            Self::KeyUnusable => f.write_str(
                "the private key is damaged, or can't sign here: use ECDSA P-256 or P-384, Ed25519 or RSA, in PKCS #8",
            ),
            Self::KeyOfAnother => f.write_str("the private key is not the certificate's"),
            Self::NoAuthority => f.write_str("the certificate is not of an authority"),
            Self::Foreign => f.write_str("the certificate was issued by another authority"),
            Self::Crypto(reason) => write!(f, "the cryptography failed: {reason}"),
        }
    }
}

impl std::error::Error for PkiError {}

impl From<PemError> for PkiError {
    fn from(error: PemError) -> Self {
        Self::Pem(error)
    }
}

/// An error of rcgen while it signs. The caller can't cause one.
pub(super) fn crypto(error: rcgen::Error) -> PkiError {
    PkiError::Crypto(error.to_string())
}
