//! A hostile client: TLS with any certificate, and any bytes.

use std::net::SocketAddr;
use std::sync::Arc;

use capnp_rpc::rpc_capnp::message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::pki::{AUTHORITY, Issued, Leaf};
use crate::stand::{NAME, PATIENCE};

/// The TLS config of a client with this certificate, or with none.
pub(crate) fn tls(
    shown: Option<&Issued>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    tls_trusting(&AUTHORITY.pem(), shown, versions)
}

/// The same, which accepts servers of this authority.
pub(crate) fn tls_trusting(
    trusted: &str,
    shown: Option<&Issued>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(roots);
    Arc::new(match shown {
        Some(issued) => {
            let chain =
                CertificateDer::pem_slice_iter(issued.cert.as_bytes()).collect::<Result<_, _>>().unwrap();
            let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
        None => builder.with_no_client_auth(),
    })
}

pub(crate) async fn connect(
    to: SocketAddr,
    tls: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    over(TcpStream::connect(to).await?, tls).await
}

/// Makes the handshake on a connected socket.
pub(crate) async fn over(
    socket: TcpStream,
    tls: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(NAME.to_string()).unwrap();
    TlsConnector::from(Arc::clone(tls)).connect(name, socket).await
}

/// A connection with a good certificate.
pub(crate) async fn connected(to: SocketAddr) -> TlsStream<TcpStream> {
    let issued = AUTHORITY.issue(Leaf::client("raw.test"));
    connect(to, &tls(Some(&issued), rustls::ALL_VERSIONS)).await.unwrap()
}

/// A server that shows this certificate, asks for none, and sends nothing. Returns its address.
pub(crate) async fn server(shown: &Issued, versions: &[&'static SupportedProtocolVersion]) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let chain = CertificateDer::pem_slice_iter(shown.cert.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
    let config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            open.extend(acceptor.accept(socket).await.ok());
        }
    });
    address
}

/// Whether the server accepts this client and answers. A TLS 1.3 client only knows then.
pub(crate) async fn is_let_in(to: SocketAddr, tls: &Arc<ClientConfig>) -> bool {
    let Ok(mut stream) = connect(to, tls).await else { return false };
    let mut request = capnp::message::Builder::new_default();
    request.init_root::<message::Builder<'_>>().init_bootstrap().set_question_id(0);
    let request = capnp::serialize::write_message_to_words(&request);
    // The result does not matter: the answer shows more.
    let _ = stream.write_all(&request).await;
    let mut byte = [0];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut byte)).await;
    matches!(read.unwrap(), Ok(1))
}
