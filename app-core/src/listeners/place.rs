//! Where a service listens, as its config says.

use std::net::{IpAddr, SocketAddr};

/// Where a service will listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenPlace {
    /// The address; `None` for every address of the machine.
    pub address: Option<IpAddr>,
    /// The port; 0 for any.
    pub port: u16,
    /// The field of the port in the config of the service, for messages.
    pub field: &'static str,
}

impl ListenPlace {
    /// Whether a listener at `address` is where the config wants it. A port that the config leaves open, and an address that it does
    /// not name, agree with any.
    pub(crate) fn agrees(&self, address: SocketAddr) -> bool {
        let ip = self.address.is_none_or(|ip| ip == address.ip() || both_unspecified(ip, address.ip()));
        ip && (self.port == 0 || self.port == address.port())
    }

    /// Whether a listener at `address` can only be meant for this place.
    pub(crate) fn names(&self, address: SocketAddr) -> bool {
        self.port != 0 && self.agrees(address)
    }

    /// The place, for messages.
    pub(crate) fn describe(&self) -> String {
        match (self.address, self.port) {
            (None, 0) => "any port".to_owned(),
            (None, port) => format!("port {port}"),
            (Some(ip), 0) => format!("any port of {ip}"),
            (Some(ip), port) => SocketAddr::new(ip, port).to_string(),
        }
    }
}

fn both_unspecified(one: IpAddr, other: IpAddr) -> bool {
    one.is_unspecified() && other.is_unspecified()
}

/// A service that listens, and where. `None` while it has no config that says so.
#[derive(Debug, Clone)]
pub(crate) struct Listening {
    pub(crate) name: String,
    /// The config of the service, for messages.
    pub(crate) config: String,
    pub(crate) place: Option<ListenPlace>,
}
