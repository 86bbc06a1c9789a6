//! `appctl status`: who an app is, and how it is.

use std::process::ExitCode;
use std::time::Duration;

use app_core::Subcommand;
use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use schema::admin_capnp::app;
use serde::Serialize;

use crate::answers::{Check, Identity, Service, texts};
use crate::connect::Effect;
use crate::operate;
use crate::output::{Page, Paint, human};

const HELP: &str = "\
Examples:
  appctl status                         of the current context
  appctl status --context '#prod'       of another one
  appctl status --ready                 exit status 6 if it is not ready
  appctl status --json | jq .ready";

app_core::subcommand! { Subcommand::new(command, run) }

#[derive(Debug, Serialize)]
struct Status {
    #[serde(flatten)]
    identity: Identity,
    address: String,
    ready: bool,
    reasons: Vec<String>,
    services: Services,
    health_checks: Checks,
    tasks: u64,
}

#[derive(Debug, Serialize)]
struct Services {
    total: usize,
    running: usize,
    failed: usize,
}

#[derive(Debug, Serialize)]
struct Checks {
    total: usize,
    healthy: usize,
    unhealthy: usize,
    unknown: usize,
    paused: usize,
}

fn command() -> Command {
    let ready = Arg::new("ready").long("ready").action(ArgAction::SetTrue);
    operate::command("status", "Shows who a running app is, and whether it is ready", HELP)
        .arg(ready.help("Exits with 6 if the app is not ready"))
}

fn run(matches: &ArgMatches) -> ExitCode {
    operate::ask(matches, async |operation, session| {
        let address = session.address.to_string();
        let status = session.call(Effect::Looks, move |app| ask(app, address.clone())).await?;
        let well = status.ready || !matches.get_flag("ready");
        operation.output.print_verdict(well, &status, |page| show(&status, page))
    })
}

async fn ask(app: app::Client, address: String) -> capnp::Result<Status> {
    let (identity, readiness, services, checks) = tokio::try_join!(
        app.identity_request().send().promise,
        app.readiness_request().send().promise,
        app.service_infos_request().send().promise,
        app.health_request().send().pipeline.get_health().checks_request().send().promise,
    )?;
    let services = Service::all(services.get()?.get_services()?)?;
    let checks = Check::all(checks.get()?.get_checks()?)?;
    let readiness = readiness.get()?;
    let in_state = |state: &str| services.iter().filter(|service| service.state == state).count();
    let with_status = |status: &str| checks.iter().filter(|check| check.status.name() == status).count();
    Ok(Status {
        identity: Identity::of(identity.get()?.get_identity()?)?,
        address,
        ready: readiness.get_ready(),
        reasons: texts(readiness.get_reasons())?,
        services: Services {
            total: services.len(),
            running: in_state("running"),
            failed: in_state("failed"),
        },
        health_checks: Checks {
            total: checks.len(),
            healthy: with_status("healthy"),
            unhealthy: with_status("unhealthy"),
            unknown: with_status("unknown"),
            paused: checks.iter().filter(|check| check.paused).count(),
        },
        tasks: services.iter().map(|service| u64::from(service.tasks)).sum(),
    })
}

fn show(status: &Status, page: &mut Page) {
    let Status { identity, services, health_checks: checks, .. } = status;
    let version = identity.version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
    let (ready, paint) = if status.ready { ("ready", Paint::Good) } else { ("not ready", Paint::Bad) };
    let since = identity.started_at.map_or_else(String::new, |at| format!(" (since {at})"));
    let plain = |name, value| (name, value, Paint::Plain);
    page.facts(&[
        plain("app", format!("{}{version}, on platform {}", identity.name, identity.platform_version)),
        ("state", ready.to_owned(), paint),
        plain("uptime", format!("{}{since}", human(Duration::from_millis(identity.uptime_millis)))),
        plain("services", format!("{} running of {}", services.running, services.total)),
        plain("checks", shown(checks)),
        plain("tasks", status.tasks.to_string()),
        plain(
            "ids",
            format!("domain {}, app {}, release {}", identity.domain, identity.app, identity.release),
        ),
        plain("instance", format!("{}, process {} on {}", identity.instance, identity.pid, identity.host)),
        plain("address", status.address.clone()),
    ]);
    for reason in &status.reasons {
        page.painted(format!("not ready: {reason}"), Paint::Bad);
    }
}

fn shown(checks: &Checks) -> String {
    let mut shown = format!("{} healthy of {}", checks.healthy, checks.total);
    for (count, what) in
        [(checks.unhealthy, "unhealthy"), (checks.unknown, "unknown"), (checks.paused, "paused")]
    {
        if count > 0 {
            shown.push_str(&format!(", {count} {what}"));
        }
    }
    shown
}
