//! `appctl level`: shows and changes log levels.

use std::process::ExitCode;
use std::time::Duration;

use app_core::Subcommand;
use app_core::clap::builder::PossibleValuesParser;
use app_core::clap::{Arg, ArgMatches, Command};
use schema::admin_capnp::{LogLevel, app};
use serde::Serialize;

use super::services;
use crate::answers::{Level, Setting, elements, parse_level, text};
use crate::connect::{Effect, Session};
use crate::failure::{Failure, Outcome, Status};
use crate::lookup;
use crate::operation::{self, Operation};
use crate::output::{Hex, Page, Paint, Table, human};
use crate::target::positive_time;

const HELP: &str = "\
Examples:
  appctl level                                                 the levels of the app and of services
  appctl level set debug --for 10s --reason 'bug 71'           for 10 seconds, then as before
  appctl level set warn --service quota --reason 'too much'
  appctl level reset --service quota --reason 'all is well'    the level from the start of the app";
const GET: &str = "Example:\n  appctl level get --json | jq -r .app.level";
const SET: &str = "\
Role: operate.

Examples:
  appctl level set debug --for 10s --reason 'bug 71'
  appctl level set debug --service quota --reason 'bug 71'";
const RESET: &str = "\
Role: operate.

Examples:
  appctl level reset --reason 'found it'
  appctl level reset --service quota --reason 'found it'";

app_core::subcommand! { Subcommand::new(command, run) }

#[derive(Debug, Serialize)]
pub(super) struct Levels {
    app: Setting,
    services: Vec<ServiceLevel>,
}

#[derive(Debug, Serialize)]
struct ServiceLevel {
    service: Hex,
    name: String,
    #[serde(flatten)]
    setting: Setting,
}

#[derive(Debug, Serialize)]
struct Changed {
    service: Option<Hex>,
    level: Option<Level>,
    for_seconds: Option<f64>,
}

fn command() -> Command {
    let get = operation::command("get", "Shows the log levels of the app and of its services", GET);
    let names = PossibleValuesParser::new(["debug", "info", "warn", "error"]);
    let level = Arg::new("level").value_name("LEVEL").required(true).ignore_case(true).value_parser(names);
    let time = Arg::new("for").long("for").value_name("TIME").value_parser(positive_time);
    let service = Arg::new("service").long("service").short('s').value_name("SERVICE");
    let service = service.help("Service, by name or id [default: the app]");
    let set = operation::command("set", "Sets the log level of the app, or of a service", SET)
        .arg(level.help("Log records of this level and above"))
        .arg(service.clone())
        .arg(time.help("Time after which the level goes back [default: never]"))
        .args(operation::change_args());
    let reset =
        operation::command("reset", "Sets a log level back to the level from the start of the app", RESET)
            .arg(service)
            .args(operation::change_args());
    operation::command("level", "Shows or changes log levels of a running app", HELP)
        .args_conflicts_with_subcommands(true)
        .subcommands([get, set, reset])
}

fn run(matches: &ArgMatches) -> ExitCode {
    match matches.subcommand() {
        Some(("set", matches)) => operation::change(matches, set),
        Some(("reset", matches)) => operation::change(matches, reset),
        Some((_, matches)) => operation::ask(matches, get),
        None => operation::ask(matches, get),
    }
}

async fn get(operation: &Operation<'_>, session: &Session) -> Outcome {
    let levels = session.call(Effect::Reads, ask).await?;
    operation.output.print(&levels, |page| show(&levels, page))
}

pub(super) async fn ask(app: app::Client) -> capnp::Result<Levels> {
    let levels = app.levels_request().send().pipeline.get_levels();
    let answer = levels.levels_request().send().promise.await?;
    let answer = answer.get()?;
    let services = elements(answer.get_services()?, |of_service| {
        Ok(ServiceLevel {
            service: Hex(of_service.get_service_id()),
            name: text(of_service.get_name())?,
            setting: Setting::of(of_service.get_setting()?),
        })
    })?;
    Ok(Levels { app: Setting::of(answer.get_app()?), services })
}

