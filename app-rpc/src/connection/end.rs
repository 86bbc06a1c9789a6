//! Reasons why connections end.

use std::fmt;

/// Why an established connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// The peer closed it.
    PeerClosed,
    /// The connection was reset, or the network failed.
    Lost,
    /// The peer sent a message beyond the limit.
    TooLarge,
    /// The peer sent bytes that are not a message, or a message that is not allowed at this point.
    Protocol,
    /// The peer sent more calls than allowed, and did not look at their refusals.
    TooManyCalls,
    /// The peer used all its memory, and sent more.
    TooMuchMemory,
    /// The peer did not read: too many bytes waited for it, or for too long.
    NotReading,
    /// The peer began a message and did not finish it.
    Stalled,
    /// The connection was idle for its limit.
    Idle,
    /// The connection reached its maximum age.
    TooOld,
    /// The peer's certificate was revoked while it was connected.
    Revoked,
    /// The peer's certificate expired while it was connected.
    Expired,
    /// This side is stopping.
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

    /// Whether an operator should look at it: the peer or this side misbehaved.
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
