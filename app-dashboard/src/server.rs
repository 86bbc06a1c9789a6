//! Accepts connections and answers requests, until the service stops.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::{Error, Service};
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::Service as _;

use crate::apps::Apps;
use crate::fleet::Fleet;
use crate::guard::Guard;
use crate::listen;
use crate::routes;
use crate::sessions::Tokens;
use crate::stall::Stalling;

/// Most connections. A browser makes six for each page.
const MOST_CONNECTIONS: usize = 96;
/// From the wait for a request until its header is complete.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// Size of a request line and its header.
const MOST_HEADER: usize = 16 * 1024;
/// Pause after a failure to accept. Its usual cause is a lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// A server that listens and does not serve yet.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    tokens: Tokens,
}

impl Bound {
    /// Listens on an address. Port 0 is a free port.
    ///
    /// # Errors
    /// The address is not loopback, or the port is in use.
    pub async fn to(address: SocketAddr) -> io::Result<Self> {
        listen::check(address).map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let failed = |error: io::Error| {
            io::Error::new(
                error.kind(),
                format!("{address}: cannot listen: {error}; --listen names another port"),
            )
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, tokens: Tokens::default() })
    }

    /// The address, with its port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The tokens of this server.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }

    /// The URL of the page, with a token in its fragment. A browser does not send fragments.
    #[must_use]
    pub fn url(&self, token: &str) -> String {
        format!("http://{}/#token={token}", self.address)
    }

    /// Serves the page until the service is killed. All tasks belong to the service.
    ///
    /// # Errors
    /// `ServiceNotAlive` if the service is dead.
    pub async fn serve(self, service: &Service, apps: Arc<dyn Apps>) -> Result<(), Error> {
        let guard = Guard { hosts: listen::hosts(self.address).into(), tokens: self.tokens.clone() };
        let router = routes::router(guard, Fleet::new(service.clone(), apps), self.tokens.clone());
        let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            let Some(accepted) = service.run_until_stopped(self.listener.accept()).await else {
                return Ok(());
            };
            match accepted {
                Ok((socket, _)) => {
                    // Without a slot the connection is closed. A browser tries again.
                    if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
                        let router = router.clone();
                        let token = service.token();
                        service.spawn("http connection", async move {
                            tokio::select! {
                                () = answer(socket, router) => {}
                                () = token.cancelled() => {}
                            }
                            drop(slot);
                        })?;
                    }
                }
                Err(_) => {
                    service.run_until_stopped(tokio::time::sleep(PAUSE)).await;
                }
            }
        }
    }
}

async fn answer(socket: TcpStream, router: Router) {
    // Each answer is written in one step, so there is nothing to wait for.
    let _ = socket.set_nodelay(true);
    let handle = move |request: hyper::Request<Incoming>| {
        let mut router = router.clone();
        async move { router.call(request.map(Body::new)).await as Result<_, Infallible> }
    };
    // An error here is the client's: it went away, was too slow, or sent no HTTP.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(MOST_HEADER)
        .serve_connection(TokioIo::new(Stalling::new(socket)), service_fn(handle))
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::loopback;

    #[tokio::test]
    async fn a_port_in_use_is_an_error_that_names_it() {
        let first = Bound::to(loopback("127.0.0.1:0").unwrap()).await.unwrap();
        let Err(refused) = Bound::to(first.address()).await else { panic!("it is in use") };
        assert!(refused.to_string().contains(&first.address().to_string()), "{refused}");
        let Err(refused) = Bound::to(SocketAddr::from(([0, 0, 0, 0], 0))).await else {
            panic!("not loopback")
        };
        assert!(refused.to_string().contains("is not loopback"), "{refused}");
    }
}
