//! One connection to a collector. The requests drive it, so it needs no task of its own.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The most bytes of the head of an answer, and the most of its body that are read.
const MAX_HEAD_BYTES: usize = 16 << 10;
pub(super) const MAX_BODY_BYTES: usize = 64 << 10;

trait Stream: AsyncRead + AsyncWrite + Send {}

impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

type Driver = Pin<Box<http1::Connection<TokioIo<Pin<Box<dyn Stream>>>, Full<Bytes>>>>;

/// A connection. While no request runs, nothing drives it.
pub(super) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    /// `None` after the connection ended.
    driver: Option<Driver>,
}

/// An answer as it came.
pub(super) struct Received {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// `None` if it has more bytes than are read. The connection is of no use then.
    pub(super) body: Option<Bytes>,
}

impl Connection {
    /// Connects to the first of the addresses that answers, beginning with the one of this number, so that an address that does not
    /// answer does not take the time of every attempt.
    pub(super) async fn open(
        addresses: &[SocketAddr],
        first: usize,
        tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    ) -> io::Result<Self> {
        let tcp = connect(addresses, first).await?;
        tcp.set_nodelay(true)?;
        let stream: Pin<Box<dyn Stream>> = match tls {
            None => Box::pin(tcp),
            Some((config, name)) => Box::pin(TlsConnector::from(config).connect(name, tcp).await?),
        };
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD_BYTES);
        let made = builder.handshake(TokioIo::new(stream)).await;
        let (requests, driver) = made.map_err(io::Error::other)?;
        Ok(Self { requests, driver: Some(Box::pin(driver)) })
    }

    /// Whether it can take a request. Looks at the connection, since the collector may have closed it meanwhile.
    pub(super) async fn is_usable(&mut self) -> bool {
        self.drive(poll_fn(|_| Poll::Ready(()))).await;
        self.driver.is_some() && !self.requests.is_closed()
    }

    /// Sends a request and receives its answer.
    ///
    /// # Cancel safety
    /// After a cancel the connection is of no use.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Received, String> {
        let ready = {
            let Self { requests, driver } = self;
            driving(driver, requests.ready()).await
        };
        ready.map_err(|error| text_of(&error))?;
        let answer = self.requests.send_request(request);
        let answer = driving(&mut self.driver, answer).await.map_err(|error| text_of(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect();
        let body = match driving(&mut self.driver, body).await {
            Ok(body) => Some(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => None,
            Err(error) => return Err(format!("the answer was cut off: {error}")),
        };
        Ok(Received { status: head.status, headers: head.headers, body })
    }

    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        driving(&mut self.driver, work).await
    }
}

/// Waits for `work`, and drives the connection meanwhile.
async fn driving<T>(driver: &mut Option<Driver>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        let ended = driver.as_mut().is_some_and(|driver| driver.as_mut().poll(context).is_ready());
        if ended {
            // What it had received is there for `work` all the same.
            *driver = None;
        }
        work.as_mut().poll(context)
    })
    .await
}

async fn connect(addresses: &[SocketAddr], first: usize) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let first = first % addresses.len().max(1);
    let (before, from) = addresses.split_at(first);
    for address in from.iter().chain(before) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
        }
    }
    Err(last)
}

/// An error of hyper with its cause, which says more.
fn text_of(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
