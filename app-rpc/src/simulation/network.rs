//! A simulated network: servers that come and go, and routes to them that are slow, interrupted, or break.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
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

/// The state of the routes.
pub(super) struct Routes {
    random: Arc<Random>,
    /// The end of the last interruption of each route.
    interrupted_until: Mutex<Vec<Instant>>,
}

impl Routes {
    /// When bytes that are on this route now can arrive.
    pub(super) fn open_at(&self, route: usize, now: Instant) -> Instant {
        self.interrupted_until.lock()[route].max(now)
    }

    pub(super) fn delay(&self) -> Duration {
        short(self.random.next(), Duration::from_millis(80))
    }
}

/// Servers, and a route to each.
pub(super) struct SimulatedNetwork {
    pub(super) random: Arc<Random>,
    routes: Arc<Routes>,
    servers: Mutex<Vec<Option<Simulated>>>,
    links: Mutex<Vec<(usize, Weak<Mutex<Link>>)>>,
    connections: AtomicUsize,
}

/// The address of a server.
pub(super) fn address(route: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(route + 1).unwrap()))
}

impl SimulatedNetwork {
    /// Makes a network with these servers, for all clients of this thread.
    pub(super) fn install(random: &Arc<Random>, servers: Vec<Simulated>) -> Arc<Self> {
        let interrupted_until = Mutex::new(vec![Instant::now(); servers.len()]);
        let network = Arc::new(Self {
            random: Arc::clone(random),
            routes: Arc::new(Routes { random: Arc::clone(random), interrupted_until }),
            servers: Mutex::new(servers.into_iter().map(Some).collect()),
            links: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let dialled = Arc::clone(&network);
        simulated::install(move |address| {
            let network = Arc::clone(&dialled);
            Box::pin(async move {
                let stream = network.connect(usize::from(address.port()) - 1).await?;
                Ok(Box::new(stream) as simulated::Socket)
            })
        });
        network
    }

    async fn connect(&self, route: usize) -> io::Result<SimulatedStream> {
        sleep(self.routes.delay()).await;
        sleep_until(self.routes.open_at(route, Instant::now())).await;
        // Half of the connections break by themselves: in the handshake, or later.
        let breaks_at = [(); 2].map(|()| match self.random.below(4) {
            0 => 1 + self.random.below(30_000),
            _ => u64::MAX,
        });
        let servers = self.servers.lock();
        let Some(server) = &servers[route] else { return Err(io::ErrorKind::ConnectionRefused.into()) };
        let (here, there, link) = pair(&self.routes, route, breaks_at);
        self.links.lock().push((route, link));
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        spawn_local(server.serve(there, address(1000 + number)));
        Ok(here)
    }

    /// How many connections were made.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
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
