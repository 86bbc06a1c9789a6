//! The handshakes in progress. Their number is limited: beyond the limit, a new handshake displaces an old one.
//!
//! A client is unknown until its handshake ends. A client that takes part finishes in a moment, so clients that send nothing can't
//! keep others out for long. The source address with the most handshakes loses one, so that it can't displace other addresses.
//! Its handshakes form two groups: those that have received a client hello, and the silent ones. The oldest of the larger group is
//! displaced. So silent clients displace silent clients, and clients that stop after their hello displace each other.
//!
//! There is no limit for a single address. All clients behind a NAT or a load balancer have one address, and a limit would refuse
//! them while there is room.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The handshakes of a server.
#[derive(Clone)]
pub(super) struct Handshakes(Arc<Mutex<Open>>);

struct Open {
    /// The most handshakes at a time.
    limit: usize,
    next: u64,
    count: usize,
    sources: HashMap<IpAddr, OfSource>,
}

/// The handshakes of one source address by number, the oldest first.
#[derive(Default)]
struct OfSource {
    silent: BTreeMap<u64, CancellationToken>,
    /// Handshakes that have received a client hello.
    speaking: BTreeMap<u64, CancellationToken>,
}

/// A handshake in progress, until this is dropped.
pub(super) struct Handshake {
    number: u64,
    source: IpAddr,
    displaced: CancellationToken,
    all: Handshakes,
}

impl Handshakes {
    /// At most this many handshakes at a time.
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(Open { limit, next: 0, count: 0, sources: HashMap::new() })))
    }

    pub(super) fn begin(&self, from: SocketAddr) -> Handshake {
        let (displaced, source) = (CancellationToken::new(), source(from));
        let (number, makes_room) = {
            let mut open = self.0.lock();
            let makes_room = if open.count >= open.limit { open.pop(false) } else { None };
            open.next += 1;
            open.count += 1;
            let number = open.next;
            open.sources.entry(source).or_default().silent.insert(number, displaced.clone());
            (number, makes_room)
        };
        if let Some(makes_room) = makes_room {
            makes_room.cancel();
        }
        Handshake { number, source, displaced, all: self.clone() }
    }

    /// Displaces a silent client. `false` if there is none.
    pub(super) fn make_room(&self) -> bool {
        let silent = self.0.lock().pop(true);
        silent.inspect(CancellationToken::cancel).is_some()
    }
}

impl Open {
    /// Removes the handshake that is displaced next.
    fn pop(&mut self, only_silent: bool) -> Option<CancellationToken> {
        let rank = |of: &OfSource| if only_silent { of.silent.len() } else { of.len() };
        let (source, busiest) = self.sources.iter_mut().max_by_key(|(_, of)| rank(of))?;
        let first = if only_silent || busiest.silent.len() >= busiest.speaking.len() {
            busiest.silent.pop_first()
        } else {
            busiest.speaking.pop_first()
        };
        let (source, left) = (*source, busiest.len());
        if left == 0 {
            self.sources.remove(&source);
        }
        self.count -= usize::from(first.is_some());
        first.map(|(_, token)| token)
    }
}

impl OfSource {
    fn len(&self) -> usize {
        self.silent.len() + self.speaking.len()
    }
}

impl Handshake {
    /// The client hello has come.
    pub(super) fn received_hello(&self) {
        let mut open = self.all.0.lock();
        let Some(of) = open.sources.get_mut(&self.source) else { return };
        if let Some(token) = of.silent.remove(&self.number) {
            of.speaking.insert(self.number, token);
        }
    }

    /// Waits until it is displaced. Cancel safe.
    pub(super) async fn displaced(&self) {
        self.displaced.cancelled().await;
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut open = self.all.0.lock();
        let Some(of) = open.sources.get_mut(&self.source) else { return };
        let removed = of.silent.remove(&self.number).or_else(|| of.speaking.remove(&self.number));
        if of.len() == 0 {
            open.sources.remove(&self.source);
        }
        // A displaced handshake does not count any more.
        open.count -= usize::from(removed.is_some());
    }
}

