//! Lifecycle events: typed values, and the log event ids that are their log form.

use std::{borrow::Cow, time::Duration};

use app_errors::Error;
use app_ids::{LogEventId, ServiceId, ids};

use crate::{Abandoned, KillReason, StopCause};

ids! {
    /// The application is ready: every service runs.
    pub APP_STARTED: LogEventId = 0xa482_715a_50d6_7a5f, "app_started";
    /// The application began to stop.
    pub APP_STOPPING: LogEventId = 0xbcda_e48c_0cb8_936e, "app_stopping";
    /// The application did not stop in time; what was left of it was aborted.
    pub APP_STOPPING_TIMEOUT: LogEventId = 0xaa77_44d8_a20d_857a, "app_stopping_timeout";
    /// The application stopped.
    pub APP_STOPPED: LogEventId = 0xdd0c_7775_e42d_7841, "app_stopped";
    /// A test took the application down and up again.
    pub APP_RESET: LogEventId = 0xee31_7bbb_0fe0_fafe, "app_reset";
    /// A service's start function was called.
    pub SERVICE_STARTING: LogEventId = 0xa3c3_eb88_7d09_f9aa, "service_starting";
    /// A service's start function came back well.
    pub SERVICE_STARTED: LogEventId = 0xc27a_49a4_e5a2_a502, "service_started";
    /// A service was killed: by the stop of the application, on request, or by a failure of its own.
    pub SERVICE_KILLED: LogEventId = 0x85ad_f7d7_0dce_f626, "service_killed";
    /// The kernel waits for a killed service to finish.
    pub SERVICE_STOPPING: LogEventId = 0x85ad_bb66_1141_efce, "service_stopping";
    /// A service did not stop in time and was abandoned.
    pub SERVICE_STOPPING_TIMEOUT: LogEventId = 0x8ed2_e400_ce58_5f16, "service_stopping_timeout";
    /// A service is dead: killed, and every task of it has finished.
    pub SERVICE_STOPPED: LogEventId = 0xfd84_3c25_ce81_f841, "service_stopped";
    /// A service was entered in the registry.
    pub SERVICE_REGISTERED: LogEventId = 0xd8f2_5797_ffa5_8858, "service_registered";
    /// A service was taken out of the registry.
    pub SERVICE_UNREGISTERED: LogEventId = 0xa611_d10b_1dfc_880d, "service_unregistered";
    /// A restart of a service was asked for.
    pub SERVICE_RESTART_REQUESTED: LogEventId = 0xeb54_2917_67f4_6945, "service_restart_requested";
    /// A service died and is to be started again, after a wait.
    pub SERVICE_RESTART_SCHEDULED: LogEventId = 0xd500_547e_bb23_7b9e, "service_restart_scheduled";
    /// A service was started again, after its own death or that of something that it depends on.
    pub SERVICE_RESTARTED: LogEventId = 0x8c7b_f013_1253_65bb, "service_restarted";
    /// A service died too often: the application stops.
    pub SERVICE_RESTARTS_EXHAUSTED: LogEventId = 0x8cd9_7e04_ddca_d2e6, "service_restarts_exhausted";
}

/// What happened to a service.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ServiceEventKind {
    /// Entered in the registry.
    Registered,
    /// Its start function was called.
    Starting,
    /// Its start function came back well after `took`.
    Started {
        /// How long the start function ran.
        took: Duration,
    },
    /// Killed, and why. It may still have tasks that finish their work.
    Killed {
        /// Why.
        reason: KillReason,
    },
    /// The kernel waits for it to finish.
    Stopping,
    /// It did not finish in time and was abandoned.
    StoppingTimeout {
        /// How long the kernel waited.
        waited: Duration,
        /// Its tasks that had not finished.
        tasks: Vec<Cow<'static, str>>,
    },
    /// Dead: killed, and every task has finished.
    Stopped {
        /// The failure that ended it, if it was one.
        failure: Option<Error>,
    },
    /// Taken out of the registry.
    Unregistered,
    /// Somebody asked for its restart.
    RestartRequested {
        /// Why.
        reason: String,
    },
    /// It died and is to be started again. What depends on it stops in the meantime.
    RestartScheduled {
        /// Number of this restart within the window, starting at 1.
        attempt: u32,
        /// How many there may be within the window.
        max_restarts: u32,
        /// Over how long restarts are counted.
        window: Duration,
        /// How long it waits.
        delay: Duration,
        /// What it died of.
        reason: String,
    },
    /// Started again: by its policy, on request, or because something that it depends on was.
    Restarted {
        /// From the death of the incarnation before to now.
        down: Duration,
    },
    /// It died once more than its policy allows, or can't be restarted since it did not stop: the app stops.
    RestartsExhausted {
        /// Why, for people.
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
/// Log lines and metrics are adapters of these values; subscribe with [`App::events`](crate::App::events).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AppEvent {
    /// Ready: every service runs.
    Started {
        /// How many services run.
        services: usize,
        /// From the creation of the app to readiness.
        took: Duration,
    },
    /// The app began to stop.
    Stopping {
        /// Why.
        cause: StopCause,
    },
    /// The app did not stop in time; what was left was aborted.
    StoppingTimeout {
        /// How long the kernel waited.
        waited: Duration,
        /// The services that were still there.
        services: Vec<Abandoned>,
    },
    /// The app stopped.
    Stopped {
        /// Why.
        cause: StopCause,
        /// From the cause to the end.
        took: Duration,
        /// The services that had to be abandoned.
        abandoned: Vec<Abandoned>,
    },
    /// A test took the app down and up again.
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
