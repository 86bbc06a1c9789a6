//! The address of a server.

use std::fmt;
use std::net::Ipv6Addr;

/// The port of a NATS server.
const DEFAULT_PORT: u16 = 4222;

/// The address of a NATS server: `nats://host:port` or `tls://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ServerAddress {
    /// A host name or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Whether the address asks for TLS.
    pub tls: bool,
}

impl ServerAddress {
    /// Reads an address. The error says what is wrong, without a part of the address.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (tls, rest) = match (text.strip_prefix("nats://"), text.strip_prefix("tls://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err("must begin with nats:// or tls://"),
        };
        if rest.contains('@') {
            return Err("must not have a user or a password; use the fields user and password, or token");
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(v6) => {
                let (ip, after) =
                    v6.split_once(']').ok_or("must close the bracket after the IPv6 address")?;
                ip.parse::<Ipv6Addr>().map_err(|_| "must have an IPv6 address in the brackets")?;
                (ip, after.strip_prefix(':').or(if after.is_empty() { Some("") } else { None }))
            }
            None => rest.split_once(':').map_or((rest, Some("")), |(host, port)| (host, Some(port))),
        };
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if host.is_empty() || host.len() > 253 || !host.chars().all(good) {
            return Err("must have a host name or an IP address after ://");
        }
        let port = match port {
            Some("") if rest.ends_with(':') => None,
            Some("") => Some(DEFAULT_PORT),
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            _ => None,
        };
        let port = port.filter(|port| *port > 0).ok_or("must have a port of 1 to 65535, or none")?;
        Ok(Self { host: host.to_owned(), port, tls })
    }
}

impl ServerAddress {
    /// `host:port`, or `[host]:port` for an IPv6 address.
    pub(crate) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "tls" } else { "nats" }, self.authority())
    }
}
