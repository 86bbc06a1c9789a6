//! The store of the service manager, as a service that binds sees it: `NOTIFY_SOCKET`, as in `sd_notify(3)`.
//!
//! app-health tells the manager everything else, such as which listeners to keep. What is in the way of a new listener has to be gone
//! before the service binds. So this part is here.

use std::{
    env,
    ffi::OsString,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// Environment variable with the address of the service manager's socket.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// The store of the service manager that watches this process.
#[derive(Debug, Clone)]
pub(crate) struct ListenerStore {
    /// The manager's socket: a path, or an abstract name after an `@`.
    manager: OsString,
}

impl ListenerStore {
    /// The store, if the environment names a manager. The manager may keep nothing.
    pub(super) fn from_environment() -> Option<Self> {
        env::var_os(NOTIFY_SOCKET).filter(|name| !name.is_empty()).map(Self::of)
    }

    /// The store of the manager with this socket.
    pub(super) fn of(manager: OsString) -> Self {
        Self { manager }
    }

    /// Tells the manager to close the listeners that it keeps under this name. It does so some time later. Never waits.
    ///
    /// # Errors
    /// No manager listens, or its queue of unread messages is full.
    pub(super) fn forget(&self, name: &str) -> io::Result<()> {
        let manager = match self.manager.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(&self.manager)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(format!("FDSTOREREMOVE=1\nFDNAME={name}").as_bytes(), &manager).map(drop)
    }
}
