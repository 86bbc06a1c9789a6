//! Questions of the page that read: each is a call of the admin interface. The answers have the keys of `--json`.

use app_dashboard::{Answer, Problem, ProblemKind, Question};
use schema::admin_capnp::{MetricsFormat, app};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::answers::{Check, History, elements, texts};
use crate::commands::status::CertificateEnd;
use crate::commands::{configs, kill, level, metrics, services, stacks};
use crate::connect::{Effect, Session, explain};
use crate::failure::{Failure, Status};

/// Most bytes of metrics.
const MOST_METRICS: usize = 32 * 1024 * 1024;

/// Asks a question that changes nothing.
pub(super) async fn ask(session: &Session, question: Question, deadline: Instant) -> Answer {
    let reads = Effect::Reads;
    match question {
        Question::Identity => answer(session.call_by(deadline, reads, kill::identity).await),
        Question::Readiness => answer(session.call_by(deadline, reads, readiness).await),
        Question::Services => {
            let services = session.call_by(deadline, reads, services::ask).await;
            answer(services.map(|services| services::ServiceList { services }))
        }
        Question::Checks => {
            answer(session.call_by(deadline, reads, checks).await.map(|checks| json!({ "checks": checks })))
        }
        Question::Check(id) => {
            answer(session.call_by(deadline, reads, move |app| check(app, id.as_u64())).await)
        }
        Question::Configs => answer(session.call_by(deadline, reads, configs::ask).await),
        Question::Levels => answer(session.call_by(deadline, reads, level::ask).await),
        Question::Metrics => page(session, deadline).await,
        Question::Stacks => {
            let packed = session.call_by(deadline, reads, stacks::ask).await;
            answer(packed.and_then(|packed| stacks::unpack(&packed)).map(|text| json!({ "text": text })))
        }
        _ => Err(Problem::new(ProblemKind::TooOld, explain::TOO_OLD)),
    }
}

/// An answer as JSON.
pub(super) fn answer<T: Serialize>(answer: Result<T, Failure>) -> Answer {
    let answer = answer.map_err(problem)?;
    // The values are strings, numbers, lists and structs. Their serialization does not fail.
    Ok(serde_json::to_value(answer).unwrap_or(Value::Null))
}

/// A failure as the page shows it.
pub(super) fn problem(failure: Failure) -> Problem {
    let kind = match failure.status {
        Status::NotReached => ProblemKind::NotReached,
        Status::Unknown => ProblemKind::Unknown,
        Status::Denied => ProblemKind::Denied,
        Status::Unusable => ProblemKind::Unusable,
        Status::Failed if failure.message.ends_with(explain::TOO_OLD) => ProblemKind::TooOld,
        Status::Failed | Status::Usage | Status::AnswerIsNo | Status::NotInTime => ProblemKind::Refused,
    };
    Problem::new(kind, failure.message)
}

async fn readiness(app: app::Client) -> capnp::Result<Value> {
    let answer = app.readiness_request().send().promise.await?;
    let answer = answer.get()?;
    Ok(json!({
        "ready": answer.get_ready(),
        "reasons": texts(answer.get_reasons())?,
        "notes": texts(answer.get_notes())?,
        "ends": elements(answer.get_ends()?, CertificateEnd::of)?,
    }))
}

async fn checks(app: app::Client) -> capnp::Result<Vec<Check>> {
    let checks = app.health_request().send().pipeline.get_health().checks_request();
    let answer = checks.send().promise.await?;
    Check::all(answer.get()?.get_checks()?)
}

async fn check(app: app::Client, id: u64) -> capnp::Result<History> {
    let mut request = app.health_request().send().pipeline.get_health().check_request();
    request.get().set_id(id);
    let answer = request.send().promise.await?;
    let answer = answer.get()?;
    History::of(answer.get_check()?, answer.get_history()?, answer.get_transitions()?)
}

/// The metrics as one text.
async fn page(session: &Session, deadline: Instant) -> Answer {
    let (pieces, mut arriving) = mpsc::channel::<Vec<u8>>(4);
    let asking = session
        .call_by(deadline, Effect::Reads, move |app| metrics::read(app, MetricsFormat::Text, pieces.clone()));
    let reading = async {
        let mut bytes = Vec::new();
        while let Some(piece) = arriving.recv().await {
            if bytes.len() + piece.len() > MOST_METRICS {
                return Err(Failure::failed(format!("metrics: there are more than {MOST_METRICS} bytes")));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    };
    let (asked, read) = tokio::join!(asking, reading);
    let text = read.and_then(|bytes| asked.map(|()| String::from_utf8_lossy(&bytes).into_owned()));
    answer(text.map(|text| json!({ "text": text })))
}
