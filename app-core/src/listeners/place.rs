//! Where a service listens, as its config or a flag says.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use app_ids::ServiceId;

use super::ListenerOrigin;

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
    /// Whether a service with this config uses a listener of this origin at `address`.
    ///
    /// What this platform bound follows the config, and is bound again if that has moved. An inherited listener belongs to the manager:
    /// a config without an address leaves it to the manager.
    pub(crate) fn fits(&self, address: SocketAddr, origin: ListenerOrigin) -> bool {
        self.agrees(address) || origin == ListenerOrigin::Inherited && self.permits(address)
    }

    /// Whether a listener at `address` is where the config wants it. A port that the config leaves open agrees with any.
    fn agrees(&self, address: SocketAddr) -> bool {
        self.permits(address) && (self.address.is_some() || address.ip().is_unspecified())
    }

    /// As `agrees`, but a config without an address agrees with any, and not only with all addresses.
    fn permits(&self, address: SocketAddr) -> bool {
        let ip = self.address.is_none_or(|ip| ip == address.ip() || both_unspecified(ip, address.ip()));
        ip && (self.port == 0 || self.port == address.port())
    }

    /// Whether a listener at `address` can only be meant for this place.
    pub(crate) fn names(&self, address: SocketAddr) -> bool {
        self.port != 0 && self.permits(address)
    }

    /// Whether the config names no address, and a listener at `address` has only one of them.
    pub(crate) fn is_wider_than(&self, address: SocketAddr) -> bool {
        self.address.is_none() && !address.ip().is_unspecified()
    }

    /// Whether two listeners cannot be at this place and at `address`.
    pub(crate) fn overlaps(&self, address: SocketAddr) -> bool {
        let ip = self
            .address
            .is_none_or(|ip| ip == address.ip() || ip.is_unspecified() || address.ip().is_unspecified());
        ip && self.port == address.port()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_not_one_of_them_unless_a_manager_chose_it() {
        let all = Spot { address: None, port: 80 };
        let of = |text: &str| text.parse::<SocketAddr>().unwrap();
        for origin in [ListenerOrigin::Store, ListenerOrigin::Handover, ListenerOrigin::Bound] {
            assert!(!all.fits(of("127.0.0.1:80"), origin), "{origin}");
            assert!(all.fits(of("[::]:80"), origin) && all.fits(of("0.0.0.0:80"), origin), "{origin}");
        }
        assert!(all.fits(of("127.0.0.1:80"), ListenerOrigin::Inherited));
        assert!(!all.fits(of("127.0.0.1:81"), ListenerOrigin::Inherited));
        let one = Spot { address: Some([127, 0, 0, 1].into()), port: 80 };
        assert!(!one.fits(of("[::]:80"), ListenerOrigin::Inherited));
        assert!(
            one.overlaps(of("[::]:80"))
                && all.overlaps(of("127.0.0.1:80"))
                && one.overlaps(of("127.0.0.1:80"))
        );
        assert!(!one.overlaps(of("127.0.0.2:80")) && !one.overlaps(of("[::]:81")));
    }
}
