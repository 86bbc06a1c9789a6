//! Events as sentences for people.

use std::fmt;

use super::{AppEvent, ServiceEventKind};
use crate::{StopCause, counted, show_duration};

/// What happened, such as `runs, after 3ms`. The service is not named.
impl fmt::Display for ServiceEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered => f.write_str("registered"),
            Self::Starting => f.write_str("starts"),
            Self::Started { took } => write!(f, "runs, after {}", show_duration(*took)),
            Self::Killed { reason } => write!(f, "was killed: {reason}"),
            Self::Stopping => f.write_str("stops"),
            Self::StoppingTimeout { waited, tasks } => {
                let (waited, tasks) = (show_duration(*waited), tasks.join(", "));
                write!(f, "did not stop within {waited} and is abandoned: tasks {tasks}")
            }
            Self::Stopped { failure: None } => f.write_str("stopped"),
            Self::Stopped { failure: Some(failure) } => write!(f, "stopped after a failure: {failure}"),
            Self::Unregistered => f.write_str("unregistered"),
            Self::RestartRequested { reason } => write!(f, "a restart was requested: {reason}"),
            Self::RestartScheduled { attempt, max_restarts, delay, reason, .. } => {
                let delay = show_duration(*delay);
                write!(f, "restarts in {delay} ({attempt} of {max_restarts}): {reason}")
            }
            Self::Restarted { down } => write!(f, "restarted, down for {}", show_duration(*down)),
            Self::RestartsExhausted { error } => write!(f, "does not restart any more: {error}"),
        }
    }
}

/// What happened. For an event of a service, the service is not named.
impl fmt::Display for AppEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { services, took } => {
                let (services, took) = (counted(*services as u64, "service"), show_duration(*took));
                write!(f, "the application is ready: {services} running, after {took}")
            }
            Self::Stopping { cause: StopCause::Fatal(failure) } => {
                write!(f, "the application stops: a service failed with a fatal error: {failure}")
            }
            Self::Stopping { cause } => write!(f, "the application stops: {cause}"),
            Self::StoppingTimeout { waited, services } => {
                let services: Vec<_> = services.iter().map(ToString::to_string).collect();
                let (waited, services) = (show_duration(*waited), services.join(", "));
                write!(f, "the application did not stop within {waited}, aborts what is left: {services}")
            }
            Self::Stopped { cause, took, .. } => {
                write!(f, "the application stopped, after {}: {cause}", show_duration(*took))
            }
            Self::Reset => f.write_str("the application was reset"),
            Self::Service { kind, .. } => kind.fmt(f),
        }
    }
}
