//! Requests over HTTP/1.1, with TLS for `https`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use app_tls::record_handshake;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::connection::{Connection, MAX_BODY_BYTES, Received};
use super::resolve::Resolver;
use super::{Body, Transport};
use crate::answer::Answer;
use crate::endpoint::Endpoint;
use crate::header::Header;

/// Where requests go, and what they have.
#[derive(Clone)]
pub(crate) struct HttpSettings {
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: Vec<Header>,
    /// Set for an endpoint with `https`.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// Sends requests one after another, over one connection as long as it lasts.
pub(crate) struct HttpTransport {
    settings: HttpSettings,
    resolver: Resolver,
    connection: Option<Connection>,
    /// How many connections were begun.
    connections: usize,
}

impl HttpTransport {
    pub(crate) fn new(settings: HttpSettings) -> Self {
        Self { settings, resolver: Resolver::default(), connection: None, connections: 0 }
    }

    fn request(&self, body: Body) -> Result<Request<Full<Bytes>>, String> {
        let HttpSettings { endpoint, headers, .. } = &self.settings;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&endpoint.target)
            .header(HOST, &endpoint.authority)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(USER_AGENT, concat!("app-tracing/", env!("CARGO_PKG_VERSION")));
        if body.gzip {
            request = request.header(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        for (name, value) in headers.iter().filter_map(|header| Some((header.name(), header.value()?))) {
            request = request.header(name, value);
        }
        request.body(Full::new(body.bytes)).map_err(|error| format!("the request can't be made: {error}"))
    }

    async fn connect(&mut self) -> io::Result<Connection> {
        let Endpoint { host, port, .. } = &self.settings.endpoint;
        let tls = match &self.settings.tls {
            None => None,
            Some(config) => {
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                Some((Arc::clone(config), name))
            }
        };
        self.connections = self.connections.wrapping_add(1);
        let addresses = self.resolver.look_up(host, *port).await?;
        let (opened, record) = record_handshake(Connection::open(&addresses, self.connections, tls)).await;
        opened.map_err(|error| match record.rejection {
            // The words of the verifier help to correct it.
            Some((_, words)) => io::Error::new(error.kind(), format!("its certificate is refused: {words}")),
            None => error,
        })
    }

    async fn exchange(&mut self, body: Body) -> Result<Received, String> {
        // Taken out: a request that fails or is cancelled leaves no connection behind.
        let kept = match self.connection.take() {
            Some(mut connection) => connection.is_usable().await.then_some(connection),
            None => None,
        };
        if let Some(mut connection) = kept {
            // The collector may close it just now: then the request is sent again on a new one.
            if let Ok(received) = connection.send(self.request(body.clone())?).await {
                self.connection = received.body.is_some().then_some(connection);
                return Ok(received);
            }
        }
        let opened = self.connect().await;
        let mut connection = opened.map_err(|error| format!("the collector can't be reached: {error}"))?;
        let received = connection.send(self.request(body)?).await;
        let received = received.map_err(|error| format!("the collector gave no answer: {error}"))?;
        self.connection = received.body.is_some().then_some(connection);
        Ok(received)
    }
}

impl Transport for HttpTransport {
    async fn send(&mut self, body: Body, timeout: Duration) -> Answer {
        match tokio::time::timeout(timeout, self.exchange(body)).await {
            Ok(Ok(Received { status, headers, body: Some(body) })) => Answer::of(status, &headers, &body),
            Ok(Ok(Received { status, body: None, .. })) if status.is_success() => Answer::Refused(format!(
                "the answer has more than {MAX_BODY_BYTES} bytes, so nothing is known of the spans; is the endpoint a collector?"
            )),
            Ok(Ok(Received { status, headers, body: None })) => Answer::of(status, &headers, b""),
            Ok(Err(why)) => Answer::later(why),
            Err(_) => Answer::later(format!("the collector gave no answer within {timeout:?}")),
        }
    }
}

#[cfg(test)]
mod tests;
