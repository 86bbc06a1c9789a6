//! The addresses of the server's instances: those of the config, those behind its names, and those that instances tell.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
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
}

/// What a client knows of an address, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Known {
    /// The client is connected to it, or connects and has not failed yet.
    Works,
    New,
    Fails,
}

impl Addresses {
    /// Looks up the names of a config, at the same time. A name whose lookup fails keeps the addresses that it had.
    ///
    /// `found_so_far` gets the addresses that are known while some lookups have not ended. So a slow name server holds back only its own
    /// names.
    ///
    /// # Errors
    /// No address is known.
    pub(super) async fn look_up(
        &self,
        setup: &Setup,
        found_so_far: impl Fn(Vec<SocketAddr>),
    ) -> Result<Vec<SocketAddr>, String> {
        let config = &setup.config;
        let hosts = if config.addresses.is_empty() && !config.discover {
            vec![config.name.host()]
        } else {
            config.addresses.clone()
        };
        self.found.borrow_mut().retain(|host, _| hosts.contains(host));
        let deadline = Instant::now() + config.connect_timeout;
        let mut running = FuturesUnordered::<LocalBoxFuture<'_, Result<(), String>>>::new();
        running.push(self.ask(setup, deadline).boxed_local());
        for host in hosts {
            running.push(self.look_up_one(host, config.port, deadline).boxed_local());
        }
        let mut failures = Vec::new();
        while let Some(ended) = running.next().await {
            failures.extend(ended.err());
            while let Some(Some(ended)) = running.next().now_or_never() {
                failures.extend(ended.err());
            }
            let known = self.known();
            if !running.is_empty() && !known.is_empty() {
                found_so_far(known);
            }
        }
        let known = self.known();
        failures.sort_unstable();
        if known.is_empty() { Err(failures.join("; ")) } else { Ok(known) }
    }

    async fn look_up_one(&self, host: String, port: u16, deadline: Instant) -> Result<(), String> {
        let found = look_up(&host, port, deadline).await.map_err(|reason| format!("{host}: {reason}"))?;
        self.found.borrow_mut().insert(host, found);
        Ok(())
    }

    /// Asks for the addresses that instances tell, if the config says so.
    async fn ask(&self, setup: &Setup, deadline: Instant) -> Result<(), String> {
        if setup.config.discover {
            return self.discovered.ask(&setup.discovery, setup.config.name, deadline).await;
        }
        self.discovered.clear();
        Ok(())
    }

    /// All addresses, each once.
    fn known(&self) -> Vec<SocketAddr> {
        let mut known = self.discovered.known();
        known.extend(self.found.borrow().values().flatten());
        known.sort_unstable();
        known.dedup();
        known
    }
}

/// At most so many of the addresses. Those that work stay. The others are picked at random, so that the clients of a server do not all
/// leave out the same instances. One that fails makes room for one that was not tried.
pub(super) fn pick(
    mut addresses: Vec<SocketAddr>,
    most: usize,
    known: impl Fn(&SocketAddr) -> Known,
) -> Vec<SocketAddr> {
    if addresses.len() > most {
        addresses.sort_by_cached_key(|address| (known(address), fastrand::u64(..)));
        addresses.truncate(most);
    }
    addresses
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
    fn addresses_that_work_stay_and_clients_pick_different_ones_of_the_others() {
        let all: Vec<SocketAddr> = (1..=64).map(|port| SocketAddr::from(([192, 0, 2, 1], port))).collect();
        let works = all[60];
        let known = |address: &SocketAddr| if *address == works { Known::Works } else { Known::New };
        let picks: Vec<_> = (0..4)
            .map(|_| {
                let picked = pick(all.clone(), 4, known);
                assert_eq!(picked.len(), 4);
                assert!(picked.contains(&works));
                let again = |address: &SocketAddr| {
                    if picked.contains(address) { Known::Works } else { Known::New }
                };
                let mut stays = pick(all.clone(), 4, again);
                stays.sort_unstable();
                let mut picked = picked.clone();
                picked.sort_unstable();
                assert_eq!(stays, picked);
                picked
            })
            .collect();
        assert!(picks.iter().any(|picked| *picked != picks[0]));
        assert_eq!(pick(all.clone(), 64, |_| Known::New), all);
    }

    #[test]
    fn each_address_has_its_turn_while_others_fail() {
        let all: Vec<SocketAddr> = (1..=5).map(|port| SocketAddr::from(([192, 0, 2, 1], port))).collect();
        let (mut tried, mut now) = (Vec::<SocketAddr>::new(), Vec::<SocketAddr>::new());
        for _ in 0..200 {
            let known = |address: &SocketAddr| if now.contains(address) { Known::Fails } else { Known::New };
            now = pick(all.clone(), 2, known);
            tried.extend(&now);
        }
        assert!(all.iter().all(|address| tried.contains(address)), "{tried:?}");
    }
}
