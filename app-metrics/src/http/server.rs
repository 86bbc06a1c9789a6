//! Accepts connections and answers requests, until the server is told to stop.

use super::body::Tracked;
use super::connections::Connections;
use super::metrics::{Event, HttpMetrics};
use super::router::RouteMark;
use super::stream::{Activity, Stream, Wait};
use super::wait_timeout::WaitTimeout;
use super::{Bound, Limits};
use crate::log_events::METRICS_HTTP_REPORTER_SHUTDOWN_ERROR;
use app_core::prelude::*;
use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

/// The first pause after a failure to accept. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The answer when every connection is being answered.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

impl Bound {
    /// Answers requests until `dying` is cancelled. Then it stops accepting, and closes connections between two requests. A
    /// client that was accepted, and one that has sent a part of a request, get their answer if the rest comes soon. Answers
    /// in progress may end within the drain limit; the rest is closed.
    pub(crate) async fn serve(
        self,
        router: Router,
        limits: Limits,
        meters: HttpMetrics,
        log: Logger,
        dying: CancellationToken,
    ) {
        let Self { accepting: listener, app } = self;
        let mut server =
            Server { router, limits, meters, log, dying, app, connections: Connections::default() };
        let mut accepting = Accepting::default();
        loop {
            server.meters.open.set(server.connections.len() as f64);
            tokio::select! {
                () = server.dying.cancelled() => break,
                panic = server.connections.ended() => server.report(panic),
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => {
                        accepting.succeeded(&server.log);
                        server.take(socket).await;
                    }
                    Err(error) => server.pause(&mut accepting, &error).await,
                },
            }
        }
        drop(listener);
        let drained = tokio::time::timeout(limits.drain, server.connections.all_ended()).await;
        if drained.is_err() {
            let left = server.connections.len();
            warn!(server.log, "HTTP answers did not end in time; closing their connections";
                "event" => METRICS_HTTP_REPORTER_SHUTDOWN_ERROR.hex(), "connections" => left);
        }
    }
}

struct Server {
    router: Router,
    limits: Limits,
    meters: HttpMetrics,
    log: Logger,
    dying: CancellationToken,
    app: Option<App>,
    connections: Connections,
}

impl Server {
    async fn take(&mut self, socket: TcpStream) {
        while self.connections.len() >= self.limits.connections {
            if !self.connections.close_longest_waiting().await {
                self.meters.count(Event::Refused);
                // The send buffer of a new socket is empty, so the answer fits, or is lost with the connection.
                let _ = socket.try_write(FULL);
                return;
            }
            self.meters.count(Event::Displaced);
        }
        self.meters.count(Event::Accepted);
        let activity = Arc::new(Activity::new());
        let client = Client {
            router: self.router.clone(),
            limits: self.limits,
            meters: self.meters.clone(),
            log: self.log.clone(),
            activity: Arc::clone(&activity),
            dying: self.dying.clone(),
            app: self.app.clone(),
        };
        self.connections.add(activity, client.answer(socket));
    }

    fn report(&self, panic: Option<tokio::task::JoinError>) {
        if let Some(panic) = panic {
            error!(self.log, "a handler of an HTTP route panicked"; "err" => panic.to_string());
        }
    }

