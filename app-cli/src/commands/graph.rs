//! `appctl graph`: the services of an app as a tree of what each one needs.
//!
//! `app-core` contributes a command `graph`, which shows the linked services of a program. `appctl` links only services of the
//! platform, so here the command asks an app.

use std::process::ExitCode;

use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use app_core::service_graph::ServiceGraph;
use serde_json::json;

use super::services;
use crate::answers::Service;
use crate::connect::Session;
use crate::failure::Failure;
use crate::operation;
use crate::output::{Page, Paint, print_text};
use crate::remote;
use crate::target::connection_args;

const HELP: &str = "\
Each service stands above those that it needs. Infrastructure, which all others need, stands at the end. The same of a
program that does not run: svc-example graph

Examples:
  appctl graph
  appctl graph --dot | dot -Tsvg > services.svg
  appctl graph --json | jq -r '.services[] | select(.state != \"running\") | .name'";

/// The command that asks an app, in place of the linked one.
pub(crate) fn command() -> Command {
    let dot = Arg::new("dot").long("dot").action(ArgAction::SetTrue).conflicts_with("json");
    Command::new("graph")
        .about("Shows the services of a running app, and what they need")
        .after_help(HELP)
        .args(connection_args())
        .arg(dot.help("Print the language of Graphviz"))
}

pub(crate) fn run(matches: &ArgMatches) -> ExitCode {
    operation::ask(matches, async |operation, session| {
        let graph = of(session).await?;
        if matches.get_flag("dot") {
            print_text(&graph.dot())?;
            return Ok(ExitCode::SUCCESS);
        }
        operation.output.print(&graph, |page| show(&graph, page))
    })
}

/// The graph of the app.
pub(super) async fn of(session: &Session) -> Result<ServiceGraph, Failure> {
    match remote::ask(session, 0, "graph", json!({})).await? {
        Some(graph) => Ok(graph),
        None => of_old(session, &services::all(session).await?),
    }
}

/// The graph of an app that is too old to tell it: without levels, and without the dependencies that no service names.
fn of_old(session: &Session, services: &[Service]) -> Result<ServiceGraph, Failure> {
    let of = |service: &Service| {
        let needs: Vec<_> = service.needs.iter().map(ToString::to_string).collect();
        json!({
            "id": service.id.to_string(), "name": service.name, "state": service.state, "reason": service.reason,
            "needs": needs, "rests_on": [], "level": 0, "infrastructure": false, "platform": false,
            "restarts": service.restarts, "start_began_millis": null, "start_millis": service.start_millis,
        })
    };
    let graph = json!({ "services": services.iter().map(of).collect::<Vec<_>>() });
    serde_json::from_value(graph).map_err(|_| remote::too_old(session, "its graph"))
}

fn show(graph: &ServiceGraph, page: &mut Page) {
    for line in graph.tree() {
        let state = line.service.state.as_deref().unwrap_or("unknown");
        let paint = match state {
            "running" => Paint::Plain,
            "failed" => Paint::Bad,
            _ => Paint::Warning,
        };
        let why = line.service.reason.as_ref().filter(|_| state != "running");
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        let infrastructure = if line.service.infrastructure { ", infrastructure" } else { "" };
        page.painted(format!("{}  {state}{infrastructure}{why}", line.named()), paint);
    }
}
