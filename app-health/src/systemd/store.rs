//! The store of systemd: listeners that it keeps while the unit is restarted.

use std::{io, os::fd::AsFd};

use app_core::listeners::StoreStep;

use super::socket::ManagerSocket;

/// Tells systemd to keep a listener, or to forget one.
///
/// # Errors
/// Those of the socket.
pub(super) fn send(socket: &ManagerSocket, step: &StoreStep) -> io::Result<()> {
    match step {
        StoreStep::Put { name, socket: listener } => {
            socket.send_with(&message("FDSTORE=1", name), listener.as_fd())
        }
        StoreStep::Remove { name } => socket.send(&message("FDSTOREREMOVE=1", name)),
        // No other step is known.
        _ => Ok(()),
    }
}

/// The text that goes with a name. Sd-notify has these variables only together with a crate that sends descriptors.
fn message(variable: &str, name: &str) -> String {
    format!("{variable}\nFDNAME={name}")
}