fn show(levels: &Levels, page: &mut Page) {
    let mut table = Table::new(["OF", "ID", "LEVEL", "FOR ANOTHER"]);
    let row = |name: &str, id: String, setting: &Setting| {
        let plain = |text: String| (text, Paint::Plain);
        let paint = if setting.level.0 == Some(LogLevel::Debug) { Paint::Warning } else { Paint::Plain };
        let expires = setting.expires_in_millis;
        let expires = if expires > 0 { human(Duration::from_millis(expires)) } else { String::new() };
        [plain(name.to_owned()), plain(id), (setting.level.name().to_owned(), paint), plain(expires)]
    };
    table.row(row("the app", String::new(), &levels.app));
    for of_service in &levels.services {
        table.row(row(&of_service.name, of_service.service.to_string(), &of_service.setting));
    }
    page.table(&table);
}

/// The service that the command line names, if any. An unknown id is accepted, because a level may be set before the service
/// exists.
async fn service(operation: &Operation<'_>, session: &Session) -> Result<Option<Hex>, Failure> {
    let Some(wanted) = operation.matches.get_one::<String>("service") else { return Ok(None) };
    let known = services::all(session).await?;
    match services::find(wanted, &known) {
        Ok(id) => Ok(Some(id)),
        Err(unknown) => match lookup::id_of(wanted) {
            Some(id) if id != 0 && wanted.starts_with("0x") => Ok(Some(Hex(id))),
            _ => Err(unknown),
        },
    }
}

async fn set(operation: &Operation<'_>, session: &Session) -> Outcome {
    let matches = operation.matches;
    let level = parse_level(&operation::text(matches, "level"));
    let level = level.map_err(|error| Failure::new(Status::Usage, error))?;
    let time = matches.get_one::<Duration>("for").copied();
    let millis = time.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1));
    let (service, reason) = (service(operation, session).await?, operation::reason(matches));
    let change = move |app: app::Client| {
        let levels = app.levels_request().send().pipeline.get_levels();
        let reason = reason.clone();
        async move {
            match service {
                Some(Hex(id)) => {
                    let mut request = levels.set_service_request();
                    let mut params = request.get();
                    params.set_service_id(id);
                    params.set_level(level);
                    params.set_time_to_live_millis(millis);
                    params.set_reason(&reason);
                    request.send().promise.await.map(|_| ())
                }
                None => {
                    let mut request = levels.set_app_request();
                    let mut params = request.get();
                    params.set_level(level);
                    params.set_time_to_live_millis(millis);
                    params.set_reason(&reason);
                    request.send().promise.await.map(|_| ())
                }
            }
        }
    };
    session.call(Effect::Changes, change).await?;
    let level = Level(Some(level));
    let changed = Changed { service, level: Some(level), for_seconds: time.map(|time| time.as_secs_f64()) };
    operation.output.print(&changed, |page| {
        let time = time.map_or_else(String::new, |time| format!(" for {}", human(time)));
        page.line(format!("{} logs at {}{time}", of(service), level.name()));
    })
}

fn of(service: Option<Hex>) -> String {
    service.map_or_else(|| "the app".to_owned(), |id| format!("service {id}"))
}

async fn reset(operation: &Operation<'_>, session: &Session) -> Outcome {
    let (service, reason) = (service(operation, session).await?, operation::reason(operation.matches));
    let change = move |app: app::Client| {
        let mut request = app.levels_request().send().pipeline.get_levels().reset_request();
        request.get().set_service_id(service.map_or(0, |Hex(id)| id));
        request.get().set_reason(&reason);
        async move { request.send().promise.await.map(|_| ()) }
    };
    session.call(Effect::Changes, change).await?;
    let changed = Changed { service, level: None, for_seconds: None };
    operation
        .output
        .print(&changed, |page| page.line(format!("{} logs at its level from the start again", of(service))))
}
