//! The states of a service.

use std::fmt;

/// The state of a service. The order is that of a life: a later state never goes back to an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ServiceState {
    /// Made, and not started yet.
    Registered = 0,
    /// Its start function runs.
    Starting = 1,
    /// It has started, and its dependents may use it.
    Running = 2,
    /// Killed. Its tasks finish their work.
    Stopping = 3,
    /// Dead without a failure.
    Stopped = 4,
    /// Dead after a failure.
    Failed = 5,
}

impl ServiceState {
    pub(crate) const fn from_u8(state: u8) -> Self {
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
