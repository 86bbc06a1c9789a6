//! Lifecycle events: typed values, their log event ids, and the bus that publishes them.

use std::{borrow::Cow, time::Duration};

use app_errors::Error;
use app_ids::{LogEventId, ServiceId, ids};

use crate::{Abandoned, StopCause};

mod board;
mod bus;
mod event_log;
mod journal;
mod kill_reason;
mod text;

pub(crate) use self::bus::{AppMoment, EventBus, EventSource};
pub use self::{
    journal::{Journal, JournalEvent, JournalPage},
    kill_reason::KillReason,
};

ids! {
    /// The application is ready: every service runs.
    pub APP_STARTED: LogEventId = 0xa482_715a_50d6_7a5f, "app_started";
    /// The application began to stop.
    pub APP_STOPPING: LogEventId = 0xbcda_e48c_0cb8_936e, "app_stopping";
    /// The application did not stop in time. The remaining tasks were aborted.
    pub APP_STOPPING_TIMEOUT: LogEventId = 0xaa77_44d8_a20d_857a, "app_stopping_timeout";
    /// The application stopped.
    pub APP_STOPPED: LogEventId = 0xdd0c_7775_e42d_7841, "app_stopped";
    /// A test stopped the application and started it again.
    pub APP_RESET: LogEventId = 0xee31_7bbb_0fe0_fafe, "app_reset";
    /// A service's start function was called.
    pub SERVICE_STARTING: LogEventId = 0xa3c3_eb88_7d09_f9aa, "service_starting";
    /// A service's start function succeeded.
    pub SERVICE_STARTED: LogEventId = 0xc27a_49a4_e5a2_a502, "service_started";
    /// A service was killed: by the stop of the application, on request, or by its own failure.
    pub SERVICE_KILLED: LogEventId = 0x85ad_f7d7_0dce_f626, "service_killed";
    /// The kernel waits for a killed service to finish.
    pub SERVICE_STOPPING: LogEventId = 0x85ad_bb66_1141_efce, "service_stopping";
    /// A service did not stop in time and was abandoned.
    pub SERVICE_STOPPING_TIMEOUT: LogEventId = 0x8ed2_e400_ce58_5f16, "service_stopping_timeout";
    /// A service is dead: it was killed, and every task has finished.
    pub SERVICE_STOPPED: LogEventId = 0xfd84_3c25_ce81_f841, "service_stopped";
    /// A service was added to the registry.
    pub SERVICE_REGISTERED: LogEventId = 0xd8f2_5797_ffa5_8858, "service_registered";
    /// A service was removed from the registry.
    pub SERVICE_UNREGISTERED: LogEventId = 0xa611_d10b_1dfc_880d, "service_unregistered";
    /// A restart of a service was requested.
    pub SERVICE_RESTART_REQUESTED: LogEventId = 0xeb54_2917_67f4_6945, "service_restart_requested";
    /// A service died and will be started again after a delay.
    pub SERVICE_RESTART_SCHEDULED: LogEventId = 0xd500_547e_bb23_7b9e, "service_restart_scheduled";
    /// A service was started again, after its own death or the death of a service that it depends on.
    pub SERVICE_RESTARTED: LogEventId = 0x8c7b_f013_1253_65bb, "service_restarted";
    /// A service died too often, so the application stops.
    pub SERVICE_RESTARTS_EXHAUSTED: LogEventId = 0x8cd9_7e04_ddca_d2e6, "service_restarts_exhausted";
}

