//! `appctl whoami`: your names and your role, and what you may do.

use std::process::ExitCode;

use app_core::Subcommand;
use app_core::clap::{ArgMatches, Command};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Page, Paint};
use crate::{operation, remote};

const HELP: &str = "\
The app looks your role up for this call: it is the highest that its config of service rpc grants to one of your names.

Examples:
  appctl whoami
  appctl whoami --json | jq -r .role";

/// The commands of `appctl` by the role that they need.
const COMMANDS: [(&str, &[&str]); 3] = [
    (
        "read",
        &[
            "status",
            "services",
            "graph",
            "health list",
            "health show",
            "level get",
            "metrics",
            "events",
            "configs",
            "apps",
            "whoami",
            "wait",
        ],
    ),
    (
        "operate",
        &[
            "restart",
            "health run",
            "health pause",
            "health resume",
            "level set",
            "level reset",
            "reload",
            "stacks",
            "logs",
            "config show",
        ],
    ),
    ("admin", &["kill"]),
];

app_core::subcommand! { Subcommand::new(command, run) }

/// What the app answers, and what is printed.
#[derive(Debug, Deserialize, Serialize)]
struct Whoami {
    names: Vec<String>,
    role: String,
    /// The commands of `appctl` that the role allows.
    #[serde(default)]
    commands: Vec<String>,
    /// The operations that the role allows.
    may: Vec<String>,
    #[serde(default)]
    may_not: Vec<MayNot>,
}

#[derive(Debug, Deserialize, Serialize)]
struct MayNot {
    operation: String,
    role: String,
}

fn command() -> Command {
    operation::command("whoami", "Shows your names and your role in a running app, and what you may do", HELP)
}

fn run(matches: &ArgMatches) -> ExitCode {
    operation::ask(matches, async |operation, session| {
        let answer: Option<Whoami> = remote::ask(session, 0, "whoami", json!({})).await?;
        let Some(mut who) = answer else {
            let names = operation.target.key_pair.certificate().names.join(", ");
            let failure = remote::too_old(session, "your role");
            return Err(Failure::failed(format!(
                "{}; your certificate has the names: {names}",
                failure.message
            )));
        };
        let upto = COMMANDS.iter().position(|(role, _)| *role == who.role).map_or(1, |at| at + 1);
        let allowed = COMMANDS.iter().take(upto).flat_map(|(_, commands)| *commands);
        who.commands = allowed.map(|command| (*command).to_owned()).collect();
        operation.output.print(&who, |page| show(&who, page))
    })
}

fn show(who: &Whoami, page: &mut Page) {
    let listed = |all: &[String]| if all.is_empty() { "nothing".to_owned() } else { all.join(", ") };
    let names = if who.names.is_empty() {
        "none: the certificate has no name".to_owned()
    } else {
        who.names.join(", ")
    };
    page.facts(&[
        ("names", names, Paint::Plain),
        ("role", who.role.clone(), Paint::Good),
        ("commands", listed(&who.commands), Paint::Plain),
        ("operations", listed(&who.may), Paint::Plain),
    ]);
    for MayNot { operation, role } in &who.may_not {
        page.painted(format!("not allowed: {operation}: needs the role {role}"), Paint::Faint);
    }
}
