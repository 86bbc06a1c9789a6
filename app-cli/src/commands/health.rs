//! `appctl health`: shows, runs and pauses the health checks of an app.
//!
//! `app-health` contributes a command `health`, which asks an instance over HTTP (`live`, `ready`). With a context, the same
//! questions go to the app of the context, over RPC. The subcommands always use RPC.

mod probes;

use std::process::ExitCode;
use std::time::Duration;

use app_core::Subcommand;
use app_core::clap::parser::ValueSource;
use app_core::clap::{Arg, ArgMatches, Command};
use schema::admin_capnp::app;
use serde::Serialize;

use self::probes::Transport;
use crate::answers::{Check, CheckResult, CheckStatus, History};
use crate::connect::{Effect, Session};
use crate::failure::{Failure, Outcome};
use crate::lookup;
use crate::operation::{self, Operation};
use crate::output::{self, Hex, Page, Paint, Table, ago, human};
use crate::several::{self, Row, failed_cell};
use crate::target::{context_arg, json_arg};

const HELP: &str = "\
Over HTTP and without a certificate, as probes do:
  appctl health live                      exit status 0 for yes, 1 for no
  appctl health ready --wait 1m --address 10.0.0.7:4444
Over RPC, if --context or OP_CONTEXT names the app, and --address does not:
  appctl health ready --context '#prod'   exit status 0 for yes, 6 for no
  appctl health checks --context '#prod'
The checks themselves, over RPC:
  appctl health                           all checks; the same as 'health list'
  appctl health show quota-loop           one check with its history
  appctl health run quota-loop --reason 'after the fix'
  appctl health pause quota-loop --reason 'maintenance until noon'";
const LIST: &str = "\
Examples:
  appctl health list
  appctl health list --all              of every app of the contexts file
  appctl health list --json | jq -r '.checks[] | select(.status == \"unhealthy\") | .name'";
const SHOW: &str =
    "Examples:\n  appctl health show quota-loop\n  appctl health show 0x8d0a0181c77fe5ec --json";
const RUN: &str = "\
Exit status 6 if the check failed. Role: operate.

Example:
  appctl health run quota-loop --reason 'after the fix'";
const PAUSE: &str = "\
A paused check does not run, and readiness does not depend on it. It stays paused until you resume it, even if its
service restarts. A pause ends with the process. Role: operate.

Example:
  appctl health pause quota-loop --reason 'maintenance until noon'";
const RESUME: &str =
    "Role: operate.\n\nExample:\n  appctl health resume quota-loop --reason 'maintenance is over'";

