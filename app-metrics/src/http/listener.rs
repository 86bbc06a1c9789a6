//! The HTTP server in its first phase: it listens, but does not answer yet.

use crate::listening::{ListenError, Listening, listen};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpListener;

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(super) listener: TcpListener,
    address: SocketAddr,
    without_ipv6: Option<io::Error>,
}

impl Bound {
    /// Listens on `address`, or on all addresses if it is `None`. Port 0 is any free port. Needs a tokio runtime.
    pub(crate) fn bind(address: Option<IpAddr>, port: u16) -> Result<Self, ListenError> {
        let Listening { listener, address, without_ipv6 } = listen(address, port)?;
        Ok(Self { listener, address, without_ipv6 })
    }

    /// Where it listens, with the actual port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Why it listens on IPv4 alone, if all addresses were requested.
    pub(crate) fn without_ipv6(&self) -> Option<&io::Error> {
        self.without_ipv6.as_ref()
    }
}
