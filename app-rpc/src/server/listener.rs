//! Listening: on one address, or on all of the machine, IPv6 and IPv4 on one socket where there is IPv6.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1_024;

/// Why it does not listen, and on which address.
#[derive(Debug)]
pub(crate) struct BindError {
    pub(crate) address: SocketAddr,
    pub(crate) error: io::Error,
}

/// Listens on `address`, or without one on all addresses; port 0 is any free one. Needs a tokio runtime.
pub(crate) fn bind(address: Option<IpAddr>, port: u16) -> Result<(TcpListener, SocketAddr), BindError> {
    let Some(address) = address else { return bind_all(port) };
    let address = SocketAddr::new(address, port);
    listen(address).map_err(|error| BindError { address, error })
}

fn bind_all(port: u16) -> Result<(TcpListener, SocketAddr), BindError> {
    use io::ErrorKind::{AddrInUse, PermissionDenied};
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match listen(v6) {
        Err(error) if matches!(error.kind(), AddrInUse | PermissionDenied) => {
            Err(BindError { address: v6, error })
        }
        Err(_) => {
            // A machine without IPv6.
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            listen(address).map_err(|error| BindError { address, error })
        }
        Ok(bound) => Ok(bound),
    }
}

fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the last run to be forgotten. Two can't listen at once all the same.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
