//! The addresses of hosts.
//!
//! tokio's `lookup_host` runs on its pool of threads for blocking work. It waits for ever when the operating system
//! refuses the pool a thread. Here that is an error.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Names looked up at a time. A look-up cannot be stopped: its thread runs until the name server answers or the resolver
/// gives up.
const AT_A_TIME: usize = 8;

static TURNS: Semaphore = Semaphore::const_new(AT_A_TIME);

/// The addresses of a host, each once. A numeric address needs no thread and no name server.
///
/// # Errors
/// The name is not known, the operating system refuses the thread that asks for it, or there is no answer by the deadline
/// (`TimedOut`).
pub async fn look_up_host(host: &str, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    #[cfg(test)]
    if let Some(found) = simulated::look_up(host, deadline).await {
        return found.map(|found| found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
    }
    let asked = async {
        let turn = TURNS.acquire().await.map_err(io::Error::other)?;
        let host = host.to_owned();
        app_core::threads::run_blocking("look-up", move || {
            let _turn = turn;
            (host.as_str(), port).to_socket_addrs().map(Vec::from_iter)
        })
        .await?
    };
    let late = || io::Error::new(io::ErrorKind::TimedOut, "no answer of the name server in time");
    let mut found = timeout_at(deadline, asked).await.map_err(|_| late())??;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
pub(crate) mod simulated {
    //! The names of a test's thread.

    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::io;
    use std::net::IpAddr;

    use tokio::time::{Instant, sleep_until};

    /// What the name server answers.
    #[derive(Clone)]
    enum Answer {
        Found(Vec<IpAddr>),
        Fails,
        Never,
    }

    thread_local! {
        static NAMES: RefCell<HashMap<String, Answer>> = RefCell::default();
    }

    /// From now on this name has these addresses. `None`: the name server fails.
    pub(crate) fn set(name: &str, addresses: Option<Vec<IpAddr>>) {
        let answer = addresses.map_or(Answer::Fails, Answer::Found);
        NAMES.with_borrow_mut(|names| names.insert(name.to_owned(), answer));
    }

    /// From now on the name server does not answer for this name.
    pub(crate) fn silence(name: &str) {
        NAMES.with_borrow_mut(|names| names.insert(name.to_owned(), Answer::Never));
    }

    pub(super) async fn look_up(name: &str, deadline: Instant) -> Option<io::Result<Vec<IpAddr>>> {
        match NAMES.with_borrow(|names| names.get(name).cloned())? {
            Answer::Found(found) => Some(Ok(found)),
            Answer::Fails => Some(Err(io::Error::other("no answer of the name server"))),
            Answer::Never => {
                sleep_until(deadline).await;
                Some(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn numeric_addresses_and_names_are_found() {
        let deadline = Instant::now() + Duration::from_secs(60);
        for (host, found) in [("127.0.0.1", "127.0.0.1:1"), ("::1", "[::1]:1"), ("0.0.0.0", "0.0.0.0:1")] {
            assert_eq!(look_up_host(host, 1, deadline).await.unwrap(), [found.parse().unwrap()]);
        }
        assert!(
            look_up_host("localhost", 1, deadline)
                .await
                .unwrap()
                .iter()
                .all(|found| found.ip().is_loopback())
        );
        assert!(look_up_host("no.such.host.invalid", 1, deadline).await.is_err());
    }

    #[tokio::test]
    async fn a_look_up_ends_at_its_deadline_while_others_take_all_places() {
        let places = TURNS.acquire_many(u32::try_from(AT_A_TIME).unwrap()).await.unwrap();
        let deadline = Instant::now() + Duration::from_millis(1);
        let late = look_up_host("localhost", 1, deadline).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        // A numeric address needs no lookup.
        assert_eq!(look_up_host("::1", 1, deadline).await.unwrap().len(), 1);
        drop(places);
    }
}
