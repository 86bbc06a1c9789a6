//! Where it listens: ports that are always the same, or any that are free where somebody else has those.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::Problem;

/// Metrics and probes: the default of every application.
const HTTP: u16 = 4444;
/// The admin interface.
const ADMIN: u16 = 4445;
/// The quota service.
const QUOTA: u16 = 4446;

/// A port for each of what listens, on loopback.
pub(super) struct Ports {
    pub(super) http: u16,
    pub(super) admin: u16,
    pub(super) quota: u16,
}

impl Ports {
    /// Looks for ports that are free now. Somebody else can still be faster; then the start says so.
    pub(super) fn find() -> Result<Self, Problem> {
        // Held until all are known, so that no two are the same.
        let [http, admin, quota] = [HTTP, ADMIN, QUOTA].map(held);
        let port = |held: &std::io::Result<TcpListener>| match held {
            Ok(held) => held.local_addr().map(|address| address.port()).map_err(|error| error.to_string()),
            Err(error) => Err(format!("no port of 127.0.0.1 is free: {error}")),
        };
        Ok(Self { http: port(&http)?, admin: port(&admin)?, quota: port(&quota)? })
    }
}

fn held(wanted: u16) -> std::io::Result<TcpListener> {
    let at = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    at(wanted).or_else(|_| at(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_are_busy_are_replaced_by_free_ones() {
        let _busy = [HTTP, ADMIN, QUOTA].map(held);
        let ports = Ports::find().unwrap();
        let found = [ports.http, ports.admin, ports.quota];
        assert!(found.iter().all(|port| ![0, HTTP, ADMIN, QUOTA].contains(port)), "{found:?}");
        assert!(found[0] != found[1] && found[1] != found[2] && found[0] != found[2], "{found:?}");
    }
}
