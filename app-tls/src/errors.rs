//! Errors of certificates, keys and revocation lists: what is wrong and what to do.

use std::fmt;
use std::time::SystemTime;

use app_config::{Expected, Place};

use crate::certificate::{MAX_CHAIN, Purpose};
use crate::pem::{PemContent, PemError, Position};

/// Why a certificate, a key or a revocation list can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MaterialError {
    /// The text is not PEM, or has the wrong kind of blocks.
    Pem(PemError),
    /// There is more than one private key. This is the position of the second.
    ManyKeys(Position),
    /// The private key is damaged.
    KeyDamaged,
    /// The private key is of this kind, which is not supported.
    KeyUnsupported(String),
    /// The private key is an RSA key of this many bits, which is too few.
    KeyWeak(usize),
    /// The certificate at this position is damaged.
    CertificateDamaged(Position),
    /// The certificate at this position has this key or signature, which peers refuse.
    CertificateWeak(Position, String),
    /// The certificate at this position expired at this time.
    Expired(Position, SystemTime),
    /// The certificate at this position is not valid before this time.
    NotYetValid(Position, SystemTime),
    /// The chain has this many certificates, which is too many.
    ChainTooLong(usize),
    /// The private key belongs to the certificate at this position, which is not the first.
    WrongOrder(Position),
    /// The private key belongs to another certificate.
    KeyOfAnother,
    /// The certificate belongs to an authority, and can't be shown by a server or a client.
    IsAuthority,
    /// The certificate does not allow this purpose.
    WrongPurpose(Purpose),
    /// The certificate lacks the name that peers look for.
    Unnamed {
        /// The name that peers look for.
        expected: String,
        /// The names of the certificate.
        found: Vec<String>,
    },
    /// The certificate at this position should be an authority's, and is not.
    NotAuthority(Position),
    /// Peers refuse the certificate, for this reason.
    Refused(String),
    /// The revocation list at this position is damaged.
    CrlDamaged(Position),
    /// The revocation list at this position is of a kind that is not supported, for this reason.
    CrlUnsupported(Position, &'static str),
}

impl MaterialError {
    /// Which text is wrong: that of the certificates, the key or the lists.
    #[must_use]
    pub fn of(&self) -> PemContent {
        match self {
            Self::Pem(error) => error.wanted,
            Self::ManyKeys(_)
            | Self::KeyDamaged
            | Self::KeyUnsupported(_)
            | Self::KeyWeak(_)
            | Self::KeyOfAnother => PemContent::Key,
            Self::CrlDamaged(_) | Self::CrlUnsupported(..) => PemContent::Crls,
            _ => PemContent::Certificates,
        }
    }
}

impl From<PemError> for MaterialError {
    fn from(error: PemError) -> Self {
        Self::Pem(error)
    }
}

impl MaterialError {
    /// Adds it to the problems of a config. For a sealed config, only [`rule`](Self::rule) is shown.
    pub(crate) fn add_to(&self, place: &mut Place<'_>) {
        place.add_in_full(self.rule(), self);
    }

    /// The same as `Display`, without names, dates, kinds and sizes from the certificate or key. Positions are not secret.
    fn rule(&self) -> Expected {
        match self {
            Self::Pem(error) => error.rule(),
            Self::KeyUnsupported(_) => {
                Expected::of_code(format_args!("is a key of a kind that is not supported; {KINDS}"))
            }
            Self::KeyWeak(_) => Expected::of_code(format_args!("is an RSA key of too few bits; {KINDS}")),
            Self::CertificateWeak(place, _) => Expected::of_code(format_args!(
                "{place} has a key or a signature that peers refuse; have a new certificate issued"
            )),
            Self::Expired(place, _) => Expected::of_code(format_args!(
                "{place} expired; have a new certificate issued (appctl pki renew)"
            )),
            Self::NotYetValid(place, _) => Expected::of_code(format_args!(
                "{place} is not valid yet; wait, have a new certificate issued, or set the clock of this machine"
            )),
            Self::ChainTooLong(_) => {
                Expected::of_code(format_args!("must have at most {MAX_CHAIN} certificates"))
            }
            Self::Unnamed { .. } => {
                "must have the name (DNS) of the service, {domain}_{app}_{service} in hex".into()
            }
            Self::ManyKeys(_)
            | Self::KeyDamaged
            | Self::CertificateDamaged(_)
            | Self::WrongOrder(_)
            | Self::KeyOfAnother
            | Self::IsAuthority
            | Self::WrongPurpose(_)
            | Self::CrlDamaged(_)
            | Self::CrlUnsupported(..)
            | Self::NotAuthority(_)
            | Self::Refused(_) => Expected::of_code(self),
        }
    }
}