#[derive(Debug, Serialize)]
struct CheckList {
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Run {
    health_check: Hex,
    name: String,
    passed: bool,
    #[serde(flatten)]
    result: CheckResult,
}

#[derive(Debug, Serialize)]
struct Paused {
    health_check: Hex,
    name: String,
    paused: bool,
    /// Whether this call changed it.
    changed: bool,
}

/// Adds the commands over RPC to the command over HTTP.
pub(crate) fn extend(linked: Command) -> Command {
    let check = || Arg::new("check").value_name("CHECK").required(true).help("Health check, by name or id");
    let with_reason = |name, about, examples| {
        operation::command(name, about, examples).arg(check()).args(operation::change_args())
    };
    let commands = [
        list_command(),
        operation::command("show", "Shows a health check of a running app, and its history", SHOW)
            .arg(check()),
        with_reason("run", "Runs a health check now, and waits for its result", RUN),
        with_reason("pause", "Pauses a health check until it is resumed", PAUSE),
        with_reason("resume", "Resumes a paused health check", RESUME),
    ];
    linked
        .about("Asks a running app for its health, and shows, runs and pauses its health checks")
        .after_help(HELP)
        .mut_arg("question", |question| question.required(false).help("Over HTTP: every answer must be yes"))
        .args([json_arg().conflicts_with("question"), context_arg()])
        .args(several::args().map(|arg| arg.conflicts_with("question")))
        .args_conflicts_with_subcommands(true)
        .subcommands(commands)
}

fn list_command() -> Command {
    operation::command("list", "Lists the health checks of a running app", LIST).args(several::args())
}

async fn of_one(session: &Session) -> Result<CheckList, Failure> {
    Ok(CheckList { checks: checks(session).await? })
}

/// Lists the checks of the app, or of several.
fn list_of(matches: &ArgMatches) -> ExitCode {
    if several::is_asked(matches) {
        return several::ask(matches, async |_, session| of_one(session).await, |_| true, show_all);
    }
    operation::ask(matches, list)
}

/// Runs the command. `all` is the whole command line, and `matches` its part for `health`.
pub(crate) fn run(all: &ArgMatches, matches: &ArgMatches) -> ExitCode {
    match matches.subcommand() {
        Some(("show", matches)) => operation::ask(matches, show),
        Some(("run", matches)) => operation::change(matches, run_now),
        Some(("pause", matches)) => operation::change(matches, async |o, s| set_paused(o, s, true).await),
        Some(("resume", matches)) => operation::change(matches, async |o, s| set_paused(o, s, false).await),
        Some((_, matches)) => list_of(matches),
        None if matches.contains_id("question") => match probes::transport(matches) {
            Ok(Transport::Http) => Subcommand::dispatch(all).unwrap_or(ExitCode::from(2)),
            Ok(Transport::Rpc) => probes::ask(matches, &as_list(matches)),
            Err(failure) => output::report(&failure, false),
        },
        None => match probes::refuse_http_flags(matches) {
            Ok(()) => list_of(&as_list(matches)),
            Err(failure) => output::report(&failure, matches.get_flag("json")),
        },
    }
}

/// The flags of `health` that `health list` has too, parsed again as flags of `health list`.
fn as_list(matches: &ArgMatches) -> ArgMatches {
    let mut line = vec!["list".to_owned()];
    if let Some(context) = matches.get_one::<String>("context").filter(|context| !context.is_empty())
        && matches.value_source("context") == Some(ValueSource::CommandLine)
    {
        line.push(format!("--context={context}"));
    }
    if let Some(timeout) = matches.get_one::<Duration>("timeout")
        && matches.contains_id("question")
    {
        line.push(format!("--timeout={}", humantime::format_duration(*timeout)));
    }
    for flag in ["json", "all"] {
        line.extend(matches.get_flag(flag).then(|| format!("--{flag}")));
    }
    line.extend(matches.get_one::<String>("group").map(|group| format!("--group={group}")));
    list_command().get_matches_from(line)
}

async fn checks(session: &Session) -> Result<Vec<Check>, Failure> {
    let ask = async |app: app::Client| {
        let checks = app.health_request().send().pipeline.get_health().checks_request();
        let answer = checks.send().promise.await?;
        Check::all(answer.get()?.get_checks()?)
    };
    session.call(Effect::Reads, ask).await
}

/// Finds the check that the command line names.
async fn find(operation: &Operation<'_>, session: &Session) -> Result<(Hex, String), Failure> {
    let checks = checks(session).await?;
    let known: Vec<_> = checks.into_iter().map(|check| (check.id, check.name)).collect();
    let id = lookup::find("health check", &operation::text(operation.matches, "check"), &known)?;
    let name = known.into_iter().find(|(known, _)| *known == id).map(|(_, name)| name);
    Ok((id, name.unwrap_or_default()))
}

async fn list(operation: &Operation<'_>, session: &Session) -> Outcome {
    let checks = CheckList { checks: checks(session).await? };
    operation.output.print(&checks, |page| show_list(&checks.checks, page))
}

fn paint(verdict: CheckStatus) -> Paint {
    match verdict.name() {
        "healthy" => Paint::Good,
        "unhealthy" => Paint::Bad,
        _ => Paint::Warning,
    }
}

fn status(check: &Check) -> String {
    let status = check.status.name();
    match check.paused_since {
        Some(since) => format!("{status}, paused since {since}"),
        None if check.paused => format!("{status}, paused"),
        None => status.to_owned(),
    }
}

fn show_list(checks: &[Check], page: &mut Page) {
    if checks.is_empty() {
        return page.line("no health checks");
    }
    let mut table = Table::new(["NAME", "ID", "STATUS", "CRITICAL", "EVERY", "LAST RUN", "TOOK", "PROBLEM"]);
    checks.iter().for_each(|check| table.row(cells(check)));
    page.table(&table);
}

fn show_all(rows: &[Row<CheckList>], page: &mut Page) {
    let heads = ["INSTANCE", "NAME", "ID", "STATUS", "CRITICAL", "EVERY", "LAST RUN", "TOOK", "PROBLEM"];
    let mut table = Table::new(heads);
    let (none, plain) = (|| ("-".to_owned(), Paint::Plain), |text: &str| (text.to_owned(), Paint::Plain));
    for row in rows {
        match &row.answer {
            Ok(list) if list.checks.is_empty() => {
                let empty = plain("no health checks");
                table.row([row.cell(), none(), none(), none(), none(), none(), none(), none(), empty]);
            }
            Ok(list) => {
                for check in &list.checks {
                    let [name, id, status, critical, every, last, took, problem] = cells(check);
                    table.row([row.cell(), name, id, status, critical, every, last, took, problem]);
                }
            }
            Err(failure) => {
                let message = plain(&failure.message);
                let failed = failed_cell(failure);
                table.row([row.cell(), none(), none(), failed, none(), none(), none(), none(), message]);
            }
        }
    }
    page.table(&table);
}

fn cells(check: &Check) -> [(String, Paint); 8] {
    let plain = |text: String| (text, Paint::Plain);
    let result = check.result.as_ref();
    [
        plain(check.name.clone()),
        plain(check.id.to_string()),
        (status(check), paint(check.status)),
        plain(if check.critical { "yes" } else { "no" }.to_owned()),
        plain(human(Duration::from_millis(check.interval_millis))),
        plain(result.map_or_else(|| "never".to_owned(), |result| ago(result.started_at))),
        plain(result.map_or_else(|| "-".to_owned(), |result| human(result.took))),
        plain(check.problem.clone().unwrap_or_default()),
    ]
}

async fn show(operation: &Operation<'_>, session: &Session) -> Outcome {
    let (Hex(id), _) = find(operation, session).await?;
    let ask = move |app: app::Client| {
        let mut request = app.health_request().send().pipeline.get_health().check_request();
        request.get().set_id(id);
        async move {
            let answer = request.send().promise.await?;
            let answer = answer.get()?;
            History::of(answer.get_check()?, answer.get_history()?, answer.get_transitions()?)
        }
    };
    let history = session.call(Effect::Reads, ask).await?;
    operation.output.print(&history, |page| show_history(&history, page))
}

fn show_history(history: &History, page: &mut Page) {
    let check = &history.check;
    let plain = |name, value| (name, value, Paint::Plain);
    let millis = |millis| human(Duration::from_millis(millis));
    let since = check.since.map_or_else(String::new, |at| format!(" (since {at})"));
    let thresholds = format!(
        "unhealthy after {} failures in a row, healthy after {} successes",
        check.failure_threshold, check.success_threshold
    );
    let mut facts = vec![
        plain("check", check.shown()),
        ("status", format!("{}{since}", status(check)), paint(check.status)),
        plain("critical", if check.critical { "yes" } else { "no" }.to_owned()),
        plain(
            "runs",
            format!("every {}, within {}", millis(check.interval_millis), millis(check.timeout_millis)),
        ),
        plain("thresholds", thresholds),
    ];
    if !check.groups.is_empty() {
        facts.push(plain("counts for", check.groups.join(", ")));
    }
    if let Some(service) = check.service {
        facts.push(plain("service", service.to_string()));
    }
    if let Some(problem) = &check.problem {
        facts.push(("problem", problem.clone(), Paint::Bad));
    }
    page.facts(&facts);
    if !history.results.is_empty() {
        page.line("");
        let mut table = Table::new(["RUN AT", "TOOK", "OUTCOME", "ERROR"]);
        for result in &history.results {
            table.row([
                plain_cell(result.started_at.to_string()),
                plain_cell(human(result.took)),
                (result.outcome.clone(), if result.passed() { Paint::Good } else { Paint::Bad }),
                plain_cell(result.error.clone().unwrap_or_default()),
            ]);
        }
        page.table(&table);
    }
    if !history.transitions.is_empty() {
        page.line("");
        let mut table = Table::new(["CHANGED AT", "FROM", "TO", "ERROR"]);
        for transition in &history.transitions {
            table.row([
                plain_cell(transition.at.to_string()),
                (transition.from.name().to_owned(), paint(transition.from)),
                (transition.to.name().to_owned(), paint(transition.to)),
                plain_cell(transition.error.clone().unwrap_or_default()),
            ]);
        }
        page.table(&table);
    }
}

fn plain_cell(text: String) -> (String, Paint) {
    (text, Paint::Plain)
}

async fn run_now(operation: &Operation<'_>, session: &Session) -> Outcome {
    let (id, name) = find(operation, session).await?;
    let reason = operation::reason(operation.matches);
    let run = move |app: app::Client| {
        let mut request = app.health_request().send().pipeline.get_health().run_request();
        request.get().set_id(id.0);
        request.get().set_reason(&reason);
        async move {
            let answer = request.send().promise.await?;
            CheckResult::of(answer.get()?.get_result()?)
        }
    };
    let result = session.call(Effect::Changes, run).await?;
    let run = Run { health_check: id, name, passed: result.passed(), result };
    operation.output.print_verdict(run.passed, &run, |page| {
        let paint = if run.passed { Paint::Good } else { Paint::Bad };
        let why = run.result.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        let took = human(run.result.took);
        page.painted(format!("{} ({id}) {} in {took}{why}", run.name, run.result.outcome), paint);
    })
}

async fn set_paused(operation: &Operation<'_>, session: &Session, pause: bool) -> Outcome {
    let (id, name) = find(operation, session).await?;
    let reason = operation::reason(operation.matches);
    let change = move |app: app::Client| {
        let health = app.health_request().send().pipeline.get_health();
        let reason = reason.clone();
        async move {
            if pause {
                let mut request = health.pause_request();
                request.get().set_id(id.0);
                request.get().set_reason(&reason);
                Ok(request.send().promise.await?.get()?.get_paused())
            } else {
                let mut request = health.resume_request();
                request.get().set_id(id.0);
                request.get().set_reason(&reason);
                Ok(request.send().promise.await?.get()?.get_resumed())
            }
        }
    };
    let changed = session.call(Effect::Changes, change).await?;
    let paused = Paused { health_check: id, name, paused: pause, changed };
    operation.output.print(&paused, |page| {
        let said = match (pause, changed) {
            (true, true) => "is paused",
            (true, false) => "was paused already",
            (false, true) => "runs again",
            (false, false) => "was not paused",
        };
        page.line(format!("{} ({id}) {said}", paused.name));
    })
}
