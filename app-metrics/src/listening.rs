//! Listening on one address, or on all addresses of the machine: for the HTTP server, and for RPC endpoints above.
//!
//! All addresses are one socket for IPv6 and IPv4. Where IPv6 is missing, switched off or forbidden, it is IPv4 alone: a
//! machine without IPv6 and a filter that refuses it are no reason not to start.

#[cfg(test)]
mod tests;

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpListener;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1_024;

/// Ports below this one take a privilege.
const FIRST_FREE_PORT: u16 = 1_024;

/// The user lacks a privilege; a filter that forbids a call mostly says `EPERM`. The standard library has one kind for both.
const EACCES: i32 = 13;

/// A socket that listens.
#[derive(Debug)]
pub struct Listening {
    /// Accepts connections.
    pub listener: TcpListener,
    /// Where it listens, with the port that it got.
    pub address: SocketAddr,
    /// Why it listens on IPv4 alone, where all addresses were asked for.
    pub without_ipv6: Option<io::Error>,
}

/// Why nothing listens, and on which address.
#[derive(Debug)]
pub struct ListenError {
    /// Where it was tried last.
    pub address: SocketAddr,
    /// What the system said.
    pub error: io::Error,
}

/// Listens on `address`, or without one on all addresses; port 0 is any free one. Needs a tokio runtime.
///
/// # Errors
/// [`ListenError`] when the address can't be listened on; of all addresses, when IPv4 can't either, or the port is in use.
pub fn listen(address: Option<IpAddr>, port: u16) -> Result<Listening, ListenError> {
    choose(address, port, open)
}

/// Whether the address could be listened on if nobody else did: it is one of this machine's, and allowed to this user.
/// Nothing listens afterwards.
///
/// # Errors
/// [`ListenError`] when it could not; a port that is in use is none.
pub fn try_address(address: Option<IpAddr>, port: u16) -> Result<(), ListenError> {
    let bind = |ip: IpAddr| {
        let address = SocketAddr::new(ip, port);
        match bound(address) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => Err(ListenError { address, error }),
            _ => Ok(()),
        }
    };
    match address {
        Some(address) => bind(address),
        None => bind(Ipv6Addr::UNSPECIFIED.into()).or_else(|_| bind(Ipv4Addr::UNSPECIFIED.into())),
    }
}

fn choose(
    address: Option<IpAddr>,
    port: u16,
    open: impl Fn(SocketAddr) -> io::Result<(TcpListener, SocketAddr)>,
) -> Result<Listening, ListenError> {
    let open = |ip: IpAddr, without_ipv6| {
        let address = SocketAddr::new(ip, port);
        match open(address) {
            Ok((listener, address)) => Ok(Listening { listener, address, without_ipv6 }),
            Err(error) => Err(ListenError { address, error }),
        }
    };
    if let Some(address) = address {
        return open(address, None);
    }
    match open(Ipv6Addr::UNSPECIFIED.into(), None) {
        // Another program has the port: IPv4 alone would leave IPv6 clients to it.
        Err(failed) if failed.error.kind() == io::ErrorKind::AddrInUse => Err(failed),
        Err(failed) => open(Ipv4Addr::UNSPECIFIED.into(), Some(failed.error)),
        listening => listening,
    }
}

fn open(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = bound(address)?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A socket that does not listen yet.
fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the last run to be forgotten. Two can't listen at once all the same.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

impl ListenError {
    /// Says which address, why, and what to do about it: `what` listens, and `field` of `config` is its port.
    #[must_use]
    pub fn explain(&self, what: &str, field: &str, config: &str) -> String {
        let Self { address, error } = self;
        let (reason, cure) = match error.kind() {
            io::ErrorKind::AddrInUse => (
                "is already in use".to_owned(),
                format!("set {field} in {config}, or stop the other process"),
            ),
            io::ErrorKind::AddrNotAvailable => {
                ("is none of this machine's".to_owned(), format!("set bindAddress in {config}"))
            }
            io::ErrorKind::PermissionDenied if self.lacks_privilege() => (
                "may not be used by this user".to_owned(),
                format!("set {field} in {config} to 1024 or above"),
            ),
            io::ErrorKind::PermissionDenied => (
                format!("is forbidden: {error}"),
                format!(
                    "a seccomp filter or a security module refuses it; permit it, or set bindAddress in {config}"
                ),
            ),
            _ => {
                (format!("can't be listened on: {error}"), format!("see {field} and bindAddress in {config}"))
            }
        };
        format!("address {address} {reason} ({what}; {cure})")
    }

    fn lacks_privilege(&self) -> bool {
        self.address.port() < FIRST_FREE_PORT && self.error.raw_os_error() == Some(EACCES)
    }
}
