//! Notes what a peer shows in a handshake, and what is wrong with it.
//!
//! webpki judges. What is added here is the reason in our own words, with what it takes to find the cure, and an alert of its own
//! for each kind of reason: the alert is all that the peer learns.

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
    /// What the peer of this handshake showed.
    static RECORD: RefCell<HandshakeRecord>;
}

/// What the peer of a handshake showed.
#[derive(Default)]
#[non_exhaustive]
pub struct HandshakeRecord {
    /// Its certificate, before anything is said of it.
    pub certificate: Option<Certificate>,
    /// Why it is refused.
    pub rejection: Option<(Refusal, String)>,
}

/// Runs a handshake, and gives what was shown in it, also when it was refused.
pub async fn record_handshake<F: Future>(handshake: F) -> (F::Output, HandshakeRecord) {
    let scope = RECORD.scope(RefCell::default(), async {
        let result = handshake.await;
        (result, RECORD.with(RefCell::take))
    });
    scope.await
}

/// Notes what was shown and the verdict. The error that is left for rustls is made of the reason.
fn note<T>(judged: Result<T, Error>, evidence: &RejectedPeer<'_>) -> Result<T, Error> {
    let certificate = Certificate::parse(evidence.leaf);
    let Err(error) = judged else {
        // Outside of `witnessed` nobody asks.
        let _ = RECORD.try_with(|shown| shown.borrow_mut().certificate = certificate);
        return judged;
    };
    let (why, words) = rejection::of(&error, certificate.as_ref(), evidence);
    let _ = RECORD.try_with(|shown| {
        *shown.borrow_mut() = HandshakeRecord { certificate, rejection: Some((why, words)) };
    });
    Err(with_alert(why, error))
}

/// An error whose alert tells the peer the reason, as far as TLS has names for it.
fn with_alert(why: Refusal, error: Error) -> Error {
    use CertificateError as Alert;
    Error::InvalidCertificate(match why {
        // certificate_unknown; others have no name for it, or that of an expired one.
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

/// Judges clients.
#[derive(Debug)]
pub(crate) struct ClientVerifier {
    judge: Arc<dyn ClientCertVerifier>,
    authorities: Authorities,
}

impl ClientVerifier {
    pub(crate) fn new(authorities: &Authorities, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        Ok(Self { judge: authorities.verifier_of_clients(provider)?, authorities: authorities.clone() })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.judge.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let authorities = &self.authorities;
        let evidence = RejectedPeer { leaf, between, now, authorities, purpose: Purpose::Client, name: None };
        note(self.judge.verify_client_cert(leaf, between, now), &evidence)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

/// Judges servers.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    judge: Arc<WebPkiServerVerifier>,
    authorities: Authorities,
}

impl ServerVerifier {
    pub(crate) fn new(authorities: &Authorities, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        Ok(Self { judge: authorities.verifier_of_servers(provider)?, authorities: authorities.clone() })
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
        note(self.judge.verify_server_cert(leaf, between, name, ocsp, now), &evidence)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}
