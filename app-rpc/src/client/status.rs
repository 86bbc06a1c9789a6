//! What a client knows of the instances of its server.

use std::net::SocketAddr;

use crate::Refusal;

/// Whether an instance can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// There is no connection; it is being made, or will be.
    Connecting,
    /// There is a connection.
    Connected,
}

/// One instance of a server, as its client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceStatus {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it can be called.
    pub state: InstanceState,
    /// Why it was not connected to the last time, if the handshake said so.
    pub refusal: Option<Refusal>,
    /// The same for people.
    pub failure: Option<String>,
}
