//! The server's side of TLS.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

use super::{Authorities, Certificate, KeyPair, provider};

tokio::task_local! {
    /// The certificate that the client of this handshake showed, before anything is said of it.
    static SHOWN: RefCell<Option<Certificate>>;
}

/// What a server agrees to.
pub(crate) fn server_config(
    key_pair: &KeyPair,
    clients: &Authorities,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let verifier = Arc::new(Witness(clients.verifier_of_clients()?));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key_pair.certified())));
    // A resumed session has the verdict of the first one.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Runs a handshake, and gives the certificate that was shown in it, also when it was refused.
pub(crate) async fn witnessed<F: Future>(handshake: F) -> (F::Output, Option<Certificate>) {
    let scope = SHOWN.scope(RefCell::default(), async {
        let result = handshake.await;
        (result, SHOWN.with(RefCell::take))
    });
    scope.await
}

/// Notes whose certificate is shown, and leaves the verdict to webpki.
struct Witness(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Witness {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // Outside of `witnessed` nobody asks.
        let _ = SHOWN.try_with(|shown| shown.replace(Certificate::parse(end_entity)));
        self.0.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
