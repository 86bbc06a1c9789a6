//! Why something could not be made.

use std::fmt;
use std::time::SystemTime;

use app_tls::pem::PemError;

/// Why a certificate or a revocation list was not made, or not read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PkiError {
    /// The name of a client is none.
    ClientName {
        /// What was given.
        found: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The name of an authority is none.
    AuthorityName,
    /// It is the name of an authority above.
    SameName,
    /// There is no such kind of key.
    KeyKind(String),
    /// It is no serial number.
    Serial(String),
    /// It ends before it begins, or lies outside of 1970 to 9999.
    Validity,
    /// It would be valid when its authority is not any more.
    OutlivesAuthority {
        /// The last moment of the authority.
        authority: SystemTime,
    },
    /// The authority may have no other under it, or none that has so many under itself.
    PathLength,
    /// It is not PEM, or not of what it should be.
    Pem(PemError),
    /// The certificate or list is damaged.
    Damaged(&'static str),
    /// The private key is damaged, or of a kind that can't sign here.
    KeyUnusable,
    /// The private key is not the certificate's.
    KeyOfAnother,
    /// The certificate is not of an authority.
    NoAuthority,
    /// The certificate was issued by another authority.
    Foreign,
    /// No randomness, or the signature failed.
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

/// What rcgen says when it signs; nothing of it is the caller's fault.
pub(super) fn crypto(error: rcgen::Error) -> PkiError {
    PkiError::Crypto(error.to_string())
}
