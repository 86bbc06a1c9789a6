//! What a client knows about the instances of its server.

use std::net::SocketAddr;

use crate::Refusal;

/// Whether a client is connected to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstanceState {
    /// There is no connection. The client keeps trying.
    Connecting,
    /// There is a connection.
    Connected,
}

/// One instance of a server, as its client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceStatus {
    /// The instance's address.
    pub address: SocketAddr,
    /// Whether the client is connected to it.
    pub state: InstanceState,
    /// Why the last attempt to connect was refused, if the handshake told.
    pub refusal: Option<Refusal>,
    /// Why the last attempt to connect failed, as text.
    pub failure: Option<String>,
}
