//! The client at the other end of a connection.

use std::net::SocketAddr;

use crate::{Certificate, Role};

/// A client that was let in: who it is by its certificate, and what it may do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Peer {
    /// Where it connected from.
    pub address: SocketAddr,
    /// Its certificate.
    pub certificate: Certificate,
    /// What it may do, as it was when it connected.
    pub role: Role,
}
