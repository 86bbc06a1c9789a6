//! The jobs of an app: those that run, and the last ones that ended.
//!
//! Invariants:
//! 1. A job ends once. Its state and its answer stay then.
//! 2. At most [`MOST_RUNNING`] jobs run. The oldest of those that ended make room for new ones.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{Caller, OperationInfo, OperationRole, Progress, run::OperationAnswer};

/// The most jobs that run at a time.
const MOST_RUNNING: usize = 16;

/// The most jobs that are kept after their end.
const MOST_ENDED: usize = 64;

/// The most bytes of results that are kept.
const MOST_BYTES: usize = 8 << 20;

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It runs.
    Running,
    /// It ended with a result.
    Done,
    /// It ended with an error.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// Its service was stopped.
    Stopped,
}

/// A job, as the operations `jobs` and `job` of the application answer it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct JobStatus {
    /// The id of the job, in hex.
    pub id: String,
    /// The service that does it, in hex.
    pub service: String,
    /// The name of that service.
    pub service_name: String,
    /// The operation.
    pub operation: String,
    /// Its state.
    pub state: JobState,
    /// How far it is.
    pub progress: Progress,
    /// The names of the caller that began it.
    pub caller: Vec<String>,
    /// The reason of that caller.
    pub reason: String,
    /// When it began, in milliseconds since 1970 (UTC).
    pub began_millis: u64,
    /// When it ended, in milliseconds since 1970 (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_millis: Option<u64>,
    /// Its result, if it is done. Shown by `job` only, to those who may call the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why it has no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A job.
#[derive(Debug)]
pub(crate) struct JobOf {
    id: String,
    operation: OperationInfo,
    caller: Caller,
    began: SystemTime,
    pub(crate) cancel: CancellationToken,
    state: watch::Sender<Course>,
}

/// What changes in the life of a job.
#[derive(Debug)]
struct Course {
    state: JobState,
    progress: Progress,
    ended: Option<SystemTime>,
    answer: Option<OperationAnswer>,
}

impl JobOf {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The role that may see its result, and cancel it.
    pub(crate) fn role(&self) -> OperationRole {
        self.operation.role
    }

    pub(super) fn progressed(&self, progress: Progress) {
        self.state.send_if_modified(|course| {
            let runs = course.ended.is_none();
            if runs {
                course.progress = progress;
            }
            runs
        });
    }

    /// Ends the job, unless it has ended.
    pub(crate) fn end(&self, state: JobState, answer: OperationAnswer) {
        self.state.send_if_modified(|course| {
            let runs = course.ended.is_none();
            if runs {
                (course.state, course.ended, course.answer) = (state, Some(SystemTime::now()), Some(answer));
            }
            runs
        });
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state.borrow().ended.is_some()
    }

    fn result_bytes(&self) -> usize {
        let course = self.state.borrow();
        course.answer.as_ref().and_then(|answer| answer.as_ref().ok()).map_or(0, |json| json.len())
    }

    /// Waits until the job has ended, or until the deadline.
    pub(crate) async fn ended(&self, deadline: Instant) {
        let mut states = self.state.subscribe();
        // Either way the caller looks at the state.
        let _ = timeout_at(deadline, states.wait_for(|course| course.ended.is_some())).await;
    }

    /// The job for a caller. Its result and its error only with `in_full`.
    pub(crate) fn status(&self, in_full: bool) -> JobStatus {
        let course = self.state.borrow();
        let answer = course.answer.as_ref().filter(|_| in_full);
        let result = answer.and_then(|answer| answer.as_ref().ok());
        JobStatus {
            id: self.id.clone(),
            service: format!("0x{}", self.operation.service),
            service_name: self.operation.service_name.clone(),
            operation: self.operation.name.to_owned(),
            state: course.state,
            progress: course.progress.clone(),
            caller: self.caller.names.clone(),
            reason: self.caller.reason.clone(),
            began_millis: millis(self.began),
            ended_millis: course.ended.map(millis),
            // What the platform printed is JSON.
            result: result.and_then(|json| serde_json::from_str(json).ok()),
            error: answer.and_then(|answer| answer.as_ref().err()).map(ToString::to_string),
        }
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The jobs of an app.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<VecDeque<Arc<JobOf>>>);

impl Jobs {
    /// Makes a job.
    ///
    /// # Errors
    /// Too many jobs run.
    pub(crate) fn begin(&self, operation: OperationInfo, caller: Caller) -> Result<Arc<JobOf>, String> {
        let course =
            Course { state: JobState::Running, progress: Progress::default(), ended: None, answer: None };
        let job = Arc::new(JobOf {
            id: format!("0x{:x}", app_ids::random_u64()),
            operation,
            caller,
            began: SystemTime::now(),
            cancel: CancellationToken::new(),
            state: watch::Sender::new(course),
        });
        let mut jobs = self.0.lock();
        if jobs.iter().filter(|job| !job.has_ended()).count() >= MOST_RUNNING {
            return Err(format!(
                "{MOST_RUNNING} jobs run already; wait for one of them, or cancel one (`appctl do app jobs`)"
            ));
        }
        jobs.push_back(Arc::clone(&job));
        make_room(&mut jobs);
        Ok(job)
    }

