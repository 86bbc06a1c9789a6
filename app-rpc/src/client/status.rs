//! What a client knows about the instances of its server.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Refusal;

/// Whether an instance gets calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstanceState {
    /// There is no connection. The client keeps trying.
    Connecting,
    /// There is a connection.
    Connected,
    /// There is a connection, and the instance gets no calls, because its last ones failed while those of other instances succeeded.
    /// After [`InstanceStatus::ejected_until`] one call tries it.
    Ejected,
}

impl InstanceState {
    /// The label of metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Ejected => "ejected",
        }
    }
}

/// One instance of a server, as its client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceStatus {
    /// The instance's address.
    pub address: SocketAddr,
    /// Whether it gets calls.
    pub state: InstanceState,
    /// Why the last attempt to connect was refused, if the handshake told.
    pub refusal: Option<Refusal>,
    /// Why the last attempt to connect failed, as text.
    pub failure: Option<String>,
    /// When an ejected instance may be tried again. `None` if it is not ejected.
    pub ejected_until: Option<Instant>,
    /// Calls and requests of this client that the instance has not answered.
    pub calls_in_flight: u32,
    /// The mean time of the last answers. `None` before the first one of a connection.
    pub latency: Option<Duration>,
}
