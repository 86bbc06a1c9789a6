//! Where a service listens, as its config or a flag says.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use app_ids::ServiceId;

/// What says where a service listens. It is for messages, and prints as `config 0x1f` or as the flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    /// The config of a service, and its field for the port. The field for the address is `bindAddress`.
    Config {
        /// The service.
        service: ServiceId,
        /// The field for the port.
        port: &'static str,
    },
    /// A flag or a variable of this name, with the address and the port as one value.
    Flag(&'static str),
}

impl SetBy {
    /// The port, in words for messages.
    #[must_use]
    pub fn port(&self) -> &'static str {
        match self {
            Self::Config { port, .. } => port,
            Self::Flag(_) => "the port",
        }
    }

    pub(crate) fn address(&self) -> &'static str {
        match self {
            Self::Config { .. } => "bindAddress",
            Self::Flag(_) => "the address",
        }
    }
}

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config { service, .. } => write!(f, "config {service:#x}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Where a service will listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenPlace {
    /// The address; `None` for every address of the machine.
    pub address: Option<IpAddr>,
    /// The port; 0 for any.
    pub port: u16,
    /// What says so, for messages.
    pub set_by: SetBy,
}

impl ListenPlace {
    pub(crate) fn spot(&self) -> Spot {
        Spot { address: self.address, port: self.port }
    }
}

/// An address and a port, each of them open or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot {
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
}

impl Spot {
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
    pub(crate) place: Option<ListenPlace>,
}
