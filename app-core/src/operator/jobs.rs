//! The operations on jobs: which there are, how far one is, and its cancel.

use std::{sync::Arc, time::Duration};

use app_errors::{Error, illegal_argument_error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    App, Service,
    ids::APP_SERVICE,
    operations::{Args, Caller, JobOf, JobState, JobStatus, Jobs},
};

/// The longest wait for the end of a job.
const MOST_WAIT: Duration = Duration::from_secs(30);

crate::operation! {
    of: APP_SERVICE, name: "jobs", role: Read, effect: Reads, run: jobs,
    about: "Lists the jobs that run, and the last ones that ended, the newest first.",
}

crate::operation! {
    of: APP_SERVICE, name: "job", role: Read, effect: Reads, run: job,
    about: "Shows a job: its state, its progress, and its result once it is done.",
}

crate::operation! {
    of: APP_SERVICE, name: "cancel-job", role: Operate, effect: Changes, run: cancel_job,
    about: "Cancels a job that runs. What it has done until then stays.",
}

#[derive(Serialize, JsonSchema)]
struct JobList {
    /// The jobs, without their results.
    items: Vec<JobStatus>,
    /// Always null: all jobs fit on one page.
    next: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Which {
    /// Id of the job.
    #[schemars(extend("format" = "id"))]
    id: String,
    /// Milliseconds to wait for the end of the job, up to 30000.
    wait_millis: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
struct Cancel {
    /// Id of the job.
    #[schemars(extend("format" = "id"))]
    id: String,
}

#[derive(Serialize, JsonSchema)]
struct Cancelled {
    /// Whether the job ran. `false` if it had ended before.
    cancelled: bool,
    /// The state of the job now.
    state: JobState,
}

async fn jobs(app: App) -> Result<JobList, Error> {
    let items = app.kept::<Jobs>().all().iter().map(|job| job.status(false)).collect();
    Ok(JobList { items, next: None })
}

async fn job(app: App, args: Args<Which>, caller: Caller) -> Result<JobStatus, Error> {
    let wait = Duration::from_millis(args.wait_millis.unwrap_or_default().into());
    if wait > MOST_WAIT {
        let message =
            format!("arguments.wait_millis: is {}; give at most {}", wait.as_millis(), MOST_WAIT.as_millis());
        return Err(illegal_argument_error(message));
    }
    let job = find(&app, &args.id)?;
    job.ended(Instant::now() + wait).await;
    Ok(job.status(caller.role >= job.role()))
}

async fn cancel_job(
    app: App,
    service: Service,
    args: Args<Cancel>,
    caller: Caller,
) -> Result<Cancelled, Error> {
    let job = find(&app, &args.id)?;
    if caller.role < job.role() {
        let message = format!(
            "denied: to cancel job {} needs the role {}, as its operation does, and this caller has the role {}",
            job.id(),
            job.role(),
            caller.role
        );
        return Err(illegal_argument_error(message));
    }
    let cancelled = !job.has_ended();
    job.cancel.cancel();
    tokio::select! {
        () = job.ended(Instant::now() + MOST_WAIT) => {}
        () = service.dying() => {}
    }
    Ok(Cancelled { cancelled, state: job.status(false).state })
}

fn find(app: &App, id: &str) -> Result<Arc<JobOf>, Error> {
    app.kept::<Jobs>().find(id).ok_or_else(|| {
        let id: String = id.chars().take(32).flat_map(char::escape_debug).collect();
        illegal_argument_error(format!(
            "arguments.id: there is no job {id:?}; it may have made room for newer ones (`appctl do app jobs` lists them)"
        ))
    })
}
