//! Why and how an app stopped, and the exit status for it.

use std::{fmt, process::ExitCode, time::Duration};

use app_errors::{Error, errors};
use app_ids::ServiceId;

/// Why an app stops.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StopCause {
    /// A signal, by its number.
    Signal(i32),
    /// A caller requested it, with this reason.
    Killed(String),
    /// A service failed with an error of FATAL severity.
    Fatal(Error),
    /// The app could not start, for these reasons.
    StartFailed(Vec<Error>),
    /// The kernel itself panicked.
    Internal(Error),
}

impl fmt::Display for StopCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(number) => match nix::sys::signal::Signal::try_from(*number) {
                Ok(signal) => write!(f, "signal {signal}"),
                Err(_) => write!(f, "signal {number}"),
            },
            Self::Killed(reason) => write!(f, "killed: {reason}"),
            Self::Fatal(error) => write!(f, "fatal error: {error}"),
            Self::Internal(error) => write!(f, "internal error: {error}"),
            Self::StartFailed(errors) => match errors.as_slice() {
                [error] => write!(f, "start failed: {error}"),
                errors => write!(f, "start failed: {} problems", errors.len()),
            },
        }
    }
}

/// The exit status of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitStatus {
    /// 0: stopped by a signal or a kill, and nothing was left behind.
    Clean,
    /// 1: the start failed.
    StartFailed,
    /// 2: bad flags.
    Usage,
    /// 3: stopped, but a service had to be abandoned.
    Abandoned,
    /// 4: stopped by a FATAL error.
    Fatal,
    /// 70, `EX_SOFTWARE` of sysexits.h: a panic outside of any service, which is a bug in the platform.
    Internal,
    /// 78, `EX_CONFIG` of sysexits.h: a config was unreadable, malformed or refused.
    Config,
    /// 128 + n: a second signal n cut the stop short.
    Signal(i32),
}

impl ExitStatus {
    /// The number that the parent process sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::StartFailed => 1,
            Self::Usage => 2,
            Self::Abandoned => 3,
            Self::Fatal => 4,
            Self::Internal => 70,
            Self::Config => 78,
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        status.code().into()
    }
}

/// How an app stopped.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StopReport {
    /// Why.
    pub cause: StopCause,
    /// Time from the cause to the end.
    pub took: Duration,
    /// The services that did not stop in time, with the names of the tasks that hung.
    pub abandoned: Vec<Abandoned>,
}

/// A service that did not stop in time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abandoned {
    /// The service.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// Its tasks that had not finished.
    pub tasks: Vec<String>,
}

impl fmt::Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}; tasks: {})", self.name, self.id, self.tasks.join(", "))
    }
}

impl StopReport {
    /// The exit status for this report.
    #[must_use]
    pub fn exit_status(&self) -> ExitStatus {
        match &self.cause {
            StopCause::StartFailed(errors) => start_failure_status(errors),
            StopCause::Fatal(_) => ExitStatus::Fatal,
            StopCause::Internal(_) => ExitStatus::Internal,
            StopCause::Signal(_) | StopCause::Killed(_) if self.abandoned.is_empty() => ExitStatus::Clean,
            StopCause::Signal(_) | StopCause::Killed(_) => ExitStatus::Abandoned,
        }
    }

    /// The first reason why the app did not start, or else the cause as an error.
    pub(crate) fn into_error(self) -> Error {
        match self.cause {
            StopCause::StartFailed(problems) if !problems.is_empty() => problems[0].clone(),
            StopCause::Fatal(error) | StopCause::Internal(error) => error,
            cause => errors::APP_NOT_ALIVE.error(crate::ids::APP_SERVICE).message(cause.to_string()).build(),
        }
    }

    /// Checks, in a test, that the app stopped on request and abandoned no service.
    ///
    /// # Panics
    /// When the stop was not clean. The message is the whole report.
    pub fn expect_clean(&self) {
        assert!(self.exit_status() == ExitStatus::Clean, "the app did not stop cleanly: {self:#?}");
    }
}

/// 78 if a config is among the reasons, and 1 otherwise.
pub(crate) fn start_failure_status(problems: &[Error]) -> ExitStatus {
    let config = problems.iter().any(|problem| problem.chain_has(&errors::CONFIG_FAILURE));
    if config { ExitStatus::Config } else { ExitStatus::StartFailed }
}
