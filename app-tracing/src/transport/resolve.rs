//! Looking up the name of the collector.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;

use app_core::threads::run_blocking;

type LookUp = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks up one name at a time. A look-up blocks a thread for as long as the system likes, so one that outlasts its request is
/// waited for by the next request: there is at most one thread.
#[derive(Default)]
pub(super) struct Resolver {
    running: Option<((String, u16), LookUp)>,
    /// The address of every name, in a test.
    #[cfg(test)]
    answer: Option<SocketAddr>,
}

impl Resolver {
    /// Finds this address for every name.
    #[cfg(test)]
    pub(super) fn answer_with(&mut self, address: SocketAddr) {
        self.answer = Some(address);
    }

    /// The addresses of a host: at least one.
    ///
    /// # Errors
    /// The name is not known, or the system refuses a thread.
    ///
    /// # Cancel safety
    /// Cancel safe: the look-up goes on.
    pub(super) async fn look_up(&mut self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        #[cfg(test)]
        if let Some(answer) = self.answer {
            return Ok(vec![answer]);
        }
        let wanted = (host.to_owned(), port);
        loop {
            let (of, look_up) = self.running.get_or_insert_with(|| (wanted.clone(), begin(wanted.clone())));
            let found = look_up.await;
            let of = std::mem::take(of);
            self.running = None;
            // It may have been for the name of an earlier config.
            if of != wanted {
                continue;
            }
            let found = found?;
            if found.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
            }
            return Ok(found);
        }
    }
}

fn begin(name: (String, u16)) -> LookUp {
    let look_up = move || Ok((name.0.as_str(), name.1).to_socket_addrs()?.collect());
    Box::pin(async move { run_blocking("tracing-look-up", look_up).await? })
}
