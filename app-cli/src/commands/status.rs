//! `appctl status`: the identity and the state of an app.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use app_core::Subcommand;
use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use schema::admin_capnp::{app, certificate_end, listener_info};
use serde::Serialize;

use crate::answers::{Check, Identity, Service, elements, text, texts};
use crate::connect::{Effect, Session};
use crate::failure::Failure;
use crate::operation;
use crate::output::{Hex, Moment, Page, Paint, Table, human};
use crate::several::{self, Row, failed_cell};

const HELP: &str = "\
Examples:
  appctl status                         the app of the current context
  appctl status --context '#prod'       the app of another context
  appctl status --ready                 exit status 6 if it is not ready
  appctl status --all                   every app of the contexts file, one on a line
  appctl status --group prod --ready    of the apps in a group
  appctl status --json | jq .ready";

app_core::subcommand! { Subcommand::new(command, run) }

#[derive(Debug, Serialize)]
struct AppStatus {
    #[serde(flatten)]
    identity: Identity,
    address: String,
    ready: bool,
    reasons: Vec<String>,
    notes: Vec<String>,
    services: ServiceCounts,
    health_checks: CheckCounts,
    tasks: u64,
    endpoints: Vec<EndpointAddress>,
    listeners: Vec<OpenListener>,
    /// The certificates and revocation lists in use, sorted by their end.
    ends: Vec<CertificateEnd>,
}

/// Where an RPC endpoint listens.
#[derive(Debug, Serialize)]
struct EndpointAddress {
    id: Hex,
    name: String,
    /// `None` while it does not listen.
    address: Option<String>,
}

/// A listening socket, and where it came from.
#[derive(Debug, Serialize)]
struct OpenListener {
    name: String,
    address: String,
    /// `bound`, `inherited`, `store` or `handover`.
    origin: String,
    /// Whether the service manager keeps it.
    stored: bool,
}

/// The end of a certificate or of a revocation list.
#[derive(Debug, Serialize)]
pub(super) struct CertificateEnd {
    at: Option<Moment>,
    service: String,
    what: String,
    name: String,
}

#[derive(Debug, Serialize)]
struct ServiceCounts {
    total: usize,
    running: usize,
    failed: usize,
}

#[derive(Debug, Serialize)]
struct CheckCounts {
    total: usize,
    healthy: usize,
    unhealthy: usize,
    unknown: usize,
    paused: usize,
}

fn command() -> Command {
    let ready = Arg::new("ready").long("ready").action(ArgAction::SetTrue);
    operation::command("status", "Shows the identity of a running app, and whether it is ready", HELP)
        .arg(ready.help("Exit with status 6 if the app is not ready"))
        .args(several::args())
}

fn run(matches: &ArgMatches) -> ExitCode {
    if several::is_asked(matches) {
        let well = |status: &AppStatus| status.ready || !matches.get_flag("ready");
        return several::ask(matches, async |_, session| of(session).await, well, list);
    }
    operation::ask(matches, async |operation, session| {
        let status = of(session).await?;
        let well = status.ready || !matches.get_flag("ready");
        operation.output.print_verdict(well, &status, |page| show(&status, page))
    })
}

async fn of(session: &Session) -> Result<AppStatus, Failure> {
    let address = session.address.to_string();
    session.call(Effect::Reads, move |app| ask(app, address.clone())).await
}

/// One line for each app.
fn list(rows: &[Row<AppStatus>], page: &mut Page) {
    let heads = ["INSTANCE", "APP", "VERSION", "STATE", "UPTIME", "SERVICES", "CHECKS", "TASKS", "PROBLEM"];
    let mut table = Table::new(heads);
    let plain = |text: String| (text, Paint::Plain);
    for row in rows {
        table.row(match &row.answer {
            Ok(status) => {
                let AppStatus { identity, services, health_checks: checks, .. } = status;
                [
                    row.cell(),
                    plain(identity.name.clone()),
                    plain(identity.version.clone().unwrap_or_else(|| "-".to_owned())),
                    state(status),
                    plain(human(Duration::from_millis(identity.uptime_millis))),
                    plain(format!("{} of {}", services.running, services.total)),
                    plain(format!("{} of {}", checks.healthy, checks.total)),
                    plain(status.tasks.to_string()),
                    plain(status.reasons.join("; ")),
                ]
            }
            Err(failure) => {
                let none = || plain("-".to_owned());
                let message = plain(failure.message.clone());
                [row.cell(), none(), none(), failed_cell(failure), none(), none(), none(), none(), message]
            }
        });
    }
    page.table(&table);
}

async fn ask(app: app::Client, address: String) -> capnp::Result<AppStatus> {
    let (identity, readiness, services, checks) = tokio::try_join!(
        app.identity_request().send().promise,
        app.readiness_request().send().promise,
        app.service_infos_request().send().promise,
        app.health_request().send().pipeline.get_health().checks_request().send().promise,
    )?;
    let services = Service::all(services.get()?.get_services()?)?;
    let endpoints = endpoints(&app, &services).await?;
    let listeners = listeners(&app).await?;
    let checks = Check::all(checks.get()?.get_checks()?)?;
    let readiness = readiness.get()?;
    let in_state = |state: &str| services.iter().filter(|service| service.state == state).count();
    let with_status = |status: &str| checks.iter().filter(|check| check.status.name() == status).count();
    Ok(AppStatus {
        identity: Identity::of(identity.get()?.get_identity()?)?,
        address,
        ready: readiness.get_ready(),
        reasons: texts(readiness.get_reasons())?,
        notes: texts(readiness.get_notes())?,
        services: ServiceCounts {
            total: services.len(),
            running: in_state("running"),
            failed: in_state("failed"),
        },
        health_checks: CheckCounts {
            total: checks.len(),
            healthy: with_status("healthy"),
            unhealthy: with_status("unhealthy"),
            unknown: with_status("unknown"),
            paused: checks.iter().filter(|check| check.paused).count(),
        },
        tasks: services.iter().map(|service| u64::from(service.tasks)).sum(),
        endpoints,
        listeners,
        ends: elements(readiness.get_ends()?, CertificateEnd::of)?,
    })
}

