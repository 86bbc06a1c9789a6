//! The HTTP server: it listens, accepts connections, and limits what clients can take.
//!
//! It speaks HTTP/1 only, and answers GET and HEAD only. Nothing that it offers changes anything. [`Limits`] bounds
//! what a client may take: header size and time, answer time, and the number of connections. When all connections are
//! taken, the connection that has waited longest for its client is closed. So clients that send nothing cannot keep a
//! scrape out. When all connections are being answered, a new one gets a 503. Scrapes are bounded in number and in
//! memory, whatever the number of series.
//!
//! There is a type for each phase. [`Bound`] listens and knows its address, so a busy port is an error before anything
//! runs. Its `serve` runs until it is told to stop, and owns every task of the server.

mod body;
mod caller;
mod connections;
mod listener;
mod metrics;
mod negotiation;
mod panels;
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

use app_core::limits::descriptor_limit;

/// Limits for one client and for all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the first byte of a request until its header is complete.
    pub(crate) header_read: Duration,
    /// How long a connection may be idle: before its first request, and between two requests.
    pub(crate) idle: Duration,
    /// Size of a request line and header together.
    pub(crate) header_bytes: usize,
    /// How long a handler may take.
    pub(crate) answer: Duration,
    /// How long a client may take nothing of an answer.
    pub(crate) write_stall: Duration,
    /// How long a client may take for what was written at once, and how long a scrape may take.
    pub(crate) write_total: Duration,
    /// Connections at the same time.
    pub(crate) connections: usize,
    /// Scrapes in progress at the same time; each may take about 1.5 MB.
    pub(crate) scrapes: usize,
    /// How long a stopping server waits for a request that has begun, or for the first one of a connection.
    pub(crate) last_request: Duration,
    /// How long answers in progress may take once the server stops.
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
            // Other servers of the process need descriptors too.
            connections: (descriptor_limit() / 8).clamp(8, 512),
            scrapes: 64,
            last_request: Duration::from_millis(500),
            drain: Duration::from_secs(1),
        }
    }
}
