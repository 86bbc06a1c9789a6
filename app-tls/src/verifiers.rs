//! Verifiers of peers, which also record the peer's certificate and the reason of a refusal.
//!
//! webpki decides. The verifiers add the reason in words that help to correct it. They also choose the alert for each kind of
//! reason, because the alert is all that the peer learns.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::rejection::{self, RejectedPeer};
use crate::{Authorities, Certificate, Purpose, Refusal};

tokio::task_local! {
    /// The record of the handshake of this task.
    static RECORD: RefCell<HandshakeRecord>;
}

/// What happened in a handshake.
#[derive(Default)]
#[non_exhaustive]
pub struct HandshakeRecord {
    /// The certificate of the peer, accepted or not. `None` if it showed none, or one that can't be read.
    pub certificate: Option<Certificate>,
    /// Why the certificate was refused, as a value and in words.
    pub rejection: Option<(Refusal, String)>,
}

/// Runs a handshake, and returns its result with its record. The record is there after a refusal too.
pub async fn record_handshake<F: Future>(handshake: F) -> (F::Output, HandshakeRecord) {
    let scope = RECORD.scope(RefCell::default(), async {
        let result = handshake.await;
        (result, RECORD.with(RefCell::take))
    });
    scope.await
}

/// Records the certificate and the reason of a refusal. The error for rustls becomes one with the alert for this reason.
fn record<T>(result: Result<T, Error>, evidence: &RejectedPeer<'_>) -> Result<T, Error> {
    let certificate = Certificate::parse(evidence.leaf);
    let Err(error) = result else {
        // Outside of `record_handshake` there is no record.
        let _ = RECORD.try_with(|shown| shown.borrow_mut().certificate = certificate);
        return result;
    };
    let (why, words) = rejection::of(&error, certificate.as_ref(), evidence);
    let _ = RECORD.try_with(|shown| {
        *shown.borrow_mut() = HandshakeRecord { certificate, rejection: Some((why, words)) };
    });
    Err(with_alert(why, error))
}

/// An error with the alert that tells the peer the reason, as far as TLS has one.
fn with_alert(why: Refusal, error: Error) -> Error {
    use CertificateError as Alert;
    Error::InvalidCertificate(match why {
        // certificate_unknown: TLS has no alert for this reason. Other software uses the alert for an expired certificate.
        Refusal::NotYetValid => Alert::Other(rustls::OtherError(Arc::new(NotYetValid))),
        // access_denied
        Refusal::RevocationListExpired => Alert::ApplicationVerificationFailure,
        // bad_certificate_status_response
        Refusal::RevocationUnknown => Alert::InvalidOcspResponse,
        // bad_certificate
        Refusal::WrongOrder | Refusal::ChainTooLong => Alert::BadEncoding,
        _ => return error,
    })
}

#[derive(Debug)]
struct NotYetValid;

impl fmt::Display for NotYetValid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate is not valid yet")
    }
}

impl std::error::Error for NotYetValid {}

/// Checks the certificates of clients.
#[derive(Debug)]
pub(crate) struct ClientVerifier {
    webpki: Arc<dyn ClientCertVerifier>,
    authorities: Authorities,
}

impl ClientVerifier {
    pub(crate) fn new(authorities: &Authorities, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        Ok(Self { webpki: authorities.verifier_of_clients(provider)?, authorities: authorities.clone() })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let authorities = &self.authorities;
        let evidence = RejectedPeer { leaf, between, now, authorities, purpose: Purpose::Client, name: None };
        record(self.webpki.verify_client_cert(leaf, between, now), &evidence)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Checks the certificates of servers.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    webpki: Arc<WebPkiServerVerifier>,
    authorities: Authorities,
}

impl ServerVerifier {
    pub(crate) fn new(authorities: &Authorities, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        Ok(Self { webpki: authorities.verifier_of_servers(provider)?, authorities: authorities.clone() })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let authorities = &self.authorities;
        let evidence = RejectedPeer {
            leaf,
            between,
            now,
            authorities,
            purpose: Purpose::Server,
            name: Some(name.to_str()),
        };
        record(self.webpki.verify_server_cert(leaf, between, name, ocsp, now), &evidence)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
