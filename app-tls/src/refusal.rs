//! Reasons why a connection is refused.

use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Why a connection was refused before the first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The server has its limit of connections.
    TooManyConnections,
    /// Its certificate has its limit of connections.
    TooManyOfCertificate,
    /// The process has no file descriptor left.
    OutOfDescriptors,
    /// Too many others were connecting at the same time, and this one was slower.
    TooManyHandshakes,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The peer closed, or the network broke, during the handshake.
    Disconnected,
    /// The bytes that came are not TLS.
    NotTls,
    /// The sides have no version of TLS or no cipher in common.
    Incompatible,
    /// The peer showed no certificate.
    NoCertificate,
    /// Its certificate comes from no trusted authority, or is signed by itself.
    UnknownAuthority,
    /// A certificate of its chain has expired.
    Expired,
    /// A certificate of its chain is not valid yet.
    NotYetValid,
    /// Its certificate does not allow this purpose.
    WrongPurpose,
    /// Its certificate has another name.
    WrongName,
    /// A certificate of its chain was revoked.
    Revoked,
    /// There are revocation lists, and none of them covers a certificate of its chain.
    RevocationUnknown,
    /// The revocation list of an authority of its chain is past its next update.
    RevocationListExpired,
    /// Its chain is too long.
    ChainTooLong,
    /// Its chain begins with the certificate of an authority.
    WrongOrder,
    /// Its certificate has another fault: it is malformed, or wrongly signed.
    BadCertificate,
    /// The peer refused this side.
    ByPeer,
    /// The handshake failed in another way.
    Handshake,
    /// This side is stopping.
    Stopping,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::TooManyConnections,
        Self::TooManyOfCertificate,
        Self::OutOfDescriptors,
        Self::TooManyHandshakes,
        Self::HandshakeTimeout,
        Self::Disconnected,
        Self::NotTls,
        Self::Incompatible,
        Self::NoCertificate,
        Self::UnknownAuthority,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongPurpose,
        Self::WrongName,
        Self::Revoked,
        Self::RevocationUnknown,
        Self::RevocationListExpired,
        Self::ChainTooLong,
        Self::WrongOrder,
        Self::BadCertificate,
        Self::ByPeer,
        Self::Handshake,
        Self::Stopping,
    ];

    /// Its name in metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooManyConnections => "too_many_connections",
            Self::TooManyOfCertificate => "too_many_of_certificate",
            Self::OutOfDescriptors => "out_of_descriptors",
            Self::TooManyHandshakes => "too_many_handshakes",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::Disconnected => "disconnected",
            Self::NotTls => "not_tls",
            Self::Incompatible => "incompatible",
            Self::NoCertificate => "no_certificate",
            Self::UnknownAuthority => "unknown_authority",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongPurpose => "wrong_purpose",
            Self::WrongName => "wrong_name",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation_unknown",
            Self::RevocationListExpired => "revocation_list_expired",
            Self::ChainTooLong => "chain_too_long",
            Self::WrongOrder => "wrong_order",
            Self::BadCertificate => "bad_certificate",
            Self::ByPeer => "by_peer",
            Self::Handshake => "handshake",
            Self::Stopping => "stopping",
        }
    }

    /// Why a handshake failed with this error.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match tls {
            Some(error) => Self::of_tls(error),
            None => Self::Disconnected,
        }
    }

    pub(crate) fn of_tls(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(why) => Self::of_certificate(why),
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidMessage(_)
            | Error::PeerSentOversizedRecord
            | Error::InappropriateMessage { .. } => Self::NotTls,
            Error::PeerIncompatible(_) => Self::Incompatible,
            Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure) => {
                Self::Incompatible
            }
            Error::AlertReceived(_) => Self::ByPeer,
            Error::InvalidCertRevocationList(_) => Self::RevocationUnknown,
            _ => Self::Handshake,
        }
    }

    fn of_certificate(why: &CertificateError) -> Self {
        use CertificateError as Why;
        match why {
            Why::Expired | Why::ExpiredContext { .. } => Self::Expired,
            Why::NotValidYet | Why::NotValidYetContext { .. } => Self::NotYetValid,
            Why::Revoked => Self::Revoked,
            Why::UnknownRevocationStatus => Self::RevocationUnknown,
            Why::ExpiredRevocationList | Why::ExpiredRevocationListContext { .. } => {
                Self::RevocationListExpired
            }
            Why::UnknownIssuer => Self::UnknownAuthority,
            Why::NotValidForName | Why::NotValidForNameContext { .. } => Self::WrongName,
            Why::InvalidPurpose | Why::InvalidPurposeContext { .. } => Self::WrongPurpose,
            // rustls has no variants for these errors of webpki, and does not export webpki's type.
            Why::Other(other) if format!("{other:?}").contains("MaximumPath") => Self::ChainTooLong,
            Why::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => Self::WrongOrder,
            _ => Self::BadCertificate,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}
