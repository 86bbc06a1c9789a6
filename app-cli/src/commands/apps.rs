//! `appctl apps`: the instances of all applications in the domain of an app.
//!
//! The app asks the others, over its NATS servers, and answers over its admin interface. So an operator needs the certificate that every
//! other command needs, no account of NATS, and no way to its servers, which networks of operators seldom have. Roles and the audit
//! stay in one place.

use std::process::ExitCode;

use app_core::Subcommand;
use app_core::clap::{ArgMatches, Command};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::output::{Page, Paint, Table};
use crate::{operation, remote};

const HELP: &str = "\
The app asks the others over the NATS servers of its service messaging, and waits about a second for answers. So the list has the
instances that are reached, and each tells of itself. A network that is cut, or an account that forbids it, hides others.

Examples:
  appctl apps
  appctl apps --json | jq -r '.instances[] | select(.state != \"ready\") | .instance'";

/// The service that can be asked.
const MESSAGING: u64 = 0xe5fd_6a36_4d10_d023;

app_core::subcommand! { Subcommand::new(command, run) }

/// What the app answers, and what is printed.
#[derive(Debug, Deserialize, Serialize)]
struct Apps {
    instances: Vec<Running>,
}

/// An instance, as it tells of itself.
#[derive(Debug, Deserialize, Serialize)]
struct Running {
    app: String,
    instance: String,
    domain: String,
    release: String,
    state: String,
    endpoints: Vec<Listens>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Listens {
    service: String,
    server_name: String,
    address: String,
}

fn command() -> Command {
    operation::command("apps", "Lists the instances of all applications in the domain of a running app", HELP)
}

fn run(matches: &ArgMatches) -> ExitCode {
    operation::ask(matches, async |operation, session| {
        let answer: Option<Apps> = remote::ask(session, MESSAGING, "instances", json!({})).await?;
        let Some(apps) = answer else { return Err(remote::too_old(session, "other instances")) };
        operation.output.print(&apps, |page| show(&apps, page))
    })
}

fn show(apps: &Apps, page: &mut Page) {
    if apps.instances.is_empty() {
        return page.line("no instance answered");
    }
    let mut table = Table::new(["APP", "INSTANCE", "RELEASE", "STATE", "RPC SERVERS"]);
    for one in &apps.instances {
        let paint = match one.state.as_str() {
            "ready" => Paint::Good,
            "starting" | "stopping" => Paint::Warning,
            _ => Paint::Bad,
        };
        let servers =
            one.endpoints.iter().map(|listens| format!("{} {}", listens.address, listens.server_name));
        table.row([
            (one.app.clone(), Paint::Plain),
            (one.instance.clone(), Paint::Plain),
            (one.release.clone(), Paint::Plain),
            (one.state.clone(), paint),
            (servers.collect::<Vec<_>>().join(", "), Paint::Faint),
        ]);
    }
    page.table(&table);
}
