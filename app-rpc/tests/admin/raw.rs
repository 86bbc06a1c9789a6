//! A client that writes its messages itself, and closes at any time.

use std::sync::Arc;

use capnp::any_pointer;
use capnp::message::Builder;
use capnp_rpc::rpc_capnp::message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use app_rpc::Role;

use crate::stand::{NAME, ca_pem, certificate};

/// The target of a call.
#[derive(Clone, Copy)]
pub(crate) enum On {
    /// The result of the bootstrap question 0.
    App,
    /// The capability in the result of this question.
    ResultOf(u32),
}

/// The messages of a connection, from its bootstrap on.
pub(crate) struct Messages(Vec<u8>);

impl Messages {
    pub(crate) fn new() -> Self {
        let mut bootstrap = Builder::new_default();
        bootstrap.init_root::<message::Builder<'_>>().init_bootstrap().set_question_id(0);
        Self(capnp::serialize::write_message_to_words(&bootstrap))
    }

    pub(crate) fn call(
        mut self,
        question: u32,
        on: On,
        (interface, method): (u64, u16),
        params: impl FnOnce(any_pointer::Builder<'_>),
    ) -> Self {
        let mut message = Builder::new_default();
        let mut call = message.init_root::<message::Builder<'_>>().init_call();
        call.set_question_id(question);
        call.set_interface_id(interface);
        call.set_method_id(method);
        let mut target = call.reborrow().init_target().init_promised_answer();
        match on {
            On::App => target.set_question_id(0),
            On::ResultOf(question) => {
                target.set_question_id(question);
                target.init_transform(1).get(0).set_get_pointer_field(0);
            }
        }
        params(call.init_params().get_content());
        self.0.extend(capnp::serialize::write_message_to_words(&message));
        self
    }

    pub(crate) fn finish(mut self, question: u32) -> Self {
        let mut message = Builder::new_default();
        let mut finish = message.init_root::<message::Builder<'_>>().init_finish();
        finish.set_question_id(question);
        finish.set_release_result_caps(true);
        self.0.extend(capnp::serialize::write_message_to_words(&message));
        self
    }

    /// Sends the messages at once, on a new connection, which stays open.
    pub(crate) async fn send(self, to: SocketAddr, role: Role) -> TlsStream<TcpStream> {
        let mut stream = connect(to, role).await;
        stream.write_all(&self.0).await.unwrap();
        stream.flush().await.unwrap();
        stream
    }

    /// Sends the messages, and closes the connection right after them.
    pub(crate) async fn send_and_close(self, to: SocketAddr, role: Role) {
        self.send(to, role).await.shutdown().await.unwrap();
    }

    /// Sends the messages without the bootstrap, on an open connection.
    pub(crate) async fn send_on(self, stream: &mut TlsStream<TcpStream>) {
        let without = &self.0[Self::new().0.len()..];
        stream.write_all(without).await.unwrap();
        stream.flush().await.unwrap();
    }
}

async fn connect(to: SocketAddr, role: Role) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let issued = certificate(role);
    let chain =
        CertificateDer::pem_slice_iter(issued.certificate.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(&issued.key).unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let name = ServerName::try_from(NAME.to_string()).unwrap();
    let socket = TcpStream::connect(to).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
}
