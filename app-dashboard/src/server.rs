//! Accepts connections and answers requests, until the service stops.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::{Error, Service};
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tower::Service as _;

use crate::apps::Apps;
use crate::fleet::Fleet;
use crate::guard::Guard;
use crate::listen::{self, Bound};
use crate::routes;
use crate::stall::Stalling;

/// Most connections. A browser makes six for each page.
const MOST_CONNECTIONS: usize = 96;
/// From the wait for a request until its header is complete.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// Size of a request line and its header.
const MOST_HEADER: usize = 16 * 1024;
/// Pause after a failure to accept. Its usual cause is a lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

impl Bound {
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