/// The endpoints of the app, by id. None of an app that is too old to tell them.
async fn endpoints(app: &app::Client, services: &[Service]) -> capnp::Result<Vec<EndpointAddress>> {
    let is_unknown = |error: &capnp::Error| error.kind == capnp::ErrorKind::Unimplemented;
    let ids = match app.rpc_service_ids_request().send().promise.await {
        Err(error) if is_unknown(&error) => return Ok(Vec::new()),
        ids => ids?,
    };
    let ids: Vec<u64> = elements(ids.get()?.get_service_ids()?, Ok)?;
    // All are asked before the first answer is read.
    let asked: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let mut request = app.rpc_service_request();
            request.get().set_id(id);
            (id, request.send().pipeline.get_service().listener_address_request().send().promise)
        })
        .collect();
    let mut endpoints = Vec::new();
    for (id, answer) in asked {
        let answer = match answer.await {
            Err(error) if is_unknown(&error) => continue,
            answer => answer?,
        };
        let address = text(answer.get()?.get_address()?.get_address())?;
        let service = services.iter().find(|service| service.id == Hex(id));
        endpoints.push(EndpointAddress {
            id: Hex(id),
            name: service.map(|service| service.name.clone()).unwrap_or_default(),
            address: Some(address).filter(|address| !address.is_empty()),
        });
    }
    Ok(endpoints)
}

/// The listeners of the app. None of an app that is too old to tell them.
async fn listeners(app: &app::Client) -> capnp::Result<Vec<OpenListener>> {
    let answer = match app.listeners_request().send().promise.await {
        Err(error) if error.kind == capnp::ErrorKind::Unimplemented => return Ok(Vec::new()),
        answer => answer?,
    };
    elements(answer.get()?.get_listeners()?, OpenListener::of)
}

impl OpenListener {
    fn of(listener: listener_info::Reader<'_>) -> capnp::Result<Self> {
        Ok(Self {
            name: text(listener.get_name())?,
            address: text(listener.get_address()?.get_address())?,
            origin: text(listener.get_origin())?,
            stored: listener.get_stored(),
        })
    }

    fn shown(&self) -> String {
        let stored = if self.stored && self.origin != "store" { ", stored" } else { "" };
        format!("{} at {} ({}{stored})", self.name, self.address, self.origin)
    }
}

impl EndpointAddress {
    fn shown(&self) -> String {
        let name = if self.name.is_empty() { self.id.to_string() } else { self.name.clone() };
        match &self.address {
            Some(address) => format!("{name} at {address}"),
            None => format!("{name} does not listen"),
        }
    }
}

impl CertificateEnd {
    pub(super) fn of(end: certificate_end::Reader<'_>) -> capnp::Result<Self> {
        Ok(Self {
            at: Moment::known(end.get_at_millis()),
            service: text(end.get_service())?,
            what: text(end.get_what())?,
            name: text(end.get_name())?,
        })
    }

    /// The line about the end, and its colour.
    fn line(&self) -> (String, Paint) {
        let left = self.at.and_then(Moment::time).map(|end| end.duration_since(SystemTime::now()));
        let (ends, paint) = match left {
            Some(Ok(left)) if left >= SOON => ("valid until", Paint::Plain),
            Some(Ok(_)) => ("end soon, at", Paint::Warning),
            Some(Err(_)) => ("ENDED at", Paint::Bad),
            None => ("end at", Paint::Plain),
        };
        let when = self.at.map_or_else(|| "an unknown time".to_owned(), |at| at.to_string());
        let what = self.what.replace('_', " ");
        (format!("{ends} {when} ({what} of {}: {})", self.service, self.name), paint)
    }
}

/// From this time before its end, a certificate is shown as ending soon.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

fn show(status: &AppStatus, page: &mut Page) {
    let AppStatus { identity, services, health_checks: checks, .. } = status;
    let version = identity.version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
    let (ready, paint) = state(status);
    let since = identity.started_at.map_or_else(String::new, |at| format!(" (since {at})"));
    let plain = |name, value| (name, value, Paint::Plain);
    let mut facts = vec![
        plain("app", format!("{}{version}, on platform {}", identity.name, identity.platform_version)),
        ("state", ready, paint),
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
    ];
    if !status.endpoints.is_empty() {
        let shown: Vec<_> = status.endpoints.iter().map(EndpointAddress::shown).collect();
        facts.push(plain("endpoints", shown.join(", ")));
    }
    if !status.listeners.is_empty() {
        let shown: Vec<_> = status.listeners.iter().map(OpenListener::shown).collect();
        facts.push(plain("listeners", shown.join(", ")));
    }
    let nearest = status.ends.first().map(CertificateEnd::line);
    facts.extend(nearest.map(|(line, paint)| ("certificates", line, paint)));
    page.facts(&facts);
    for reason in &status.reasons {
        page.painted(format!("not ready: {reason}"), Paint::Bad);
    }
    for note in &status.notes {
        page.painted(format!("note: {note}"), Paint::Warning);
    }
}

fn state(status: &AppStatus) -> (String, Paint) {
    let (text, paint) = if status.ready { ("ready", Paint::Good) } else { ("not ready", Paint::Bad) };
    (text.to_owned(), paint)
}

fn shown(checks: &CheckCounts) -> String {
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
