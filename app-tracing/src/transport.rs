//! How a request gets to a collector: a trait, so that tests have collectors of their own, and HTTP.

mod connection;
mod http;
mod resolve;

use std::time::Duration;

use bytes::Bytes;

use crate::answer::Answer;

pub(crate) use self::http::{HttpSettings, HttpTransport};

/// Sends requests to one collector.
pub(crate) trait Transport {
    /// Sends a request, and returns what became of it within `timeout`. A failure of the network is [`Answer::Later`].
    ///
    /// # Cancel safety
    /// After a cancel it is not known whether the collector got the request. The transport can be used again.
    fn send(&mut self, body: Body, timeout: Duration) -> impl Future<Output = Answer>;
}

/// The body of a request. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    /// Whether it is compressed.
    pub(crate) gzip: bool,
}
