//! Cap'n Proto RPC over mutual TLS: endpoints, which are services for callers outside, and clients of such endpoints.
//!
//! Why a crate of its own: bytes from the network may come from an attacker, and the limits for peers are one subject. What stays
//! out: certificates and the TLS configs (`app-tls`), making certificates (`app-pki`), and the interfaces. Each service has its own
//! interface, declares an endpoint for it with [`rpc_endpoint!`], and a client, in a crate of its own, with [`rpc_client!`].
//!
//! ```
//! use app_core::{prelude::*, testing::TestApp};
//! use app_rpc::{Bootstrap, Endpoint, capnp, capnp_rpc};
//! use quota_schema::quota_capnp::quota;
//! use std::rc::Rc;
//!
//! const GENEROUS: ServiceId = ServiceId::new(0x9e02_71c3_b5d4_6a18);
//!
//! app_rpc::rpc_endpoint! { id: GENEROUS, name: "generous-rpc", doc: "Who may ask.", bootstrap: bootstrap }
//!
//! async fn bootstrap() -> Result<Bootstrap, Error> {
//!     Ok(Bootstrap::new(|peer| -> quota::Client { capnp_rpc::new_client(Generous(peer.clone())) }))
//! }
//!
//! struct Generous(app_rpc::Peer);
//!
//! impl quota::Server for Generous {
//!     async fn acquire(self: Rc<Self>, _: quota::AcquireParams, mut results: quota::AcquireResults) -> capnp::Result<()> {
//!         results.get().set_granted(true);
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
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
//! An endpoint follows its config while it runs: new connections use the new config, grants count from the next call on
//! ([`Peer::role_now`]). Every refusal has a reason ([`Refusal`]), which is counted and logged. `docs/RPC.md` has the details.
//!
//! # Limits, failures and threads
//!
//! capnp-rpc has no limits, so this crate has its own network layer under it: see [`Limits`]. Each message is checked, and its memory is
//! charged to the client, before capnp-rpc sees it. The reason of each end is counted ([`End`]). `docs/ATTACKS.md` has figures.
//!
//! [`CallFailure`] says whether a failed call was executed; if not, [`RpcClient`] retries it until its deadline. A handler fails with an
//! [`exception()`], and its error keeps its id ([`CallError::is`]). Deadlines travel with calls ([`deadline`]).
//!
//! capnp-rpc can't leave the thread that it began on. An endpoint has threads of its own, and a client has one. A handler that blocks
//! delays the other connections of its thread, so it should await. Linking the crate also installs the admin interface: see [`admin`].
//! For your own interfaces, use [`capnp`] and [`capnp_rpc`] from here: they fit the code that `app-build` generates.

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
mod spans;
pub mod testing;
mod text;
mod threads;
mod trailer;
mod words;

pub use self::client::{CLIENT_METRICS, CallError, CallFailure, InstanceState, InstanceStatus, RpcClient};
pub use self::client_service::{ClientType, start_client};
pub use self::config::{ClientConfig, EndpointConfig, RpcClientConfig, RpcServerConfig};
pub use self::endpoint::{Endpoint, EndpointStart, EndpointStatus, LinkedEndpoint};
pub use self::error_form::{read_error, write_error};
pub use self::exception::{exception, exception_error, exception_text};
pub use self::grants::{Grants, Role};
pub use self::measured::{
    RPC_CALL_SECONDS, RPC_CALLS, RPC_CALLS_IN_FLIGHT, RPC_CLIENT_CALL_SECONDS, RPC_CLIENT_CALLS,
    RPC_CLIENT_CALLS_IN_FLIGHT,
};
pub use self::methods::{MethodNames, method_name};
pub use self::server::{
    Bootstrap, ENDPOINT_METRICS, RPC_CALL_REFUSALS, RPC_CALLS_REFUSED, RPC_CONNECTIONS_ACTIVE,
    RPC_CONNECTIONS_ENDED, RPC_CONNECTIONS_ESTABLISHED, RPC_CONNECTIONS_REFUSED, ServerCounts,
};
pub use self::{connection::End, extra::deadline, limits::Limits, linked_client::LinkedClient, peer::Peer};
pub use app_tls::pem::{PemContent, PemError, PemFault, Position};
pub use app_tls::{Authorities, CERTIFICATE_END, Certificate, KeyPair};
pub use app_tls::{MaterialError, Purpose, Refusal, RpcName};
pub use {capnp, capnp_rpc, resolve::look_up_host, words::UNKNOWN_CALL};

/// Used by the macros of this crate.
#[doc(hidden)]
pub mod __private {
    pub use crate::{client_service::checked_client, endpoint::listen_place};
    pub use {app_config, app_core, app_metrics, inventory};
}