/// What happened to a service.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ServiceEventKind {
    /// Added to the registry.
    Registered,
    /// Its start function was called.
    Starting,
    /// Its start function succeeded.
    Started {
        /// How long the start function ran.
        took: Duration,
    },
    /// Killed. It may still have tasks that finish their work.
    Killed {
        /// Why.
        reason: KillReason,
    },
    /// The kernel waits for its tasks to finish.
    Stopping,
    /// Its tasks did not finish in time, and it was abandoned.
    StoppingTimeout {
        /// How long the kernel waited.
        waited: Duration,
        /// Its tasks that had not finished.
        tasks: Vec<Cow<'static, str>>,
    },
    /// Dead: killed, and every task has finished.
    Stopped {
        /// The failure that ended it, if there was one.
        failure: Option<Error>,
    },
    /// Removed from the registry.
    Unregistered,
    /// A caller requested its restart.
    RestartRequested {
        /// Why.
        reason: String,
    },
    /// It died and will be started again. Its dependents stop in the meantime.
    RestartScheduled {
        /// Number of this restart within the window, starting at 1.
        attempt: u32,
        /// Restarts allowed within the window.
        max_restarts: u32,
        /// Length of the window in which restarts are counted.
        window: Duration,
        /// Delay before the restart.
        delay: Duration,
        /// Why it died.
        reason: String,
    },
    /// Started again: by its policy, on request, or because a service that it depends on was started again.
    Restarted {
        /// Time since the death of the previous incarnation.
        down: Duration,
    },
    /// It died once more than its policy allows, or it did not stop and so cannot be restarted. The app stops.
    RestartsExhausted {
        /// The reason.
        error: Error,
    },
}

impl ServiceEventKind {
    /// The log event id under which this event is logged.
    pub(crate) fn log_event_id(&self) -> LogEventId {
        match self {
            Self::Registered => SERVICE_REGISTERED,
            Self::Starting => SERVICE_STARTING,
            Self::Started { .. } => SERVICE_STARTED,
            Self::Killed { .. } => SERVICE_KILLED,
            Self::Stopping => SERVICE_STOPPING,
            Self::StoppingTimeout { .. } => SERVICE_STOPPING_TIMEOUT,
            Self::Stopped { .. } => SERVICE_STOPPED,
            Self::Unregistered => SERVICE_UNREGISTERED,
            Self::RestartRequested { .. } => SERVICE_RESTART_REQUESTED,
            Self::RestartScheduled { .. } => SERVICE_RESTART_SCHEDULED,
            Self::Restarted { .. } => SERVICE_RESTARTED,
            Self::RestartsExhausted { .. } => SERVICE_RESTARTS_EXHAUSTED,
        }
    }
}

/// A lifecycle event of the application or of one of its services.
///
/// Log lines and metrics are made from these values. Subscribe with [`App::events`](crate::App::events).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AppEvent {
    /// The app is ready: every service runs.
    Started {
        /// How many services run.
        services: usize,
        /// Time from the creation of the app to readiness.
        took: Duration,
    },
    /// The app began to stop.
    Stopping {
        /// Why.
        cause: StopCause,
    },
    /// The app did not stop in time. The remaining tasks were aborted.
    StoppingTimeout {
        /// How long the kernel waited.
        waited: Duration,
        /// The services that had not stopped.
        services: Vec<Abandoned>,
    },
    /// The app stopped.
    Stopped {
        /// Why.
        cause: StopCause,
        /// Time from the cause to the end.
        took: Duration,
        /// The services that had to be abandoned.
        abandoned: Vec<Abandoned>,
    },
    /// A test stopped the app and started it again.
    Reset,
    /// Something happened to a service.
    Service {
        /// The service.
        id: ServiceId,
        /// What happened to it.
        kind: ServiceEventKind,
    },
}

impl AppEvent {
    /// The log event id under which this event is logged.
    #[must_use]
    pub fn log_event_id(&self) -> LogEventId {
        match self {
            Self::Started { .. } => APP_STARTED,
            Self::Stopping { .. } => APP_STOPPING,
            Self::StoppingTimeout { .. } => APP_STOPPING_TIMEOUT,
            Self::Stopped { .. } => APP_STOPPED,
            Self::Reset => APP_RESET,
            Self::Service { kind, .. } => kind.log_event_id(),
        }
    }
}
