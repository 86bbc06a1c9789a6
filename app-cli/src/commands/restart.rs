//! `appctl restart`: stops a service and its dependents, and starts them again.

mod again;

use std::process::ExitCode;
use std::time::Duration;

use app_core::Subcommand;
use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use app_core::service_graph::GraphService;
use serde::Serialize;
use tokio::time::Instant;

use self::again::Again;
use super::{graph, services};
use crate::answers::texts;
use crate::connect::{Effect, Session};
use crate::failure::Outcome;
use crate::lookup;
use crate::operation::{self, Operation};
use crate::output::{self, Hex, human, one_line};
use crate::target::positive_time;

/// Longest note in characters.
const MOST_NOTE: usize = 4096;

const HELP: &str = "\
The command returns when the restart is decided. With --wait it returns when the service and its dependents run again, and
names what happens meanwhile on standard error. Role: operate; for --dry-run: read.
A service with a refused or removed config restarts with its last good config. A note on standard error says so.

Exit status with --wait: 0 when they run again, 6 when one of them did not start, 7 when the time is over.

Examples:
  appctl restart quota --dry-run                           which services stop along, in order
  appctl restart quota --reason 'stuck after the network outage'
  appctl restart quota -r 'new certificate' --wait
  appctl restart 0xce1f32c680e1ef0b -r 'new rules' --wait=5m --json";

app_core::subcommand! { Subcommand::new(command, run) }

#[derive(Debug, Serialize)]
struct Restart {
    service: Hex,
    name: String,
    restart: &'static str,
    notes: Vec<String>,
    /// Only with `--wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    took_seconds: Option<f64>,
}

/// What a restart would do.
#[derive(Debug, Serialize)]
struct DryRun {
    service: Hex,
    name: String,
    /// The services that stop, in this order, the named one last. They start in the reverse order.
    stops: Vec<Along>,
}

#[derive(Debug, Serialize)]
struct Along {
    id: String,
    name: String,
    state: Option<String>,
}

fn command() -> Command {
    let service = Arg::new("service").value_name("SERVICE").required(true);
    let wait = Arg::new("wait").long("wait").value_name("TIME").value_parser(positive_time);
    let wait = wait.num_args(0..=1).require_equals(true).default_missing_value("1m");
    let dry_run = Arg::new("dry-run").long("dry-run").action(ArgAction::SetTrue);
    operation::command("restart", "Restarts a service of a running app, and its dependents", HELP)
        .arg(service.help("Service, by name or id"))
        .args(operation::change_args())
        .mut_arg("reason", |reason| reason.required(false).required_unless_present("dry-run"))
        .arg(wait.help("Wait until the services run again, at most this time [default of TIME: 1m]"))
        .arg(
            dry_run.conflicts_with_all(["wait", "all"]).help("Only show which services stop along, in order"),
        )
}

fn run(matches: &ArgMatches) -> ExitCode {
    if matches.get_flag("dry-run") {
        operation::ask(matches, dry_run)
    } else {
        operation::change(matches, restart)
    }
}

async fn dry_run(operation: &Operation<'_>, session: &Session) -> Outcome {
    let graph = graph::of(session).await?;
    let known: Vec<_> = graph
        .services
        .iter()
        .filter_map(|service| Some((Hex(lookup::id_of(&service.id)?), service.name.clone())))
        .collect();
    let id = lookup::find("service", &operation::text(operation.matches, "service"), &known)?;
    let name = known.into_iter().find(|(known, _)| *known == id).map(|(_, name)| name).unwrap_or_default();
    let along = |service: &GraphService| Along {
        id: service.id.clone(),
        name: service.name.clone(),
        state: service.state.clone(),
    };
    let stops = graph.along(&id.to_string()).into_iter().map(along).collect();
    let dry_run = DryRun { service: id, name, stops };
    operation.output.print(&dry_run, |page| {
        for Along { id, name, state } in &dry_run.stops {
            page.line(format!("{name} ({id})  {}", state.as_deref().unwrap_or("unknown")));
        }
    })
}

async fn restart(operation: &Operation<'_>, session: &Session) -> Outcome {
    let matches = operation.matches;
    let known = services::all(session).await?;
    let id = services::find(&operation::text(matches, "service"), &known)?;
    let name = known.iter().find(|service| service.id == id).map(|service| service.name.clone());
    let name = name.unwrap_or_default();
    let before = match matches.get_one::<Duration>("wait") {
        Some(limit) => Some((Again::before(session, id, known).await?, *limit)),
        None => None,
    };
    let reason = operation::reason(matches);
    let ask = move |app: schema::admin_capnp::app::Client| {
        let mut request = app.restart_request();
        request.get().set_service_id(id.0);
        request.get().set_reason(&reason);
        async move { texts(request.send().promise.await?.get()?.get_notes()) }
    };
    let begun = Instant::now();
    let notes = session.call(Effect::Changes, ask).await?;
    for note in &notes {
        output::say(&one_line(&format!("note: {note}"), MOST_NOTE));
    }
    let took = match before {
        Some((again, limit)) => Some(again.wait(operation, &name, (begun, limit)).await?),
        None => None,
    };
    let done = Restart {
        service: id,
        name,
        restart: if took.is_some() { "done" } else { "decided" },
        notes,
        took_seconds: took.map(|took| took.as_secs_f64()),
    };
    operation.output.print(&done, |page| match took {
        Some(took) => page.line(format!("{} ({id}) runs again, after {}", done.name, human(took))),
        None => page.line(format!("{} ({id}) restarts", done.name)),
    })
}
