//! What the page needs of apps: a list of them, and a connection to each that answers questions.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::{HealthCheckId, ServiceId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

/// A future of this interface.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The answer to a question, as JSON.
pub type Answer = Result<Value, Problem>;

/// The apps that a page shows. The page knows them through this interface only.
pub trait Apps: Send + Sync + 'static {
    /// The instances of all apps, each once. The page asks again while the fleet page is open.
    fn list(&self) -> Asked<'_, Result<Vec<Instance>, Problem>>;

    /// Connects to an instance. The certificate that it shows was checked.
    fn connect<'a>(
        &'a self,
        instance: &'a Instance,
        deadline: Instant,
    ) -> Asked<'a, Result<Arc<dyn AppLink>, Problem>>;
}

/// A connection to an instance.
pub trait AppLink: Send + Sync {
    /// Whether the connection is open.
    fn is_connected(&self) -> bool;

    /// Asks the instance. Ends at the deadline at the latest.
    fn ask(&self, question: Question, deadline: Instant) -> Asked<'_, Answer>;

    /// Disconnects, and gives the instance time to notice.
    fn close(&self) -> Asked<'_, ()>;
}

/// One running process of an app, and how the page names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The key in addresses of the page. It stays the same while the page runs.
    pub key: String,
    /// The name of the context.
    pub context: String,
    /// The address as text.
    pub address: String,
}

/// A question to an app, or a change of it.
///
/// The answers are JSON objects. Their keys are those that `appctl` prints with `--json`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Question {
    /// Who it is.
    Identity,
    /// Whether it is ready: `{ready, reasons, notes, ends}`.
    Readiness,
    /// All services: `{services}`.
    Services,
    /// All health checks: `{checks}`.
    Checks,
    /// A health check with its last runs: `{check, results, transitions}`.
    Check(HealthCheckId),
    /// The configs of services: `{configs}`.
    Configs,
    /// The log levels: `{app, services}`.
    Levels,
    /// The metrics in Prometheus' text format 0.0.4: `{text}`.
    Metrics,
    /// The stack of each thread: `{text}`.
    Stacks,
    /// The operations: `{operations}`.
    Operations,
    /// An operation with the JSON Schemas of its arguments and its result: `{operation, arguments, results}`.
    Describe {
        /// The service that offers it.
        service: ServiceId,
        /// Its name.
        name: String,
    },
    /// Calls an operation. The answer is its result.
    Call(Box<Call>),
    /// Changes something without an operation: see [`Change`].
    Change(Change),
}

/// A call of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The service that offers it.
    pub service: ServiceId,
    /// Its name.
    pub name: String,
    /// Its arguments, an object.
    pub arguments: Value,
    /// The reason, for the log of the app. Empty if the operation only reads.
    pub reason: String,
    /// A repeated call with the same id answers with the first result. Empty: none.
    pub request_id: String,
    /// The operator has confirmed that the operation may destroy something.
    pub confirmed: bool,
    /// How long the operation may take.
    pub time: Duration,
}

/// A change that needs no operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What to change.
    pub what: Changed,
    /// The reason, for the log of the app.
    pub reason: String,
}

/// What a change does. This is also the form in the body of a request: `{"change": "restart", "service": "0x.."}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum Changed {
    /// Restarts a service and its dependents.
    Restart {
        /// The service.
        #[serde(deserialize_with = "super::parse::id")]
        service: u64,
    },
    /// Runs a health check now.
    RunCheck {
        /// The health check.
        #[serde(deserialize_with = "super::parse::id")]
        check: u64,
    },
    /// Pauses a health check.
    PauseCheck {
        /// The health check.
        #[serde(deserialize_with = "super::parse::id")]
        check: u64,
    },
    /// Resumes a health check.
    ResumeCheck {
        /// The health check.
        #[serde(deserialize_with = "super::parse::id")]
        check: u64,
    },
    /// Sets a log level.
    SetLevel {
        /// The service. None: the app.
        #[serde(default, deserialize_with = "super::parse::some_id")]
        service: Option<u64>,
        /// `debug`, `info`, `warn` or `error`.
        level: String,
        /// After this time the level goes back. 0: never.
        #[serde(default)]
        for_millis: u64,
    },
    /// Sets a log level back to that of the flags.
    ResetLevel {
        /// The service. None: the app.
        #[serde(default, deserialize_with = "super::parse::some_id")]
        service: Option<u64>,
    },
    /// Reads the configs again.
    Reload {},
    /// Stops the app. The request must be confirmed.
    Stop {
        /// Time that the app keeps serving after it reports "not ready". None: that of its flags.
        #[serde(default)]
        drain_millis: Option<u32>,
    },
}

impl Changed {
    /// Whether the operator has to confirm the change.
    #[must_use]
    pub fn destroys(&self) -> bool {
        matches!(self, Self::Stop { .. })
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The kind of the problem.
    pub kind: ProblemKind,
    /// What is wrong, and what to do.
    #[serde(rename = "error")]
    pub message: String,
}

/// The kinds of problems. Each has an HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// The app was not reached, and nothing was changed.
    NotReached,
    /// No answer came, and the change may have been made.
    Unknown,
    /// The role of the certificate is too low.
    Denied,
    /// The app refused the arguments, or the operation failed.
    Refused,
    /// The app is too old for the question.
    TooOld,
    /// A context or a file of it cannot be used.
    Unusable,
}

impl Problem {
    /// A problem of a kind.
    #[must_use]
    pub fn new(kind: ProblemKind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}
