//! Cap'n Proto RPC over mutual TLS: endpoints, which are services that others call, and clients that call them.
//!
//! Why a crate of its own: what comes over the network comes from people who may want to do harm, and TLS, certificates and what one
//! peer may take are one subject. No other crate knows TLS. What stays out: the interfaces. Each service has its own, declares an
//! endpoint for it with [`rpc_endpoint!`], and offers a client of it as a function.
//!
//! ```
//! use app_core::{prelude::*, testing::TestApp};
//! use app_rpc::{Bootstrap, Endpoint};
//! use quota_schema::quota_capnp::quota;
//! use std::rc::Rc;
//!
//! const GENEROUS: ServiceId = ServiceId::new(0x9e02_71c3_b5d4_6a18);
//!
//! app_rpc::rpc_endpoint! { id: GENEROUS, name: "generous-rpc", doc: "Who may ask.", bootstrap: bootstrap }
//!
//! // Its parameters are what the endpoint depends on, as those of a start function.
//! async fn bootstrap() -> Result<Bootstrap, Error> {
//!     Ok(Bootstrap::new(|peer| -> quota::Client { capnp_rpc::new_client(Generous(peer.clone())) }))
//! }
//!
//! /// Grants whatever is asked for, to anybody who was let in.
//! struct Generous(app_rpc::Peer);
//!
//! impl quota::Server for Generous {
//!     async fn acquire(self: Rc<Self>, _: quota::AcquireParams, mut results: quota::AcquireResults) -> capnp::Result<()> {
//!         results.get().set_granted(true);
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let app = TestApp::with([GENEROUS]).await;
//! // Without a config it does not listen; with one, it does.
//! assert_eq!(app.get::<Endpoint<{ GENEROUS.as_u64() }>>().address(), None);
//! app.stop().await.expect_clean();
//! # }
//! ```
//!
//! # Who is let in
//!
//! Both sides show certificates. A server is known by its name, `{domain}_{app}_{service}` in hex ([`RpcName`]), a client by whatever
//! names are in its certificate ([`Peer`], [`Grants`]). TLS 1.3 and 1.2; keys are ECDSA, Ed25519 or RSA; revocation lists are enforced,
//! also their expiry; nothing is resumed, so a verdict is good for one connection, which has a maximum age. Configs are followed while
//! the endpoint runs: new connections are under the new config, those that are open live on, but for those of a certificate that was
//! revoked, and grants count from the next call on ([`Peer::role_now`]). Every refusal has its reason ([`Refusal`]), is counted, and
//! logged with the address and the serial number of the certificate. `docs/RPC.md` has all of it for operators.
//!
//! # What a peer may take
//!
//! capnp-rpc has no bounds, so the network under it is ours: see [`Limits`]. Each message is judged before capnp-rpc sees it. What it
//! costs once decoded is charged to the client, over all connections of its certificate, and to the server. Calls beyond a limit are
//! refused one by one. Calls bring no capabilities unless [`Bootstrap::with_capabilities`] allows them. A peer whose machine or network
//! is gone is noticed in half a minute. Why a connection ended is counted ([`End`]). `docs/ATTACKS.md` has the figures of many attacks.
//!
//! # What is known of a call that failed
//!
//! [`CallFailure`]: a call that was not sent, or was refused, was not executed, and [`RpcClient`] tries it elsewhere by itself until its
//! deadline. To be sure of it, the server says so in words of the protocol, also when it closes a connection.
//!
//! # Operators
//!
//! Linking this crate installs the admin interface as well, an endpoint like any other: see [`admin`].
//!
//! # Threads
//!
//! capnp-rpc can't leave the thread that it began on. An endpoint has threads of its own, a client has one. Handlers run there: one
//! that blocks holds up the other connections of its thread, so it should hand work to services and wait for the answer.
//!
//! A call changes threads twice for that. One request with one answer does not have to: see [`RpcClient::request`].

mod accounts;
pub mod admin;
mod client;
mod clock;
mod config;
mod connection;
mod endpoint;
pub mod errors;
mod framing;
mod grants;
mod ids;
mod limits;
mod peer;
mod resolve;
mod server;
#[cfg(test)]
mod simulation;
mod socket;
mod text;
mod threads;
mod words;

pub use self::client::{CallError, CallFailure, InstanceState, InstanceStatus, RpcClient};
pub use self::config::{ClientConfig, EndpointConfig, RpcClientConfig, RpcServerConfig};
pub use self::connection::End;
pub use self::endpoint::{Endpoint, EndpointStart, EndpointStatus, LinkedEndpoint};
pub use self::grants::{Grants, Role};
pub use self::resolve::look_up_host;
pub use self::server::{
    Bootstrap, ENDPOINT_METRICS, RPC_CALLS_REFUSED, RPC_CONNECTIONS_ACTIVE, RPC_CONNECTIONS_ENDED,
    RPC_CONNECTIONS_ESTABLISHED, RPC_CONNECTIONS_REFUSED, ServerCounts,
};
pub use self::words::UNKNOWN_CALL;
pub use self::{limits::Limits, peer::Peer};
pub use app_tls::pem::{PemContent, PemError, PemFault, Position};
pub use app_tls::{
    Authorities, CERTIFICATE_END, Certificate, KeyPair, MaterialError, Purpose, Refusal, RpcName,
};

/// For the macros of this crate.
#[doc(hidden)]
pub mod __private {
    pub use {app_config, app_core, app_metrics, inventory};
}
