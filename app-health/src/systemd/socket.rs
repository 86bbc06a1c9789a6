//! The socket of the service manager, into which datagrams go without ever waiting.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// Where the service manager listens.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// The way to the service manager. sd-notify's own waits while the manager's queue is full, and knows no abstract names.
pub(crate) struct ManagerSocket {
    socket: UnixDatagram,
    manager: SocketAddr,
}

impl ManagerSocket {
    /// As the environment says; `None` where no service manager listens.
    pub(crate) fn from_environment() -> Option<io::Result<Self>> {
        let name: OsString = env::var_os(NOTIFY_SOCKET).filter(|name| !name.is_empty())?;
        Some(Self::open(&name))
    }

    /// A path, or an abstract name after an `@`. Whether anybody listens shows only when something is sent.
    ///
    /// # Errors
    /// When the name is none of both, or no socket can be made.
    pub(crate) fn open(name: &OsStr) -> io::Result<Self> {
        let manager = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => {
                let text = format!("{} is neither a path nor an abstract name", name.display());
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, manager })
    }

    /// Sends a message whole.
    ///
    /// # Errors
    /// When nobody listens, and when the manager has not read so many messages that there is no room for another.
    pub(crate) fn send(&self, message: &str) -> io::Result<()> {
        // By address each time: a manager that was restarted has another socket of the same name.
        self.socket.send_to_addr(message.as_bytes(), &self.manager).map(drop)
    }
}
