//! A listener that came from elsewhere, before a service has it.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
};

use rustix::net::{AddressFamily, SocketType, sockopt};

/// Where a listener came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenerOrigin {
    /// This process bound it.
    Bound,
    /// The process that started this one passed it on, such as systemd for a `.socket` unit (`LISTEN_FDS`).
    Inherited,
    /// An earlier process of this unit bound it, and the service manager kept it.
    Store,
    /// The process that this one replaced handed it over.
    Handover,
}

impl ListenerOrigin {
    /// One word for logs, tools and other processes: `bound`, `inherited`, `store` or `handover`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Inherited => "inherited",
            Self::Store => "store",
            Self::Handover => "handover",
        }
    }
}

impl fmt::Display for ListenerOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

/// A listener that is there for a service.
#[derive(Debug)]
pub(crate) struct Offer {
    /// What it is called in messages, such as `descriptor 3`.
    pub(crate) label: String,
    /// The name that came with it.
    pub(crate) name: Option<String>,
    pub(crate) socket: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) origin: ListenerOrigin,
}

impl Offer {
    /// Takes a socket, if it is one that clients can connect to over TCP.
    ///
    /// # Errors
    /// What it is instead.
    pub(crate) fn new(
        label: String,
        name: Option<String>,
        socket: TcpListener,
        origin: ListenerOrigin,
    ) -> Result<Self, String> {
        let address = check(&socket).map_err(|wrong| format!("{label} {wrong}"))?;
        let failed = |error: io::Error| format!("{label} cannot be used: {error}");
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Self { label, name, socket, address, origin })
    }

    /// The listener with its name and address, for messages.
    pub(crate) fn describe(&self) -> String {
        let Self { label, address, .. } = self;
        match &self.name {
            Some(name) => format!("{label} ({name:?}, {address})"),
            None => format!("{label} (without a name, {address})"),
        }
    }
}

/// The address of a TCP socket that listens.
fn check(socket: &TcpListener) -> Result<SocketAddr, String> {
    let unknown = |error: rustix::io::Errno| format!("is no socket: {error}");
    let domain = sockopt::socket_domain(socket).map_err(unknown)?;
    let kind = sockopt::socket_type(socket).map_err(unknown)?;
    if ![AddressFamily::INET, AddressFamily::INET6].contains(&domain) || kind != SocketType::STREAM {
        return Err("is no TCP socket".to_owned());
    }
    if !sockopt::socket_acceptconn(socket).map_err(unknown)? {
        let state = if sockopt_peer(socket) { "is a connection" } else { "does not listen" };
        return Err(format!("{state}: a TCP socket that listens is expected"));
    }
    socket.local_addr().map_err(|error| format!("has no address: {error}"))
}

fn sockopt_peer(socket: &TcpListener) -> bool {
    rustix::net::getpeername(socket).is_ok_and(|peer| peer.is_some())
}
