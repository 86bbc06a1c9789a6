//! The socket of the service manager. Sending a datagram never waits.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::{
        fd::BorrowedFd,
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr};

/// Environment variable with the address of the service manager's socket.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// The socket of the service manager. Sd-notify's own function waits while the queue is full, and does not support
/// abstract names.
pub(crate) struct ManagerSocket {
    socket: UnixDatagram,
    manager: SocketAddr,
}

impl ManagerSocket {
    /// Opens the socket that the environment names; `None` if it names none.
    pub(crate) fn from_environment() -> Option<io::Result<Self>> {
        let name: OsString = env::var_os(NOTIFY_SOCKET).filter(|name| !name.is_empty())?;
        Some(Self::open(&name))
    }

    /// Opens the socket with this name: a path, or an abstract name after an `@`. Only [`send`](Self::send) shows
    /// whether a manager listens.
    ///
    /// # Errors
    /// If the name is neither a path nor an abstract name, or the system refuses a socket.
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

    /// Sends a message as one datagram.
    ///
    /// # Errors
    /// If no manager listens, or its queue of unread messages is full.
    pub(crate) fn send(&self, message: &str) -> io::Result<()> {
        // Connects for each message: a restarted manager has another socket of the same name.
        self.socket.send_to_addr(message.as_bytes(), &self.manager).map(drop)
    }

    /// Sends a message with a descriptor, as one datagram.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(super) fn send_with(&self, message: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let manager = match (self.manager.as_pathname(), self.manager.as_abstract_name()) {
            (Some(path), _) => SocketAddrUnix::new(path)?,
            (_, Some(name)) => SocketAddrUnix::new_abstract_name(name)?,
            (None, None) => return Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        let descriptors = [descriptor];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        rights.push(SendAncillaryMessage::ScmRights(&descriptors));
        let message = [IoSlice::new(message.as_bytes())];
        sendmsg_addr(&self.socket, &manager, &message, &mut rights, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}
