//! `appctl restart`: stops a service and its dependents, and starts them again.

use std::io::{self, Write as _};
use std::process::ExitCode;

use app_core::Subcommand;
use app_core::clap::{Arg, ArgMatches, Command};
use serde::Serialize;

use super::services;
use crate::answers::texts;
use crate::connect::Effect;
use crate::operation;
use crate::output::{Hex, one_line};

/// Longest note in characters.
const MOST_NOTE: usize = 4096;

const HELP: &str = "\
The command returns when the restart is decided. To watch it, run: appctl events --follow. Role: operate.
A service with a refused or removed config restarts with its last good config. A note on standard error says so.

Examples:
  appctl restart quota --reason 'stuck after the network outage'
  appctl restart 0xce1f32c680e1ef0b -r 'new certificate'";

app_core::subcommand! { Subcommand::new(command, run) }

#[derive(Debug, Serialize)]
struct Restart {
    service: Hex,
    name: String,
    restart: &'static str,
    notes: Vec<String>,
}

fn command() -> Command {
    let service = Arg::new("service").value_name("SERVICE").required(true);
    operation::command("restart", "Restarts a service of a running app, and its dependents", HELP)
        .arg(service.help("Service, by name or id"))
        .args(operation::change_args())
}

fn run(matches: &ArgMatches) -> ExitCode {
    operation::change(matches, async |operation, session| {
        let known = services::all(session).await?;
        let id = services::find(&operation::text(matches, "service"), &known)?;
        let name = known.into_iter().find(|service| service.id == id).map(|service| service.name);
        let reason = operation::reason(matches);
        let restart = move |app: schema::admin_capnp::app::Client| {
            let mut request = app.restart_request();
            request.get().set_service_id(id.0);
            request.get().set_reason(&reason);
            async move { texts(request.send().promise.await?.get()?.get_notes()) }
        };
        let notes = session.call(Effect::Changes, restart).await?;
        for note in &notes {
            // If this fails, there is no place left to report it.
            let _ = writeln!(io::stderr(), "note: {}", one_line(note, MOST_NOTE));
        }
        let done = Restart { service: id, name: name.unwrap_or_default(), restart: "decided", notes };
        operation.output.print(&done, |page| page.line(format!("{} ({id}) restarts", done.name)))
    })
}
