//! TLS alerts in words: all that a peer tells about this side's certificate.

use rustls::AlertDescription;

/// What an alert of the other side means.
#[must_use]
pub fn alert_text(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    let certificate = match alert {
        Alert::CertificateExpired => "it has expired, by the clock there",
        Alert::CertificateUnknown => {
            "it is not valid yet, by the clock there, or not good for another reason"
        }
        Alert::CertificateRevoked => "it was revoked",
        Alert::UnknownCA => {
            "it is of no authority that is trusted there, or a certificate in between is missing"
        }
        Alert::UnsupportedCertificate => "it is not for this purpose",
        Alert::AccessDenied => "a revocation list there is stale",
        Alert::BadCertificateStatusResponse => "no revocation list there says of it",
        Alert::BadCertificate => {
            "it is malformed, has another name, or its chain is too long or in the wrong order"
        }
        Alert::DecryptError => "it is not signed with the key that is trusted there",
        Alert::CertificateRequired | Alert::NoCertificate => "none was shown",
        Alert::ProtocolVersion | Alert::HandshakeFailure => {
            return "no TLS version or cipher in common; both sides need TLS 1.3 or 1.2".to_owned();
        }
        other => return format!("the other side ended the connection (alert {})", u8::from(other)),
    };
    format!("the other side does not accept our certificate: {certificate}")
}
