//! Finds the ports: the wanted ones, or any free ones in place of those that are in use.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::Problem;

/// A port on loopback for each listener.
pub(super) struct Ports {
    pub(super) http: u16,
    pub(super) admin: u16,
    pub(super) quota: u16,
}

impl Ports {
    /// The port `first` and the next two, as far as they are free; any free ports for 0. Another program may still take a port
    /// before the service listens. Then the start fails with an error that says so.
    pub(super) fn find(first: u16) -> Result<Self, Problem> {
        // All three stay bound until the end, so they differ.
        let [http, admin, quota] = [0, 1, 2].map(|next| held(if first == 0 { 0 } else { first + next }));
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
        let busy = held(0).unwrap();
        let first = busy.local_addr().unwrap().port().min(65_533);
        let ports = Ports::find(first).unwrap();
        let found = [ports.http, ports.admin, ports.quota];
        assert!(!found.contains(&0) && ports.http != first, "{found:?}");
        assert!(found[0] != found[1] && found[1] != found[2] && found[0] != found[2], "{found:?}");
    }
}