    /// All jobs, the newest first.
    pub(crate) fn all(&self) -> Vec<Arc<JobOf>> {
        self.0.lock().iter().rev().cloned().collect()
    }

    /// The job with this id, with or without `0x`.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<JobOf>> {
        let bare = |id: &str| id.trim_start_matches("0x").to_ascii_lowercase();
        self.0.lock().iter().find(|job| bare(&job.id) == bare(id)).cloned()
    }
}

/// Drops the oldest jobs that ended.
fn make_room(jobs: &mut VecDeque<Arc<JobOf>>) {
    let mut ended = jobs.iter().filter(|job| job.has_ended()).count();
    let mut bytes: usize = jobs.iter().map(|job| job.result_bytes()).sum();
    jobs.retain(|job| {
        let goes = job.has_ended() && (ended > MOST_ENDED || bytes > MOST_BYTES);
        if goes {
            ended -= 1;
            bytes -= job.result_bytes();
        }
        !goes
    });
}

#[cfg(test)]
mod tests {
    use app_ids::ServiceId;

    use super::*;
    use crate::operations::Effect;

    fn begin(jobs: &Jobs) -> Result<Arc<JobOf>, String> {
        let info = OperationInfo::new(
            (ServiceId::new(7), "store".to_owned()),
            ("compact", "Compacts."),
            (OperationRole::Operate, Effect::Changes, true),
        );
        jobs.begin(info, Caller::new("a", OperationRole::Operate, "a test"))
    }

    #[test]
    fn a_job_ends_once_and_its_result_stays() {
        let jobs = Jobs::default();
        let job = begin(&jobs).unwrap();
        super::super::Job::new(Arc::clone(&job)).progress(1, Some(2), "x".repeat(500));
        let status = job.status(true);
        assert_eq!((status.state, status.progress.done), (JobState::Running, 1));
        assert_eq!(status.progress.text.chars().count(), 201);
        job.end(JobState::Done, Ok("7".into()));
        job.end(JobState::Cancelled, Err(app_errors::illegal_argument_error("too late")));
        job.progressed(Progress::default());
        let found = jobs.find(&job.id().to_uppercase().replace("0X", "")).unwrap();
        let status = found.status(true);
        assert_eq!((status.state, status.result, status.error), (JobState::Done, Some(7.into()), None));
        assert_eq!((status.progress.done, found.status(false).result), (1, None));
    }

    #[test]
    fn the_number_of_jobs_has_bounds() {
        let jobs = Jobs::default();
        let running: Vec<_> = (0..MOST_RUNNING).map(|_| begin(&jobs).unwrap()).collect();
        assert!(begin(&jobs).unwrap_err().contains("16 jobs run already"));
        running[1..].iter().for_each(|job| job.end(JobState::Done, Ok("1".into())));
        for _ in 0..200 {
            begin(&jobs).unwrap().end(JobState::Done, Ok("1".into()));
        }
        assert!(jobs.all().len() <= MOST_ENDED + 2, "{} jobs are kept", jobs.all().len());
        assert!(jobs.find(running[0].id()).is_some(), "it runs");
        for _ in 0..20 {
            begin(&jobs).unwrap().end(JobState::Done, Ok("x".repeat(1 << 20).into()));
        }
        assert!(jobs.all().len() <= 11, "{} jobs are kept", jobs.all().len());
    }
}