const KINDS: &str = "use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 to 4096 bits";

impl fmt::Display for MaterialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem(error) => error.fmt(f),
            Self::ManyKeys(second) => write!(f, "must be one private key; {second} is another"),
            Self::KeyDamaged => {
                f.write_str("is damaged: it is no private key inside; copy the file again, as a whole")
            }
            Self::KeyUnsupported(kind) => {
                write!(f, "is a key of kind {kind}, which is not supported; {KINDS}")
            }
            Self::KeyWeak(bits) => {
                write!(f, "is an RSA key of {bits} bits, which peers refuse; {KINDS}")
            }
            Self::CertificateDamaged(place) => {
                write!(f, "{place} is damaged: it is no certificate inside; copy the file again, as a whole")
            }
            Self::CertificateWeak(place, what) => {
                write!(f, "{place} has {what}, which peers refuse; have a new certificate issued")
            }
            Self::Expired(..) | Self::NotYetValid(..) => self.fmt_date(f),
            Self::ChainTooLong(found) => {
                write!(f, "must have at most {MAX_CHAIN} certificates, found {found}")
            }
            Self::WrongOrder(place) => write!(
                f,
                "has the chain in the wrong order: {place} is the certificate of the key; put it first, and each authority behind what it signed"
            ),
            Self::KeyOfAnother => {
                f.write_str("is not the key of the certificate; give the two that were made together")
            }
            Self::IsAuthority => f.write_str(
                "is the certificate of an authority; have it issue one for this use (appctl pki issue)",
            ),
            Self::WrongPurpose(Purpose::Server) => {
                f.write_str("may not be used by servers: its extended key usage lacks serverAuth")
            }
            Self::WrongPurpose(Purpose::Client) => {
                f.write_str("may not be used by clients: its extended key usage lacks clientAuth")
            }
            Self::Unnamed { expected, found } => {
                write!(f, "must have the name (DNS) {expected}, found {}", list(found))
            }
            Self::CrlDamaged(place) => {
                write!(
                    f,
                    "{place} is damaged: it is no revocation list inside; copy the file again, as a whole"
                )
            }
            Self::NotAuthority(place) => write!(
                f,
                "{place} is not the certificate of an authority: it lacks the basic constraint CA; give that of the authority which signs certificates"
            ),
            Self::Refused(why) => {
                write!(f, "is refused by peers: {why}; have a new certificate issued (appctl pki issue)")
            }
            Self::CrlUnsupported(place, why) => {
                write!(f, "{place} {why}; make a full list of version 2 (appctl pki crl)")
            }
        }
    }
}

impl MaterialError {
    /// `Display` of the errors that depend on the time.
    fn fmt_date(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No date is beyond the year 9999, which this format can't show: certificates have years of four digits.
        let moment = |at: &SystemTime| humantime::format_rfc3339_seconds(*at);
        match self {
            Self::Expired(place, at) => write!(
                f,
                "{place} expired at {}; have a new certificate issued (appctl pki renew)",
                moment(at)
            ),
            Self::NotYetValid(place, at) => write!(
                f,
                "{place} is not valid before {}; wait, have a new certificate issued, or set the clock of this machine",
                moment(at)
            ),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for MaterialError {}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
