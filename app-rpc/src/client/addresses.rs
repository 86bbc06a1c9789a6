//! The addresses of the server's instances: those of the config, those behind its names, and those that instances tell.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use futures_util::future::{join, join_all};
use tokio::time::{Duration, Instant};

use super::discovered::Discovered;
use super::setup::Setup;
use crate::config::host_and_port;
use crate::resolve::look_up_host;

/// The addresses, and what each name had at its last lookup that worked.
#[derive(Default)]
pub(super) struct Addresses {
    found: RefCell<HashMap<String, Vec<SocketAddr>>>,
    discovered: Discovered,
    /// Each client picks others if there are more addresses than it may connect to.
    order: RandomState,
}

impl Addresses {
    /// Looks up the names of a config, at the same time. A name whose lookup fails keeps the addresses that it had.
    ///
    /// # Errors
    /// No address is known.
    pub(super) async fn look_up(&self, setup: &Setup) -> Result<Vec<SocketAddr>, String> {
        let config = &setup.config;
        let hosts = if config.addresses.is_empty() && !config.discover {
            vec![config.name.host()]
        } else {
            config.addresses.clone()
        };
        let deadline = Instant::now() + config.connect_timeout;
        let look_ups = hosts.iter().map(|host| look_up(host, config.port, deadline));
        let (looked_up, told) = join(join_all(look_ups), self.ask(setup, deadline)).await;
        let (mut addresses, mut failures) = (Vec::new(), Vec::new());
        match told {
            Ok(told) => addresses = told,
            Err(reason) => failures.push(reason),
        }
        let mut found = self.found.borrow_mut();
        found.retain(|host, _| hosts.contains(host));
        for (host, result) in hosts.into_iter().zip(looked_up) {
            match result {
                Ok(new) => {
                    addresses.extend(&new);
                    found.insert(host, new);
                }
                Err(reason) => {
                    addresses.extend(found.get(&host).into_iter().flatten());
                    failures.push(format!("{host}: {reason}"));
                }
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() { Err(failures.join("; ")) } else { Ok(addresses) }
    }

    /// The addresses that instances tell. None, if the config does not ask for them.
    async fn ask(&self, setup: &Setup, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
        if setup.config.discover {
            return self.discovered.ask(&setup.discovery, setup.config.name, deadline).await;
        }
        self.discovered.clear();
        Ok(Vec::new())
    }

    /// At most so many of the addresses. Those that are known stay; the others are picked at random, so that the clients of a server
    /// do not all leave out the same instances.
    pub(super) fn pick(
        &self,
        mut addresses: Vec<SocketAddr>,
        most: usize,
        is_known: impl Fn(&SocketAddr) -> bool,
    ) -> Vec<SocketAddr> {
        if addresses.len() > most {
            addresses.sort_by_cached_key(|address| (!is_known(address), self.order.hash_one(address)));
            addresses.truncate(most);
        }
        addresses
    }
}

async fn look_up(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
    let Some((host, port)) = host_and_port(host, port) else {
        return Err("not an address; write a host or `host:port`".to_owned());
    };
    match look_up_host(&host, port, deadline).await {
        Ok(found) if found.is_empty() => Err("the name has no address".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

/// When the next lookup may begin after one that ended: soon if a caller waits, because the answer may be new.
pub(super) const fn shortest_gap(a_caller_waits: bool) -> Duration {
    Duration::from_millis(if a_caller_waits { 150 } else { 1000 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_addresses_stay_and_clients_pick_different_ones_of_the_others() {
        let all: Vec<SocketAddr> = (1..=64).map(|port| SocketAddr::from(([192, 0, 2, 1], port))).collect();
        let known = all[60];
        let picks: Vec<_> = (0..4)
            .map(|_| {
                let addresses = Addresses::default();
                let picked = addresses.pick(all.clone(), 4, |address| *address == known);
                assert_eq!(picked.len(), 4);
                assert!(picked.contains(&known));
                assert_eq!(addresses.pick(all.clone(), 4, |address| *address == known), picked, "it stays");
                picked
            })
            .collect();
        assert!(picks.iter().any(|picked| *picked != picks[0]));
        assert_eq!(Addresses::default().pick(all.clone(), 64, |_| false), all);
    }
}
