//! A job that an operation began: waiting for its end, with its progress on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use app_core::clap::parser::ValueSource;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::call::{Request, once};
use super::result;
use crate::connect::{Effect, Session};
use crate::failure::{Failure, Outcome, Status};
use crate::operation::Operation;
use crate::output::{Hex, one_line};

/// How long the app waits for the end of the job before it answers how far it is.
const POLL: Duration = Duration::from_secs(1);
/// How long such an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Serialize)]
struct Begun {
    job: String,
}

#[derive(Debug, Serialize)]
struct Done {
    job: String,
    result: Value,
}

/// Waits for the end of a job and prints its result, or prints its id.
pub(super) async fn follow(operation: &Operation<'_>, session: &Session, id: &str, waits: bool) -> Outcome {
    if !waits {
        let begun = Begun { job: id.to_owned() };
        return operation.output.print(&begun, |page| {
            page.line(format!("job {id} runs; see appctl do app job --id {id}"));
        });
    }
    let limited = operation.matches.value_source("timeout") == Some(ValueSource::CommandLine);
    let deadline = limited.then_some(session.deadline);
    let mut told = String::new();
    loop {
        let by = Instant::now() + PATIENCE;
        let wait =
            deadline.map_or(POLL, |deadline| POLL.min(deadline.saturating_duration_since(Instant::now())));
        let request = Request {
            service: Hex(0),
            name: "job".to_owned(),
            arguments: json!({ "id": id, "wait_millis": u32::try_from(wait.as_millis()).unwrap_or(0) })
                .to_string(),
            reason: String::new(),
            request_id: String::new(),
            confirmed: false,
        };
        let answered = once(session, by, Effect::Reads, request).await;
        let goes_on = format!("job {id} may go on; see appctl do app job --id {id}");
        let json =
            answered.map_err(|lost| Failure::new(Status::Unknown, format!("{}; {goes_on}", lost.message)))?;
        let job = result::parse(session, &json)?;
        match job.get("state").and_then(Value::as_str) {
            Some("running") => {}
            Some("done") => {
                let done =
                    Done { job: id.to_owned(), result: job.get("result").cloned().unwrap_or_default() };
                return operation.output.print(&done, |page| result::show(&done.result, page));
            }
            state => {
                let error = job.get("error").and_then(Value::as_str).unwrap_or("no reason was given");
                return Err(Failure::failed(format!(
                    "job {id} {}: {error}",
                    state.unwrap_or("is in no state")
                )));
            }
        }
        if !operation.output.json && std::io::stderr().is_terminal() {
            tell(&job, &mut told);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Failure::new(
                Status::Unknown,
                format!("--timeout: it is over, and the job runs; {goes_on}"),
            ));
        }
    }
}

/// Tells the progress, if it has changed.
fn tell(job: &Value, told: &mut String) {
    let progress = job.get("progress").unwrap_or(&Value::Null);
    let done = progress.get("done").map(ToString::to_string).unwrap_or_default();
    let total = progress.get("total").map_or_else(String::new, |total| format!(" of {total}"));
    let text =
        progress.get("text").and_then(Value::as_str).map_or_else(String::new, |text| format!(": {text}"));
    let line = one_line(&format!("{done}{total}{text}"), 200);
    if line != *told {
        // The progress is for people only.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
        *told = line;
    }
}
