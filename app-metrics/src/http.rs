//! The HTTP server: what listens, what it accepts, and what no client can make it do.
//!
//! HTTP/1 only, GET and HEAD only, nothing it offers changes anything. What a client may take is bounded ([`Limits`]):
//! the header in size and time, the answer in time, the connections in number. When all connections are taken, the one
//! that has been waiting longest for its client (idle, or with half a header sent) makes room, so clients that send
//! nothing can't keep a scrape out; when every one is being answered, the new one gets a 503. Scrapes are bounded in
//! number and in memory, whatever there is to scrape.
//!
//! A type per phase: [`Bound`] listens and says where, so a busy port is known before anything runs; its `serve` runs
//! until it is told to stop, and owns every task of the server.

mod body;
mod connections;
mod listener;
mod metrics;
mod negotiation;
mod router;
mod scrape;
mod server;
mod stream;
#[cfg(test)]
mod tests;
mod wait_timeout;

pub(crate) use listener::Bound;
pub(crate) use metrics::HttpMetrics;
pub(crate) use router::{check_routes, router};
pub(crate) use scrape::Scrapes;

use std::time::Duration;

use app_core::descriptor_limit;

/// What one client, and all of them, may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the first byte of a request until its header is complete.
    pub(crate) header_read: Duration,
    /// How long a connection may be idle: before its first request, and between two requests.
    pub(crate) idle: Duration,
    /// Size of a request's line and header together.
    pub(crate) header_bytes: usize,
    /// How long a handler may take.
    pub(crate) answer: Duration,
    /// How long a client may take none of the answer.
    pub(crate) write_stall: Duration,
    /// How long it may take for what was written at once; and how long a scrape may go on being made.
    pub(crate) write_total: Duration,
    /// Connections at a time.
    pub(crate) connections: usize,
    /// Scrapes that are being answered at a time; each may take some 1.5 MB.
    pub(crate) scrapes: usize,
    /// How long answers in progress may take once the server is to stop.
    pub(crate) drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(5),
            idle: Duration::from_secs(75),
            header_bytes: 8 * 1024,
            answer: Duration::from_secs(10),
            write_stall: Duration::from_secs(10),
            write_total: Duration::from_secs(60),
            // Other servers of the process need descriptors, too.
            connections: (descriptor_limit() / 8).clamp(8, 512),
            scrapes: 64,
            drain: Duration::from_secs(1),
        }
    }
}
