//! Binding: one address, or all addresses of the machine.
//!
//! All addresses are one socket for IPv6 and IPv4. Where IPv6 is missing, switched off or forbidden, the socket is IPv4
//! alone. The lack of IPv6 must not fail a start.

#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{
    Listener, ListenerOrigin,
    accepting::{Gate, InUse},
    place::SetBy,
};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1_024;

/// Lower ports need a privilege.
const FIRST_FREE_PORT: u16 = 1_024;

/// The user lacks a privilege. A filter that forbids a call usually returns `EPERM`. The standard library has one kind
/// for both.
const EACCES: i32 = 13;

/// The send timeout of a listening socket that this platform bound and a service manager keeps.
///
/// It marks the socket: a process that gets it back knows that it may close it if its config moved, where the socket of a `.socket`
/// unit belongs to that unit. The value has no effect, because nothing sends on a listening socket, and connections do not block.
const MARK: Duration = Duration::from_secs(254_254);

/// A socket that listens.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) socket: TcpListener,
    pub(super) address: SocketAddr,
    /// Why it listens on IPv4 alone, if all addresses were requested.
    pub(super) without_ipv6: Option<io::Error>,
}

/// Why listening failed, and on which address.
#[derive(Debug)]
#[non_exhaustive]
pub struct ListenError {
    /// The address of the last attempt.
    pub address: SocketAddr,
    /// The error of the system.
    pub error: io::Error,
    /// The listener that came from elsewhere, if that is in the way: its name, and where it listens.
    pub inherited: Option<(String, SocketAddr)>,
}

/// The process that this one replaces listens there.
#[derive(Debug)]
struct HeldByPredecessor {
    name: String,
    at: SocketAddr,
}

impl fmt::Display for HeldByPredecessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, at } = self;
        write!(f, "the running process listens at {at} ({name:?}) until this one has taken over")
    }
}

impl std::error::Error for HeldByPredecessor {}

/// Listens on `address`, or on all addresses if it is `None`. Port 0 is any free port.
///
/// The listener ends with the process. Services use [`App::listen`](crate::App::listen), whose listeners may outlive it.
///
/// # Errors
/// [`ListenError`] if the address cannot be used. For all addresses, if IPv4 cannot be used either, or the port is in
/// use.
pub fn listen(address: Option<IpAddr>, port: u16) -> Result<Listener, ListenError> {
    let Bound { socket, address, without_ipv6 } = bind(address, port)?;
    let (gate, in_use) = (Arc::new(Gate::opened()), Arc::new(InUse::default()));
    Ok(Listener { socket, address, origin: ListenerOrigin::Bound, without_ipv6, gate, in_use })
}

/// As [`listen`], without a gate.
pub(super) fn bind(address: Option<IpAddr>, port: u16) -> Result<Bound, ListenError> {
    choose(address, port, open)
}

/// Marks a socket as bound by this platform.
///
/// # Errors
/// Those of the system.
pub(super) fn mark(socket: &TcpListener) -> io::Result<()> {
    SockRef::from(socket).set_write_timeout(Some(MARK))
}

/// Whether this platform bound the socket, in this process or an earlier one.
pub(super) fn is_marked(socket: &TcpListener) -> bool {
    SockRef::from(socket).write_timeout().is_ok_and(|timeout| timeout == Some(MARK))
}

/// Checks that this machine and this user can listen on the address. Nothing listens afterwards. A port in use is not
/// an error.
///
/// # Errors
/// [`ListenError`] if the address cannot be used.
pub fn try_address(address: Option<IpAddr>, port: u16) -> Result<(), ListenError> {
    let bind = |ip: IpAddr| {
        let address = SocketAddr::new(ip, port);
        match bound(address) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => Err(ListenError::new(address, error)),
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
) -> Result<Bound, ListenError> {
    let open = |ip: IpAddr, without_ipv6| {
        let address = SocketAddr::new(ip, port);
        match open(address) {
            Ok((socket, address)) => Ok(Bound { socket, address, without_ipv6 }),
            Err(error) => Err(ListenError::new(address, error)),
        }
    };
    if let Some(address) = address {
        return open(address, None);
    }
    match open(Ipv6Addr::UNSPECIFIED.into(), None) {
        // Another program has the port. With IPv4 alone, IPv6 clients would reach that program.
        Err(failed) if failed.error.kind() == io::ErrorKind::AddrInUse => Err(failed),
        Err(failed) => open(Ipv4Addr::UNSPECIFIED.into(), Some(failed.error)),
        bound => bound,
    }
}

fn open(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = bound(address)?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from(socket);
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A bound socket that does not listen yet.
fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the last run. Two processes still cannot listen at once.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: ", self.address)?;
        match &self.inherited {
            Some((name, inherited)) => write!(f, "the inherited listener {name:?} is at {inherited}"),
            None => self.error.fmt(f),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl ListenError {
    pub(super) fn new(address: SocketAddr, error: io::Error) -> Self {
        Self { address, error, inherited: None }
    }

    /// As this error, whose address is in use by the listener `name` of the process that this one replaces, at `at`.
    pub(super) fn held_by_predecessor(self, name: &str, at: SocketAddr) -> Self {
        let held = HeldByPredecessor { name: name.to_owned(), at };
        Self { error: io::Error::new(io::ErrorKind::AddrInUse, held), ..self }
    }

    /// A message with the address, the reason and the cure. `what` listens, where `set_by` says.
    #[must_use]
    pub fn explain(&self, what: &str, set_by: SetBy) -> String {
        let (field, bind_address) = (set_by.port(), set_by.address());
        let Self { address, error, inherited } = self;
        if let Some((name, inherited)) = inherited {
            let port = inherited.port();
            return format!(
                "{what}: {set_by} says {address}, and the listener {name:?} that this process inherited is at {inherited}; set {field} in {set_by} to {port} or 0, or pass on another listener"
            );
        }
        if let Some(held) = error.get_ref().and_then(|inner| inner.downcast_ref::<HeldByPredecessor>()) {
            return format!(
                "{what}: {set_by} says {address}, and {held}; a handover cannot move a listener there: stop the running process first, then start this one"
            );
        }
        let (reason, cure) = match error.kind() {
            io::ErrorKind::AddrInUse => (
                "is already in use".to_owned(),
                format!("set {field} in {set_by}, or stop the other process"),
            ),
            io::ErrorKind::AddrNotAvailable => {
                ("does not belong to this machine".to_owned(), format!("set {bind_address} in {set_by}"))
            }
            io::ErrorKind::PermissionDenied if self.lacks_privilege() => (
                "may not be used by this user".to_owned(),
                format!("set {field} in {set_by} to 1024 or above"),
            ),
            io::ErrorKind::PermissionDenied => (
                format!("is forbidden: {error}"),
                format!(
                    "permit it in the seccomp filter or security module, or set {bind_address} in {set_by}"
                ),
            ),
            _ => {
                (format!("cannot be used: {error}"), format!("check {field} and {bind_address} in {set_by}"))
            }
        };
        format!("{what}: address {address} {reason}; {cure}")
    }

    fn lacks_privilege(&self) -> bool {
        self.address.port() < FIRST_FREE_PORT && self.error.raw_os_error() == Some(EACCES)
    }
}
