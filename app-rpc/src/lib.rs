//! Cap'n Proto RPC over mutual TLS: endpoints, which are services for callers outside, and clients of such endpoints.
//!
//! Why a crate of its own: bytes from the network may come from an attacker, and the limits for peers are one subject. What stays
//! out: certificates and the TLS configs (`app-tls`), making certificates (`app-pki`), and the interfaces. Each service has its own
//! interface, declares an endpoint for it with [`rpc_endpoint!`], and a client, in a crate of its own, with [`rpc_client!`].
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
//! // Its parameters are the dependencies of the endpoint, as in a start function.
//! async fn bootstrap() -> Result<Bootstrap, Error> {
//!     Ok(Bootstrap::new(|peer| -> quota::Client { capnp_rpc::new_client(Generous(peer.clone())) }))
//! }
//!
//! /// Grants every request of every accepted client.
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
//! # Accepted clients
//!
//! Both sides show certificates. The certificate of a server has the name `{domain}_{app}_{service}` in hex ([`RpcName`]). A client is
//! identified by the names in its certificate ([`Peer`], [`Grants`]). Revocation lists are enforced, and so is their expiry. Nothing is
//! resumed, so a decision holds for one connection, which has a maximum age.
//!
//! An endpoint follows its config while it runs. New connections use the new config. Open connections stay, except those of a revoked
//! certificate. Grants count from the next call on ([`Peer::role_now`]). Every refusal has a reason ([`Refusal`]). It is counted, and
//! logged with the address and the serial number of the certificate. `docs/RPC.md` has the details for operators.
//!
//! # Limits of a peer
//!
//! capnp-rpc has no limits, so this crate has its own network layer under it: see [`Limits`]. Each message is checked before capnp-rpc
//! sees it. Its memory is charged to the client, over all connections of its certificate, and to the server. Calls beyond a limit are
//! refused one by one. Calls may bring no capabilities unless [`Bootstrap::with_capabilities`] allows them. A peer with a failed
//! machine or network is noticed in half a minute. The reason of each end is counted ([`End`]). `docs/ATTACKS.md` has the figures of
//! many attacks.
//!
//! # Failed calls
//!
//! [`CallFailure`] says whether a failed call was executed. A call that was not sent, or was refused, was not executed, and
//! [`RpcClient`] retries it elsewhere until its deadline. To make this certain, the server marks refusals in the protocol, even when it
//! closes a connection.
//!
//! # Operators
//!
//! Linking this crate also installs the admin interface, which is an endpoint like any other: see [`admin`].
//!
//! # Threads
//!
//! capnp-rpc can't leave the thread that it began on. An endpoint has threads of its own, and a client has one. A handler that blocks
//! delays the other connections of its thread, so it should await. [`RpcClient::request`] saves the client its change of threads.

mod accounts;
pub mod admin;
mod client;
mod client_service;
mod clock;
mod config;
mod connection;
mod endpoint;
mod error_form;
pub mod errors;
mod exception;
mod extra;
mod framing;
mod grants;
mod handlers;
mod ids;
mod limits;
mod linked_client;
mod measured;
mod methods;
mod peer;
mod queue;
mod resolve;
mod server;
#[cfg(test)]
mod simulation;
mod socket;
pub mod testing;
mod text;
mod threads;
mod trailer;
mod words;

pub use self::client::{CLIENT_METRICS, CallError, CallFailure, InstanceState, InstanceStatus, RpcClient};
pub use self::client_service::{ClientType, start_client};
pub use self::config::{ClientConfig, EndpointConfig, RpcClientConfig, RpcServerConfig};
pub use self::connection::End;
pub use self::endpoint::{Endpoint, EndpointStart, EndpointStatus, LinkedEndpoint};
pub use self::error_form::{read_error, write_error};
pub use self::exception::{exception, exception_error, exception_text};
pub use self::extra::deadline;
pub use self::grants::{Grants, Role};
pub use self::measured::{
    RPC_CALL_SECONDS, RPC_CALLS, RPC_CALLS_IN_FLIGHT, RPC_CLIENT_CALL_SECONDS, RPC_CLIENT_CALLS,
    RPC_CLIENT_CALLS_IN_FLIGHT,
};
pub use self::methods::{MethodNames, method_name};
pub use self::resolve::look_up_host;
pub use self::server::{
    Bootstrap, ENDPOINT_METRICS, RPC_CALL_REFUSALS, RPC_CALLS_REFUSED, RPC_CONNECTIONS_ACTIVE,
    RPC_CONNECTIONS_ENDED, RPC_CONNECTIONS_ESTABLISHED, RPC_CONNECTIONS_REFUSED, ServerCounts,
};
pub use self::words::UNKNOWN_CALL;
pub use self::{limits::Limits, linked_client::LinkedClient, peer::Peer};
pub use app_tls::pem::{PemContent, PemError, PemFault, Position};
pub use app_tls::{
    Authorities, CERTIFICATE_END, Certificate, KeyPair, MaterialError, Purpose, Refusal, RpcName,
};

/// Used by the macros of this crate.
#[doc(hidden)]
pub mod __private {
    pub use crate::client_service::checked_client;
    pub use {app_config, app_core, app_metrics, inventory};
}
