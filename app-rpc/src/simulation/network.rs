//! A simulated network: servers that come and go, and ways to them that are slow, interrupted, or break.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

use super::wire::{Link, Stream, pair, short};
use crate::server::Simulated;

thread_local! {
    /// The network of this thread's clients.
    static HERE: RefCell<Option<Rc<Network>>> = const { RefCell::new(None) };
}

/// Connects on the simulated network, where there is one.
pub(crate) async fn connect(address: SocketAddr) -> Option<io::Result<Stream>> {
    let network = HERE.with_borrow(Clone::clone)?;
    Some(network.connect(usize::from(address.port()) - 1).await)
}

/// Numbers that are the same in every run of a seed.
pub(super) struct Random(Cell<u64>);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// SplitMix64.
    pub(super) fn next(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = self.0.get();
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

/// How the ways are.
pub(super) struct Weather {
    random: Rc<Random>,
    /// Until when nothing gets through to each server.
    interrupted: RefCell<Vec<Instant>>,
}

impl Weather {
    /// When what is on this way now gets on.
    pub(super) fn heals(&self, route: usize, now: Instant) -> Instant {
        self.interrupted.borrow()[route].max(now)
    }

    pub(super) fn delay(&self) -> Duration {
        short(self.random.next(), Duration::from_millis(80))
    }
}

/// A way to each server.
pub(super) struct Network {
    pub(super) random: Rc<Random>,
    weather: Rc<Weather>,
    servers: RefCell<Vec<Option<Simulated>>>,
    links: RefCell<Vec<(usize, Weak<RefCell<Link>>)>>,
    pub(super) connections: Cell<usize>,
}

/// The address of a server.
pub(super) fn address(route: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(route + 1).unwrap()))
}

impl Network {
    /// Makes the network of this thread.
    pub(super) fn install(random: &Rc<Random>, servers: Vec<Simulated>) -> Rc<Self> {
        let interrupted = RefCell::new(vec![Instant::now(); servers.len()]);
        let network = Rc::new(Self {
            random: Rc::clone(random),
            weather: Rc::new(Weather { random: Rc::clone(random), interrupted }),
            servers: RefCell::new(servers.into_iter().map(Some).collect()),
            links: RefCell::default(),
            connections: Cell::new(0),
        });
        HERE.replace(Some(Rc::clone(&network)));
        network
    }

    pub(super) fn uninstall() {
        HERE.take();
    }

    async fn connect(&self, route: usize) -> io::Result<Stream> {
        sleep(self.weather.delay()).await;
        sleep_until(self.weather.heals(route, Instant::now())).await;
        // Half of them break by themselves: in the handshake, or later.
        let breaks_at = [(); 2].map(|()| match self.random.below(4) {
            0 => 1 + self.random.below(30_000),
            _ => u64::MAX,
        });
        let servers = self.servers.borrow();
        let Some(server) = &servers[route] else { return Err(io::ErrorKind::ConnectionRefused.into()) };
        let (here, there, link) = pair(&self.weather, route, breaks_at);
        self.links.borrow_mut().push((route, link));
        self.connections.set(self.connections.get() + 1);
        spawn_local(server.serve(there, address(1000 + self.connections.get())));
        Ok(here)
    }

    /// Takes a server away, in good order or not.
    pub(super) fn stop(&self, route: usize, in_good_order: bool) {
        if let Some(server) = self.servers.borrow_mut()[route].take() {
            server.stop();
        }
        if !in_good_order {
            self.reset(route);
        }
    }

    pub(super) fn start(&self, route: usize, server: Simulated) {
        self.servers.borrow_mut()[route] = Some(server);
    }

    /// Breaks all connections to a server.
    pub(super) fn reset(&self, route: usize) {
        let links: Vec<_> = self.links.borrow().iter().filter(|(to, _)| *to == route).cloned().collect();
        for link in links.iter().filter_map(|(_, link)| link.upgrade()) {
            link.borrow_mut().break_down();
        }
    }

    /// Nothing gets through for so long; then what was on the way does.
    pub(super) fn interrupt(&self, route: usize, time: Duration) {
        self.weather.interrupted.borrow_mut()[route] = Instant::now() + time;
    }
}
