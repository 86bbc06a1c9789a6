//! Plain capnp-rpc on one thread with a buffered writer. It has no limits, and exchanges no messages with other threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use capnp_rpc::RpcSystem;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use futures_util::io::{AsyncReadExt, BufReader, BufWriter};
use quota_schema::quota_capnp::quota;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, LocalSet, spawn_local};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::control::{Commands, announce};
use super::load::{self, Load, Shape};
use super::material::Material;
use super::platform::{self, Granting};
use crate::rounds::Failure;

fn on_one_thread(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, work)
}

fn network<S: AsyncRead + AsyncWrite + 'static>(
    stream: S,
    side: Side,
) -> Box<VatNetwork<impl futures_util::AsyncRead + Unpin>> {
    let (reader, writer) = stream.compat().split();
    Box::new(VatNetwork::new(
        BufReader::new(reader),
        BufWriter::new(writer),
        side,
        platform::reader_options(),
    ))
}

/// The server. It runs until the process ends.
pub(super) fn server(material: &Material, commands: Commands) -> Result<(), Failure> {
    super::one_cipher_suite()?;
    on_one_thread(async {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(material.authority.as_bytes())?)?;
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build()?;
        let config = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(
            vec![CertificateDer::from_pem_slice(material.server.certificate.as_bytes())?],
            PrivateKeyDer::from_pem_slice(material.server.key.as_bytes())?,
        )?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("0.0.0.0:0").await?;
        announce(listener.local_addr()?.port());
        spawn_local(commands.until_the_end());
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let acceptor = acceptor.clone();
            spawn_local(async move {
                let Ok(stream) = acceptor.accept(socket).await else { return };
                let quota: quota::Client = capnp_rpc::new_client(Granting);
                let _ = RpcSystem::new(network(stream, Side::Server), Some(quota.client)).await;
            });
        }
    })
}

/// The client. It calls on request, until the process ends.
pub(super) fn client(material: &Material, port: u16, commands: Commands) -> Result<(), Failure> {
    on_one_thread(async {
        let connector = connector(material)?;
        let mut clients: Vec<quota::Client> = Vec::new();
        commands
            .obey(async |shape, time| {
                while clients.len() < shape.connections {
                    clients.push(connect(&connector, material, port).await?);
                }
                run(&clients[..shape.connections], shape, time).await
            })
            .await;
        Ok(())
    })
}

/// The TLS config of a client, the same as in app-rpc.
pub(super) fn connector(material: &Material) -> Result<TlsConnector, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(material.authority.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(material.client.certificate.as_bytes())?],
            PrivateKeyDer::from_pem_slice(material.client.key.as_bytes())?,
        )?;
    Ok(TlsConnector::from(Arc::new(config)))
}

/// One connection, on a `LocalSet`.
pub(super) async fn connect(
    connector: &TlsConnector,
    material: &Material,
    port: u16,
) -> Result<quota::Client, Failure> {
    let socket = TcpStream::connect(("127.0.0.1", port)).await?;
    socket.set_nodelay(true)?;
    let name = ServerName::try_from(material.server_name.clone())?;
    let stream = connector.connect(name, socket).await?;
    let suite = stream.get_ref().1.negotiated_cipher_suite().map(|suite| suite.suite());
    if suite != Some(super::CIPHER_SUITE) {
        return Err(format!("the server chose {suite:?}, not {:?}", super::CIPHER_SUITE).into());
    }
    let mut system = RpcSystem::new(network(stream, Side::Client), None);
    let client = system.bootstrap(Side::Server);
    spawn_local(system);
    Ok(client)
}

async fn run(clients: &[quota::Client], shape: Shape, time: Duration) -> Result<Load, Failure> {
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for at in 0..shape.connections * shape.in_flight {
        let client = clients[at % clients.len()].clone();
        callers.spawn_local(load::caller(began + time, move || acquire(client.clone())));
    }
    load::gathered(began, callers).await
}

pub(super) async fn acquire(client: quota::Client) -> Result<(), Failure> {
    let answer = platform::call(client).await?;
    load::check(answer.0, answer.1, answer.2)
}