/// The part of an address that identifies a client: a machine can use all IPv6 addresses of its network.
fn source(from: SocketAddr) -> IpAddr {
    match from.ip().to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::super::descriptors::HANDSHAKES;
    use super::*;

    fn from(host: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], 7))
    }

    #[test]
    fn one_too_many_displaces_the_oldest_that_is_not_done() {
        let all = Handshakes::new(HANDSHAKES);
        let mut going_on: Vec<_> = (0..HANDSHAKES).map(|_| all.begin(from(1))).collect();
        // This handshake ends.
        drop(going_on.remove(0));
        let one_more = all.begin(from(1));
        assert!(!going_on[0].displaced.is_cancelled());
        let another = all.begin(from(1));
        assert!(going_on[0].displaced.is_cancelled() && !going_on[1].displaced.is_cancelled());
        assert_eq!(all.0.lock().count, HANDSHAKES);
        drop((going_on, one_more, another));
        assert_eq!(all.0.lock().count, 0);
        assert!(all.0.lock().sources.is_empty());
    }

    #[test]
    fn a_client_that_said_hello_outlives_silent_ones() {
        let all = Handshakes::new(HANDSHAKES);
        let first = all.begin(from(1));
        first.received_hello();
        let silent: Vec<_> = (0..HANDSHAKES * 3).map(|_| all.begin(from(1))).collect();
        assert!(!first.displaced.is_cancelled());
        let displaced = silent.iter().filter(|one| one.displaced.is_cancelled()).count();
        assert_eq!(displaced, HANDSHAKES * 2 + 1);
        // If all clients have sent a hello, the oldest handshake is displaced.
        silent.iter().for_each(Handshake::received_hello);
        let _one_more = all.begin(from(1));
        assert!(first.displaced.is_cancelled());
    }

    #[test]
    fn a_client_that_has_just_connected_outlives_those_that_said_hello_and_no_more() {
        let all = Handshakes::new(HANDSHAKES);
        let speaking = || {
            let one = all.begin(from(1));
            one.received_hello();
            one
        };
        let _before: Vec<_> = (0..HANDSHAKES).map(|_| speaking()).collect();
        let new = all.begin(from(1));
        let _after: Vec<_> = (0..HANDSHAKES / 2).map(|_| speaking()).collect();
        assert!(!new.displaced.is_cancelled());
    }

    #[test]
    fn only_silent_ones_make_room_where_descriptors_are_short() {
        let all = Handshakes::new(HANDSHAKES);
        let (first, second) = (all.begin(from(1)), all.begin(from(2)));
        first.received_hello();
        assert!(all.make_room());
        assert!(second.displaced.is_cancelled() && !first.displaced.is_cancelled());
        assert!(!all.make_room());
    }

    #[test]
    fn one_address_does_not_push_out_the_others() {
        let all = Handshakes::new(HANDSHAKES);
        let others: Vec<_> = (2..100).map(|host| all.begin(from(host))).collect();
        let crowd: Vec<_> = (0..HANDSHAKES * 3)
            .map(|_| {
                let one = all.begin(from(1));
                one.received_hello();
                one
            })
            .collect();
        assert!(others.iter().all(|one| !one.displaced.is_cancelled()));
        assert!(crowd.iter().any(|one| one.displaced.is_cancelled()));
        assert_eq!(all.0.lock().count, HANDSHAKES);
    }

    #[test]
    fn a_network_of_ipv6_is_one_source_and_mapped_addresses_are_those_of_ipv4() {
        let of = |text: &str| source(format!("[{text}]:7").parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.7"), source(from(7)));
        assert_ne!(of("::ffff:192.0.2.7"), of("::ffff:192.0.2.8"));
    }
}
