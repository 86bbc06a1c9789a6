//! A simulated network: servers that come and go, and routes to them that are slow, interrupted, or break.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

use super::stream::{Link, SimulatedStream, pair, short};
use crate::client::simulated;
use crate::server::Simulated;

/// Numbers that are the same in every run of a seed.
pub(super) struct Random(Mutex<u64>);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// SplitMix64.
    pub(super) fn next(&self) -> u64 {
        let mut state = self.0.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn millis(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// What the network does to connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    /// Bytes take up to 80 ms, and half of the connections break by themselves.
    Stormy,
    /// Bytes take up to 2 ms, and nothing breaks.
    Calm,
}

/// The state of the routes.
pub(super) struct Routes {
    random: Arc<Random>,
    weather: Weather,
    /// The end of the last interruption of each route.
    interrupted_until: Mutex<Vec<Instant>>,
}

impl Routes {
    /// When bytes that are on this route now can arrive.
    pub(super) fn open_at(&self, route: usize, now: Instant) -> Instant {
        self.interrupted_until.lock()[route].max(now)
    }

    pub(super) fn delay(&self) -> Duration {
        let most = if self.weather == Weather::Stormy { 80 } else { 2 };
        short(self.random.next(), Duration::from_millis(most))
    }
}

/// Servers, and a route to each.
pub(super) struct SimulatedNetwork {
    pub(super) random: Arc<Random>,
    routes: Arc<Routes>,
    servers: Mutex<Vec<Option<Simulated>>>,
    links: Mutex<Vec<(usize, Weak<Mutex<Link>>)>>,
    connections: AtomicUsize,
    attempts: AtomicUsize,
}

/// The port of all servers.
pub(super) const PORT: u16 = 7;

/// The address of a server.
pub(super) fn address(route: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, u8::try_from(route + 1).unwrap()), PORT))
}

fn route_to(address: SocketAddr) -> usize {
    let IpAddr::V4(ip) = address.ip() else { panic!("{address} is not of this network") };
    usize::from(ip.octets()[3]) - 1
}

/// The address of the client's end of a connection.
fn client_address(connection: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(1000 + connection % 60_000).unwrap()))
}

impl SimulatedNetwork {
    /// Makes a network with these servers, for all clients of this thread.
    pub(super) fn install(
        random: &Arc<Random>,
        weather: Weather,
        servers: Vec<Option<Simulated>>,
    ) -> Arc<Self> {
        let interrupted_until = Mutex::new(vec![Instant::now(); servers.len()]);
        let network = Arc::new(Self {
            random: Arc::clone(random),
            routes: Arc::new(Routes { random: Arc::clone(random), weather, interrupted_until }),
            servers: Mutex::new(servers),
            links: Mutex::default(),
            connections: AtomicUsize::new(0),
            attempts: AtomicUsize::new(0),
        });
        let dialled = Arc::clone(&network);
        simulated::install(move |address| {
            let network = Arc::clone(&dialled);
            Box::pin(async move {
                let stream = network.connect(route_to(address)).await?;
                Ok(Box::new(stream) as simulated::Socket)
            })
        });
        network
    }

    async fn connect(&self, route: usize) -> io::Result<SimulatedStream> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        sleep(self.routes.delay()).await;
        sleep_until(self.routes.open_at(route, Instant::now())).await;
        // Half of the connections break by themselves: in the handshake, or later.
        let breaks_at = [(); 2].map(|()| match self.random.below(4) {
            0 if self.routes.weather == Weather::Stormy => 1 + self.random.below(30_000),
            _ => u64::MAX,
        });
        let servers = self.servers.lock();
        let Some(server) = &servers[route] else { return Err(io::ErrorKind::ConnectionRefused.into()) };
        let (here, there, link) = pair(&self.routes, route, breaks_at);
        self.links.lock().push((route, link));
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        spawn_local(server.serve(there, client_address(number)));
        Ok(here)
    }

    /// How many connections were made.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// All attempts to connect to a server, also those that were refused.
    pub(super) fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Stops a server, gracefully or not.
    pub(super) fn stop(&self, route: usize, gracefully: bool) {
        if let Some(server) = self.servers.lock()[route].take() {
            server.stop();
        }
        if !gracefully {
            self.reset(route);
        }
    }

    pub(super) fn start(&self, route: usize, server: Simulated) {
        self.servers.lock()[route] = Some(server);
    }

    /// Breaks all connections to a server.
    pub(super) fn reset(&self, route: usize) {
        let links: Vec<_> = self.links.lock().iter().filter(|(to, _)| *to == route).cloned().collect();
        for link in links.iter().filter_map(|(_, link)| link.upgrade()) {
            link.lock().break_down();
        }
    }

    /// Holds back all bytes on a route for this time.
    pub(super) fn interrupt(&self, route: usize, time: Duration) {
        self.routes.interrupted_until.lock()[route] = Instant::now() + time;
    }
}
