//! A job as a parameter of the function that does its work.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::JobOf;

/// The longest text of a progress, in characters.
const MOST_TEXT: usize = 200;

/// The job that the function of an operation with `job: true` does.
///
/// The function is dropped at its next await when the job is cancelled, and when the service is killed.
///
/// ```
/// use app_core::prelude::*;
/// # const STORE: ServiceId = ServiceId::new(0x57);
///
/// app_core::operation! {
///     of: STORE, name: "compact", role: Operate, effect: Changes, about: "Compacts all tables.", run: compact, job: true
/// }
///
/// async fn compact(job: Job) -> Result<u64, Error> {
///     for table in 0..8 {
///         job.progress(table, Some(8), format!("table {table}"));
///         tokio::time::sleep(Duration::from_millis(1)).await; // the work
///     }
///     Ok(8)
/// }
/// # fn main() {}
/// ```
#[derive(Debug, Clone)]
pub struct Job(Arc<JobOf>);

impl Job {
    pub(crate) fn new(job: Arc<JobOf>) -> Self {
        Self(job)
    }

    /// The id of the job, as its caller got it.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.id()
    }

    /// Reports how much is done, of how much in all if that is known, and what the job does now. The text is cut after 200
    /// characters.
    pub fn progress(&self, done: u64, total: Option<u64>, text: impl Into<String>) {
        let text = text.into();
        let text = match text.char_indices().nth(MOST_TEXT) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        };
        self.0.progressed(Progress { done, total, text });
    }
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Progress {
    /// How much is done.
    pub done: u64,
    /// How much there is in all, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// What the job does now.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
}
