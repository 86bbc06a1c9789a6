//! Where a service is in its life.

use std::fmt;

/// The states of a service, in the order in which they are passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ServiceState {
    /// Made, not started yet.
    Registered = 0,
    /// Its start function runs.
    Starting = 1,
    /// It is there for others.
    Running = 2,
    /// Killed; tasks of it finish their work.
    Stopping = 3,
    /// Dead, and it was asked to.
    Stopped = 4,
    /// Dead of a failure.
    Failed = 5,
}

impl ServiceState {
    pub(super) const fn from_u8(state: u8) -> Self {
        match state {
            0 => Self::Registered,
            1 => Self::Starting,
            2 => Self::Running,
            3 => Self::Stopping,
            4 => Self::Stopped,
            _ => Self::Failed,
        }
    }

    /// The state in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
