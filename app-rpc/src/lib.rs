//! Cap'n Proto RPC over mutual TLS: endpoints of services.

mod client;
mod config;
mod connection;
mod endpoint;
pub mod errors;
mod framing;
mod grants;
mod limits;
mod name;
mod peer;
mod server;
mod threads;
mod tls;

pub use self::client::{CallError, CallFailure, InstanceState, InstanceStatus, RpcClient};
pub use self::config::{ClientConfig, EndpointConfig, RpcClientConfig, RpcServerConfig};
pub use self::connection::End;
pub use self::endpoint::{Endpoint, EndpointStart};
pub use self::grants::{Grants, Role};
pub use self::limits::Limits;
pub use self::name::RpcName;
pub use self::peer::Peer;
pub use self::server::{
    Bootstrap, RPC_CALLS_REFUSED, RPC_CONNECTIONS_ACTIVE, RPC_CONNECTIONS_ENDED, RPC_CONNECTIONS_ESTABLISHED,
    RPC_CONNECTIONS_REFUSED, ServerCounts,
};
pub use self::tls::{Authorities, Certificate, KeyPair, MaterialError, Purpose, Refusal};

/// For the macros of this crate.
#[doc(hidden)]
pub mod __private {
    pub use {app_config, app_core, inventory};
}
