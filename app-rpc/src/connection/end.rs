//! Why a connection ended.

use std::fmt;

/// Why a connection that was established ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// The peer closed it.
    PeerClosed,
    /// It broke: a reset, or the network is gone.
    Lost,
    /// The peer sent a message beyond the limit.
    TooLarge,
    /// The peer sent what is no message, or none at this point.
    Protocol,
    /// The peer went on calling after as many refusals as it may have open.
    TooManyCalls,
    /// The peer took all the memory that it may take, and went on.
    TooMuchMemory,
    /// The peer did not read: too much waited for it, or for too long.
    NotReading,
    /// The peer began a message and did not end it.
    Stalled,
    /// Nothing happened on it for as long as may be.
    Idle,
    /// It lived for as long as it may.
    TooOld,
    /// The peer's certificate was revoked while it was connected.
    Revoked,
    /// The peer's certificate ended while it was connected.
    Expired,
    /// Our side stops.
    Stopping,
    /// A handler panicked.
    Panicked,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::PeerClosed,
        Self::Lost,
        Self::TooLarge,
        Self::Protocol,
        Self::TooManyCalls,
        Self::TooMuchMemory,
        Self::NotReading,
        Self::Stalled,
        Self::Idle,
        Self::TooOld,
        Self::Revoked,
        Self::Expired,
        Self::Stopping,
        Self::Panicked,
    ];

    /// Its name in metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::Lost => "lost",
            Self::TooLarge => "too_large",
            Self::Protocol => "protocol",
            Self::TooManyCalls => "too_many_calls",
            Self::TooMuchMemory => "too_much_memory",
            Self::NotReading => "not_reading",
            Self::Stalled => "stalled",
            Self::Idle => "idle",
            Self::TooOld => "too_old",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Stopping => "stopping",
            Self::Panicked => "panicked",
        }
    }

    /// Whether somebody should look at it: the peer misbehaved, or we did.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        !matches!(
            self,
            Self::PeerClosed | Self::Lost | Self::Idle | Self::TooOld | Self::Expired | Self::Stopping
        )
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}
