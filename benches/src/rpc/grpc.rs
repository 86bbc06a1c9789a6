//! tonic with mutual TLS and its defaults, without a router, layers or Nagle's delay. The code that `tonic-build` would generate is
//! written by hand.

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use prost::Message;
use tokio::task::JoinSet;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{Service, http};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::control::{Commands, announce, multi_thread};
use super::load::{self, KEY, Load, PERMITS, REMAINING, RETRY_AFTER_MILLIS, RULE, Shape};
use super::material::Material;
use crate::rounds::Failure;

const ACQUIRE: &str = "/bench.Quota/Acquire";

#[derive(Clone, PartialEq, Message)]
struct AcquireRequest {
    #[prost(string, tag = "1")]
    rule: String,
    #[prost(string, tag = "2")]
    key: String,
    #[prost(uint32, tag = "3")]
    permits: u32,
}

#[derive(Clone, PartialEq, Message)]
struct AcquireResponse {
    #[prost(bool, tag = "1")]
    granted: bool,
    #[prost(uint32, tag = "2")]
    remaining: u32,
    #[prost(uint32, tag = "3")]
    retry_after_millis: u32,
}

/// A server that grants every call.
struct GrantAll;

impl UnaryService<AcquireRequest> for GrantAll {
    type Response = AcquireResponse;
    type Future = std::future::Ready<Result<Response<AcquireResponse>, Status>>;

    fn call(&mut self, request: Request<AcquireRequest>) -> Self::Future {
        let asked = request.into_inner();
        std::future::ready(Ok(Response::new(AcquireResponse {
            granted: asked.rule == RULE && asked.key == KEY && asked.permits == PERMITS,
            remaining: REMAINING,
            retry_after_millis: RETRY_AFTER_MILLIS,
        })))
    }
}

#[derive(Clone)]
struct QuotaServer;

impl NamedService for QuotaServer {
    const NAME: &'static str = "bench.Quota";
}

impl Service<http::Request<tonic::body::Body>> for QuotaServer {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = tonic::codegen::BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move {
            if request.uri().path() != ACQUIRE {
                return Ok(Status::unimplemented("unknown method").into_http());
            }
            let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
            Ok(grpc.unary(GrantAll, request).await)
        })
    }
}

/// The server. It runs until the process ends.
pub(super) fn server(material: &Material, commands: Commands) -> Result<(), Failure> {
    super::one_cipher_suite()?;
    multi_thread()?.block_on(async {
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(&material.server.certificate, &material.server.key))
            .client_ca_root(Certificate::from_pem(&material.authority));
        let incoming = TcpIncoming::bind(([0, 0, 0, 0], 0).into())?.with_nodelay(Some(true));
        announce(incoming.local_addr()?.port());
        let serving =
            Server::builder().tcp_nodelay(true).tls_config(tls)?.serve_with_incoming(QuotaServer, incoming);
        tokio::select! {
            ended = serving => Ok(ended?),
            () = commands.until_the_end() => Ok(()),
        }
    })
}

/// The client. It calls on request, until the process ends.
pub(super) fn client(material: &Material, port: u16, commands: Commands) -> Result<(), Failure> {
    super::one_cipher_suite()?;
    multi_thread()?.block_on(async {
        let mut channels: Vec<Channel> = Vec::new();
        commands
            .obey(async |shape, time| {
                while channels.len() < shape.connections {
                    channels.push(connect(material, port).await?);
                }
                run(&channels[..shape.connections], shape, time).await
            })
            .await;
        Ok(())
    })
}

/// One connection.
pub(super) async fn connect(material: &Material, port: u16) -> Result<Channel, Failure> {
    let tls = ClientTlsConfig::new()
        .identity(Identity::from_pem(&material.client.certificate, &material.client.key))
        .ca_certificate(Certificate::from_pem(&material.authority))
        .domain_name(&material.server_name);
    let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{port}"))?;
    Ok(endpoint.tcp_nodelay(true).tls_config(tls)?.connect().await?)
}

async fn run(channels: &[Channel], shape: Shape, time: Duration) -> Result<Load, Failure> {
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for at in 0..shape.connections * shape.in_flight {
        let channel = channels[at % channels.len()].clone();
        callers.spawn(load::caller(began + time, move || acquire(channel.clone())));
    }
    load::gathered(began, callers).await
}

pub(super) async fn acquire(channel: Channel) -> Result<(), Failure> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await?;
    let request = AcquireRequest { rule: RULE.to_owned(), key: KEY.to_owned(), permits: PERMITS };
    let codec = ProstCodec::<AcquireRequest, AcquireResponse>::default();
    let answer =
        grpc.unary(Request::new(request), PathAndQuery::from_static(ACQUIRE), codec).await?.into_inner();
    load::check(answer.granted, answer.remaining, answer.retry_after_millis)
}
