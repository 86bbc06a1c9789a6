//! `appctl services`: the services of an app, or one of its services.

use std::process::ExitCode;
use std::time::Duration;

use app_core::clap::{Arg, ArgMatches, Command};
use app_core::{Subcommand, duration::counted};
use schema::admin_capnp::app;
use serde::Serialize;

use crate::answers::Service;
use crate::connect::{Effect, Session};
use crate::failure::Failure;
use crate::output::{Hex, Page, Paint, Table, ago, human};
use crate::several::{self, Row, failed_cell};
use crate::{lookup, operation};

const HELP: &str = "\
Examples:
  appctl services                       all services
  appctl services quota                 one service with all details
  appctl services 0xce1f32c680e1ef0b
  appctl services quota --all           of every app of the contexts file
  appctl services --json | jq -r '.services[] | select(.state != \"running\") | .name'";

app_core::subcommand! { Subcommand::new(command, run) }

#[derive(Debug, Serialize)]
pub(super) struct ServiceList {
    pub(super) services: Vec<Service>,
}

fn command() -> Command {
    let service = Arg::new("service").value_name("SERVICE").help("Service, by name or id [default: all]");
    operation::command("services", "Lists the services of a running app", HELP)
        .arg(service)
        .args(several::args())
}

fn run(matches: &ArgMatches) -> ExitCode {
    if several::is_asked(matches) {
        return several::ask(matches, async |_, session| of_one(matches, session).await, |_| true, list_all);
    }
    operation::ask(matches, async |operation, session| {
        let mut services = all(session).await?;
        let Some(wanted) = matches.get_one::<String>("service") else {
            services.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
            let services = ServiceList { services };
            return operation.output.print(&services, |page| list(&services.services, page));
        };
        let id = find(wanted, &services)?;
        let known = services.iter().map(|service| (service.id, service.name.clone())).collect::<Vec<_>>();
        services.retain(|service| service.id == id);
        let services = ServiceList { services };
        operation
            .output
            .print(&services, |page| services.services.iter().for_each(|service| show(service, &known, page)))
    })
}

/// All services of the app.
pub(super) async fn all(session: &Session) -> Result<Vec<Service>, Failure> {
    session.call(Effect::Reads, ask).await
}

pub(super) async fn ask(app: app::Client) -> capnp::Result<Vec<Service>> {
    let answer = app.service_infos_request().send().promise.await?;
    Service::all(answer.get()?.get_services()?)
}

/// Finds the service that the command line names.
pub(super) fn find(wanted: &str, services: &[Service]) -> Result<Hex, Failure> {
    let known: Vec<_> = services.iter().map(|service| (service.id, service.name.clone())).collect();
    lookup::find("service", wanted, &known)
}

/// The services of one app among several: all, or the named one.
async fn of_one(matches: &ArgMatches, session: &Session) -> Result<ServiceList, Failure> {
    let mut services = all(session).await?;
    if let Some(wanted) = matches.get_one::<String>("service") {
        let id = find(wanted, &services)?;
        services.retain(|service| service.id == id);
    }
    services.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    Ok(ServiceList { services })
}

fn paint(service: &Service) -> Paint {
    match service.state {
        "running" => Paint::Good,
        "failed" => Paint::Bad,
        _ => Paint::Warning,
    }
}

fn state(service: &Service) -> String {
    if service.restarting { format!("{}, restarting", service.state) } else { service.state.to_owned() }
}

/// The reason of the state, or the most important note.
fn why(service: &Service) -> String {
    match (&service.reason, &service.config_note, &service.last_failure) {
        (Some(reason), _, _) => reason.clone(),
        (None, Some(note), _) => note.clone(),
        (None, None, Some(failure)) => format!("last failure: {failure}"),
        (None, None, None) => String::new(),
    }
}

/// The number of restarts, and their causes.
fn restarts(service: &Service) -> String {
    let failures = counted(service.deaths, "failure");
    let stops = counted(service.planned_stops, "planned stop");
    let policy =
        service.restart_policy.as_ref().map_or_else(String::new, |policy| format!("; policy: {policy}"));
    format!("{}, after {failures} and {stops}{policy}", service.restarts)
}

fn list(services: &[Service], page: &mut Page) {
    let mut table = Table::new(["NAME", "ID", "STATE", "UPTIME", "RESTARTS", "TASKS", "REASON"]);
    services.iter().for_each(|service| table.row(cells(service)));
    page.table(&table);
}

fn list_all(rows: &[Row<ServiceList>], page: &mut Page) {
    let heads = ["INSTANCE", "NAME", "ID", "STATE", "UPTIME", "RESTARTS", "TASKS", "REASON"];
    let mut table = Table::new(heads);
    for row in rows {
        match &row.answer {
            Ok(list) => {
                for service in &list.services {
                    let [name, id, state, uptime, restarts, tasks, why] = cells(service);
                    table.row([row.cell(), name, id, state, uptime, restarts, tasks, why]);
                }
            }
            Err(failure) => {
                let none = || ("-".to_owned(), Paint::Plain);
                let message = (failure.message.clone(), Paint::Plain);
                table.row([
                    row.cell(),
                    none(),
                    none(),
                    failed_cell(failure),
                    none(),
                    none(),
                    none(),
                    message,
                ]);
            }
        }
    }
    page.table(&table);
}

fn cells(service: &Service) -> [(String, Paint); 7] {
    let plain = |text: String| (text, Paint::Plain);
    let uptime = if service.uptime_millis > 0 {
        human(Duration::from_millis(service.uptime_millis))
    } else {
        "-".to_owned()
    };
    [
        plain(service.name.clone()),
        plain(service.id.to_string()),
        (state(service), paint(service)),
        plain(uptime),
        plain(service.restarts.to_string()),
        plain(service.tasks.to_string()),
        plain(why(service)),
    ]
}

fn show(service: &Service, known: &[(Hex, String)], page: &mut Page) {
    let name = |id: &Hex| {
        let name = known.iter().find(|(known, _)| known == id).map(|(_, name)| name.clone());
        name.unwrap_or_else(|| id.to_string())
    };
    let needs: Vec<_> = service.needs.iter().map(name).collect();
    let plain = |name, value| (name, value, Paint::Plain);
    let mut facts = vec![
        plain("service", format!("{} ({})", service.name, service.id)),
        ("state", state(service), paint(service)),
        plain("uptime", human(Duration::from_millis(service.uptime_millis))),
        plain("start", format!("took {}", human(Duration::from_millis(service.start_millis)))),
        plain("restarts", restarts(service)),
        plain("tasks", service.tasks.to_string()),
        plain("level", service.level.name().to_owned()),
        plain("needs", if needs.is_empty() { "nothing".to_owned() } else { needs.join(", ") }),
    ];
    if let Some(reason) = &service.reason {
        facts.push(("reason", reason.clone(), Paint::Bad));
    }
    if let Some(note) = &service.config_note {
        facts.push(("config", note.clone(), Paint::Warning));
    }
    if let Some(failure) = &service.last_failure {
        let when = service.last_failure_at.map_or_else(String::new, |at| format!(" ({})", ago(at)));
        facts.push(("last failure", format!("{failure}{when}"), Paint::Warning));
    }
    page.facts(&facts);
}
