//! Errors of webpki in words.

use rustls::{CertRevocationListError, CertificateError, Error};

use crate::Refusal;

/// Why webpki refuses a certificate, as the end of a sentence.
pub(crate) fn of(error: &Error) -> String {
    match error {
        Error::InvalidCertRevocationList(why) => of_list(why).to_owned(),
        Error::InvalidCertificate(CertificateError::Other(other)) => other_reason(&format!("{other:?}")),
        Error::InvalidCertificate(why) => of_certificate(error, why).to_owned(),
        Error::InappropriateMessage { .. } | Error::InvalidMessage(_) | Error::AlertReceived(_) => {
            "the messages of the handshake are larger than TLS allows".to_owned()
        }
        Error::General(why) => why.clone(),
        _ => "it can't be used for TLS".to_owned(),
    }
}

fn of_certificate(error: &Error, why: &CertificateError) -> &'static str {
    use CertificateError as Why;
    match why {
        Why::BadSignature => "it is not signed with the key of the authority that it names",
        Why::UnsupportedSignatureAlgorithmContext { .. }
        | Why::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "a signature or key in its chain is of a kind that is not supported"
        }
        _ => match Refusal::of_tls(error) {
            Refusal::Expired => "a certificate of its chain has expired",
            Refusal::NotYetValid => "a certificate of its chain is not valid yet",
            Refusal::WrongPurpose => "a certificate of its chain is for another use (extended key usage)",
            Refusal::WrongName => "it does not have the name that is looked for",
            Refusal::Revoked => "a certificate of its chain is revoked by the lists in crl",
            Refusal::UnknownAuthority => "its chain does not lead to an authority in caCert",
            Refusal::RevocationUnknown => "a list of an authority in its chain is missing in crl",
            Refusal::RevocationListExpired => "a list in crl is stale",
            _ => "it is malformed",
        },
    }
}

fn of_list(why: &CertRevocationListError) -> &'static str {
    use CertRevocationListError as Why;
    match why {
        Why::BadSignature => "a list in crl is not signed with the key of the authority that it names",
        Why::UnsupportedSignatureAlgorithmContext { .. }
        | Why::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "a list in crl has a signature of a kind that is not supported"
        }
        Why::IssuerInvalidForCrl => "a list in crl is of an authority whose key usage lacks cRLSign",
        _ => "a list in crl is of a kind that is not supported",
    }
}

/// Errors of webpki that rustls has no variants for. It does not export webpki's type, so `Debug` has to tell them apart.
fn other_reason(error: &str) -> String {
    let known = [
        (
            "UnsupportedCriticalExtension",
            "a certificate of its chain has a critical extension that is not supported",
        ),
        ("UnsupportedCertVersion", "a certificate of its chain is not of version 3"),
        ("CaUsedAsEndEntity", "it is the certificate of an authority"),
        ("EndEntityUsedAsCa", "a certificate of its chain is not that of an authority (basic constraints)"),
        (
            "PathLenConstraintViolated",
            "an authority of its chain allows fewer authorities below it (path length)",
        ),
        ("NameConstraintViolation", "an authority of its chain does not allow its names (name constraints)"),
        ("EmptyEkuExtension", "a certificate of its chain has an extended key usage with nothing in it"),
        ("MaximumPath", "there are too many certificates in its chain"),
    ];
    let found = known.iter().find(|(name, _)| error.contains(name));
    found.map_or("a certificate of its chain is malformed", |(_, words)| words).to_owned()
}
