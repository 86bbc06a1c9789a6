//! The address under which others reach this machine.
//!
//! A server that listens on every address has none to tell. The fleet reaches the NATS servers, so the address of this machine on the
//! way to them is a good hint. The system knows it without sending anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

use app_core::plugins::discovery::AnnouncedEndpoint;
use tokio::time::{Instant, timeout};

use crate::config::ServerAddress;

/// How long an address is used before it is looked up again.
const USED_FOR: Duration = Duration::from_secs(60);

/// How long a look-up may take.
const WITHIN: Duration = Duration::from_secs(1);

/// This machine's addresses, by family.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Own {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
}

/// Finds the addresses, and keeps them for a while.
pub(super) struct OwnAddress {
    servers: Vec<ServerAddress>,
    own: Own,
    looked: Option<Instant>,
}

impl OwnAddress {
    /// On the way to these servers. Without servers, only this process could ask, so it is loopback.
    pub(super) fn towards(servers: Vec<ServerAddress>) -> Self {
        Self { servers, own: Own::default(), looked: None }
    }

    /// Puts addresses in place of those that are unspecified. Endpoints without an address are left out.
    pub(super) async fn fill_in(&mut self, endpoints: Vec<AnnouncedEndpoint>) -> Vec<AnnouncedEndpoint> {
        if endpoints.iter().any(|endpoint| endpoint.address.ip().is_unspecified()) {
            self.look_up().await;
        }
        let filled = endpoints.into_iter().filter_map(|mut endpoint| {
            endpoint.address.set_ip(self.own.in_place_of(endpoint.address.ip())?);
            Some(endpoint)
        });
        filled.collect()
    }

    async fn look_up(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < USED_FOR) {
            return;
        }
        self.looked = Some(Instant::now());
        if self.servers.is_empty() {
            self.own = Own { v4: Some(Ipv4Addr::LOCALHOST), v6: Some(Ipv6Addr::LOCALHOST) };
            return;
        }
        let servers = self.servers.clone();
        let found = app_core::threads::run_blocking("own-address", move || Own::towards(&servers));
        if let Ok(Ok(found)) = timeout(WITHIN, found).await
            && found != Own::default()
        {
            self.own = found;
        }
    }
}

impl Own {
    fn towards(servers: &[ServerAddress]) -> Self {
        let mut own = Self::default();
        for server in servers {
            for address in (server.host.as_str(), server.port).to_socket_addrs().into_iter().flatten() {
                match source_towards(address) {
                    Some(IpAddr::V4(ip)) => own.v4 = own.v4.or(Some(ip)),
                    Some(IpAddr::V6(ip)) => own.v6 = own.v6.or(Some(ip)),
                    None => {}
                }
            }
            if own != Self::default() {
                break;
            }
        }
        own
    }

    fn in_place_of(self, ip: IpAddr) -> Option<IpAddr> {
        match ip {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => self.v4.map(IpAddr::V4),
            // Such a server accepts IPv4 too.
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => self.v4.map(IpAddr::V4).or(self.v6.map(IpAddr::V6)),
            one => Some(one),
        }
    }
}

/// The address that packets to this one would come from.
fn source_towards(address: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr =
        if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(address).ok()?;
    socket.local_addr().ok().map(|local| local.ip()).filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use app_core::prelude::ServiceId;

    use super::*;

    fn announced(address: &str) -> AnnouncedEndpoint {
        let (service, address) = (ServiceId::new(7), address.parse().unwrap());
        AnnouncedEndpoint { service, server_name: "d0_a0_7".to_owned(), address }
    }

    #[tokio::test]
    async fn an_unspecified_address_becomes_the_one_towards_the_servers() {
        let mut own = OwnAddress::towards(vec![ServerAddress::parse("nats://127.0.0.1:9").unwrap()]);
        let given = ["0.0.0.0:5", "[::]:6", "192.0.2.7:7"].map(announced);
        let filled = own.fill_in(given.into()).await;
        let shown: Vec<_> = filled.iter().map(|endpoint| endpoint.address.to_string()).collect();
        assert_eq!(shown, ["127.0.0.1:5", "127.0.0.1:6", "192.0.2.7:7"]);
        // Without servers it is loopback.
        let filled = OwnAddress::towards(Vec::new()).fill_in(vec![announced("0.0.0.0:5")]).await;
        assert_eq!(filled[0].address.to_string(), "127.0.0.1:5");
    }

    #[tokio::test]
    async fn an_endpoint_without_an_address_is_left_out() {
        let nowhere = ServerAddress::parse("nats://no.such.host.invalid").unwrap();
        let filled = OwnAddress::towards(vec![nowhere]).fill_in(vec![announced("0.0.0.0:5")]).await;
        assert_eq!(filled, []);
    }
}
