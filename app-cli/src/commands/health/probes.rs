//! The questions of probes (`live`, `ready`, `startup`, `checks`), over HTTP or over RPC.

use std::process::ExitCode;
use std::time::Duration;

use app_core::clap::ArgMatches;
use app_core::clap::parser::ValueSource;
use schema::admin_capnp::app;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::paint;
use crate::answers::{Check, Service, texts};
use crate::connect::Effect;
use crate::failure::{Failure, Outcome, Status};
use crate::operation::{self, Operation};
use crate::output::{Page, Paint};

/// Interval between questions with `--wait`.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// The way to ask a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// Ask the HTTP server at `--address`.
    Http,
    /// Ask the app of the context.
    Rpc,
}

/// The transport of this command line. A flag overrides a variable, and an address overrides a context.
///
/// # Errors
/// A usage error if both are flags, because they may name two apps.
pub(super) fn transport(matches: &ArgMatches) -> Result<Transport, Failure> {
    let source =
        |name: &str| matches.value_source(name).filter(|source| *source != ValueSource::DefaultValue);
    let empty = matches.get_one::<String>("context").is_some_and(String::is_empty);
    // An empty variable counts as unset.
    let context = source("context").filter(|source| *source == ValueSource::CommandLine || !empty);
    match (context, source("address")) {
        (Some(ValueSource::CommandLine), Some(ValueSource::CommandLine)) => Err(Failure::new(
            Status::Usage,
            "--address asks over HTTP, --context over RPC, and they may name two apps; use only one of them",
        )),
        (Some(ValueSource::CommandLine), _) => Ok(Transport::Rpc),
        (_, Some(_)) | (None, None) => Ok(Transport::Http),
        (Some(_), None) => Ok(Transport::Rpc),
    }
}

/// Refuses flags of HTTP questions on a command line without a question, because they would have no effect.
///
/// # Errors
/// A usage error if there are such flags.
pub(super) fn refuse_http_flags(matches: &ArgMatches) -> Result<(), Failure> {
    for flag in ["address", "timeout", "wait"] {
        if matches.value_source(flag) == Some(ValueSource::CommandLine) {
            let cure = "name a question (live, ready, startup, checks), or use appctl health list";
            return Err(Failure::new(Status::Usage, format!("--{flag} is for a question; {cure}")));
        }
    }
    Ok(())
}

/// The answers of the app to the questions.
#[derive(Debug, Serialize)]
struct Answers {
    yes: bool,
    answers: Vec<Answer>,
    #[serde(skip)]
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Answer {
    question: String,
    yes: bool,
    answer: &'static str,
    reasons: Vec<String>,
}

/// Asks the app of the context, again and again with `--wait`; `flags` are those of a command that asks over RPC.
pub(super) fn ask(matches: &ArgMatches, flags: &ArgMatches) -> ExitCode {
    let questions: Vec<String> = matches.get_many("question").unwrap_or_default().cloned().collect();
    let until = matches.get_one::<Duration>("wait").and_then(|wait| Instant::now().checked_add(*wait));
    operation::run(flags, async |operation| {
        loop {
            let answers = answers(operation, &questions).await;
            let yes = answers.as_ref().is_ok_and(|answers| answers.yes);
            if yes || until.is_none_or(|until| Instant::now() + ASK_EVERY >= until) {
                return print(operation, &answers?);
            }
            sleep(ASK_EVERY).await;
        }
    })
}

async fn answers(operation: &Operation<'_>, questions: &[String]) -> Result<Answers, Failure> {
    let session = operation.connect().await?;
    let questions = questions.to_vec();
    let answers = session.call(Effect::Reads, move |app| answered(app, questions.clone())).await;
    session.close().await;
    answers
}

async fn answered(app: app::Client, questions: Vec<String>) -> capnp::Result<Answers> {
    let (readiness, services, checks) = tokio::try_join!(
        app.readiness_request().send().promise,
        app.service_infos_request().send().promise,
        app.health_request().send().pipeline.get_health().checks_request().send().promise,
    )?;
    let readiness = readiness.get()?;
    let ready = (readiness.get_ready(), texts(readiness.get_reasons())?);
    let services = Service::all(services.get()?.get_services()?)?;
    let checks = Check::all(checks.get()?.get_checks()?)?;
    let answers: Vec<_> =
        questions.into_iter().map(|question| answer(question, &ready, &services, &checks)).collect();
    let listed = answers.iter().any(|answer| answer.question == "checks");
    Ok(Answers {
        yes: answers.iter().all(|answer| answer.yes),
        answers,
        checks: if listed { checks } else { Vec::new() },
    })
}

/// The answer to one question, in the words of the HTTP probe.
fn answer(question: String, ready: &(bool, Vec<String>), services: &[Service], checks: &[Check]) -> Answer {
    let failing = |group: Option<&str>| {
        let counts = |check: &&Check| {
            let in_group = group.is_none_or(|group| check.groups.iter().any(|own| own == group));
            check.critical && !check.paused && in_group
        };
        checks.iter().filter(counts).filter(|check| check.status.name() != "healthy").map(described).collect()
    };
    let (word, reasons): (_, Vec<String>) = match question.as_str() {
        // The answer itself shows that the process makes progress.
        "live" => ("alive", Vec::new()),
        "ready" => ("ready", if ready.0 { Vec::new() } else { ready.1.clone() }),
        "startup" => {
            let unstarted = services.iter().filter(|service| is_new(service));
            let unstarted = unstarted.map(|service| format!("service {} has not started", service.name));
            ("started", unstarted.chain(failing(Some("startup"))).collect())
        }
        _ => ("healthy", failing(None)),
    };
    let yes = if question == "ready" { ready.0 } else { reasons.is_empty() };
    Answer { question, yes, answer: word, reasons }
}

/// Whether the service has never run. A service that restarts counts as started.
fn is_new(service: &Service) -> bool {
    service.deaths == 0 && matches!(service.state, "registered" | "starting")
}

fn described(check: &Check) -> String {
    format!("critical health check {} {}", check.shown(), check.problem.clone().unwrap_or_default())
}

fn print(operation: &Operation<'_>, answers: &Answers) -> Outcome {
    operation.output.print_verdict(answers.yes, answers, |page| show(answers, page))
}

fn show(answers: &Answers, page: &mut Page) {
    for Answer { yes, answer, reasons, .. } in &answers.answers {
        let (not, color) = if *yes { ("", Paint::Good) } else { ("not ", Paint::Bad) };
        page.painted(format!("{not}{answer}"), color);
        for reason in reasons {
            page.line(format!("  {reason}"));
        }
    }
    for check in &answers.checks {
        let problem = check.problem.as_ref().map_or_else(String::new, |problem| format!(": it {problem}"));
        page.painted(format!("  {}: {}{problem}", check.shown(), super::status(check)), paint(check.status));
    }
}