    /// Pauses after a failure to accept. The usual cause is a lack of file descriptors, so an idle connection is
    /// closed.
    async fn pause(&mut self, accepting: &mut Accepting, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return;
        }
        self.meters.count(Event::AcceptFailed);
        let pause = accepting.failed(&self.log, error);
        if self.connections.close_longest_waiting().await {
            self.meters.count(Event::Displaced);
        }
        tokio::select! {
            () = self.dying.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Failures to accept in a row.
#[derive(Default)]
struct Accepting {
    failures: u32,
}

impl Accepting {
    fn succeeded(&mut self, log: &Logger) {
        if self.failures > 0 {
            info!(log, "HTTP server accepts connections again"; "failures" => self.failures);
            self.failures = 0;
        }
    }

    /// Notes a failure, and returns how long to pause. Logs only the first failure in a row.
    fn failed(&mut self, log: &Logger, error: &io::Error) -> Duration {
        if self.failures == 0 {
            warn!(log, "HTTP server cannot accept connections; tries again"; "err" => error.to_string());
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(7)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

/// Answers the requests of one connection.
#[derive(Clone)]
struct Client {
    router: Router,
    limits: Limits,
    meters: HttpMetrics,
    log: Logger,
    activity: Arc<Activity>,
    dying: CancellationToken,
    app: Option<App>,
}

impl Client {
    /// Answers until the connection ends or the server stops.
    async fn answer(self, socket: TcpStream) {
        // Each answer is written in one step, so there is nothing to wait for.
        let _ = socket.set_nodelay(true);
        let (limits, activity) = (self.limits, Arc::clone(&self.activity));
        let (meters, log, dying) = (self.meters.clone(), self.log.clone(), self.dying.clone());
        let stream = Stream::new(socket, limits, Arc::clone(&activity));
        let mut wait_timeout = WaitTimeout::new(Arc::clone(&activity), limits);
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // Hyper's timeout begins with the wait for a request, so it would also close idle connections.
            .header_read_timeout(None)
            // A client that closes its sending side still gets its answer.
            .half_close(true)
            .max_buf_size(limits.header_bytes)
            .serve_connection(TokioIo::new(stream), service_fn(move |request| self.clone().handle(request)));
        let ended = tokio::select! {
            // The connection first: the timeouts depend on what it has read and written.
            biased;
            ended = &mut connection => ended,
            wait = poll_fn(|context| wait_timeout.poll_exhausted(context)) => {
                if matches!(wait, Wait::Header(_)) {
                    meters.count(Event::TimedOut);
                }
                return;
            }
            () = dying.cancelled() => {
                if activity.is_between_requests() {
                    return;
                }
                if activity.wait().is_none() {
                    Pin::new(&mut connection).graceful_shutdown();
                }
                // Hyper would close a connection that has read no whole request. The answer will close it.
                tokio::select! {
                    biased;
                    ended = &mut connection => ended,
                    () = no_request_within(limits.last_request, &activity) => return,
                }
            }
        };
        if let Err(error) = ended {
            let event = what_ended(&error);
            meters.count(event);
            debug!(log, "an HTTP connection ended early"; "outcome" => event.name(), "err" => error.to_string());
        }
    }

    fn is_stopping(&self) -> bool {
        self.dying.is_cancelled() || self.app.as_ref().is_some_and(|app| !app.alive())
    }

    async fn handle(mut self, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        self.activity.handling();
        let (mark, method) = (RouteMark::default(), request.method().clone());
        request.extensions_mut().insert(mark.clone());
        let answer = tokio::time::timeout(self.limits.answer, self.router.call(request)).await;
        let Ok(response) = answer.unwrap_or_else(|_| {
            let mut late = Response::new(Body::from("the handler took too long\n"));
            *late.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            Ok(late)
        });
        self.meters.answered(mark.path(), &method, response.status());
        let mut response = response;
        if self.is_stopping() {
            // The client's next request belongs on another connection: to another instance, or to the next process.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Body::new(Tracked::new(body, self.activity))))
    }
}

/// Waits for a time, and then for ever if the connection has a request by then.
async fn no_request_within(limit: Duration, activity: &Activity) {
    tokio::time::sleep(limit).await;
    if activity.wait().is_none() {
        std::future::pending::<()>().await;
    }
}

/// The event for an error of a connection. The client caused it, so it is not a failure of this server.
fn what_ended(error: &hyper::Error) -> Event {
    if is_stalled(error) {
        Event::TimedOut
    } else if error.is_parse() {
        Event::Malformed
    } else {
        Event::BrokenOff
    }
}

/// Whether the client did not take the answer in time.
fn is_stalled(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        cause = error.source();
    }
    false
}
