//! Why a handshake failed.

use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Why a connection was refused before anything was said on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// As many connections are open as may be.
    TooManyConnections,
    /// As many connections of its certificate are open as may be.
    TooManyOfCertificate,
    /// The process has no file descriptor for it.
    OutOfDescriptors,
    /// So many others were connecting that this one, slower than they, had to make room.
    TooManyHandshakes,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The peer closed, or the network broke, during the handshake.
    Disconnected,
    /// What came is no TLS.
    NotTls,
    /// No version of TLS or no cipher in common.
    Incompatible,
    /// The peer showed no certificate.
    NoCertificate,
    /// Its certificate is of no authority that is trusted; or of itself.
    UnknownAuthority,
    /// Its certificate, or one between it and the authority, has expired.
    Expired,
    /// Its certificate is not valid yet.
    NotYetValid,
    /// Its certificate is not for this purpose.
    WrongPurpose,
    /// Its certificate has another name.
    WrongName,
    /// Its certificate was revoked.
    Revoked,
    /// There are revocation lists, but none that says of its certificate, or of one between it and the authority.
    RevocationUnknown,
    /// The revocation list of its authority is past its next update.
    RevocationListExpired,
    /// There are more certificates between its own and an authority than are looked at.
    ChainTooLong,
    /// It shows the certificate of an authority first.
    WrongOrder,
    /// Its certificate is not good for another reason: malformed, or wrongly signed.
    BadCertificate,
    /// The peer refused us.
    ByPeer,
    /// Another failure of the handshake.
    Handshake,
    /// Our side stops.
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

    /// Why a handshake failed.
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
            // Errors of webpki that rustls has no names for, and does not export.
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
