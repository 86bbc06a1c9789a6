//! `appctl restart`: stops a service and what depends on it, and starts them again.

use std::io::{self, Write as _};
use std::process::ExitCode;

use app_core::Subcommand;
use app_core::clap::{Arg, ArgMatches, Command};
use serde::Serialize;

use super::services;
use crate::answers::texts;
use crate::connect::Effect;
use crate::operate;
use crate::output::{Hex, one_line};

/// The most characters of a note.
const MOST_NOTE: usize = 4096;

const HELP: &str = "\
It answers once the restart is decided; what becomes of it tells: appctl events --follow. Role: operate.
A service whose config is refused, or gone, restarts on the last good one: a note on standard error says so.

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
    operate::command("restart", "Restarts a service of a running app, and what depends on it", HELP)
        .arg(service.help("The service, by its name or id"))
        .args(operate::change_args())
}

fn run(matches: &ArgMatches) -> ExitCode {
    operate::change(matches, async |operation, session| {
        let known = services::all(session).await?;
        let id = services::find(&operate::text(matches, "service"), &known)?;
        let name = known.into_iter().find(|service| service.id == id).map(|service| service.name);
        let reason = operate::reason(matches);
        let restart = move |app: schema::admin_capnp::app::Client| {
            let mut request = app.restart_request();
            request.get().set_service_id(id.0);
            request.get().set_reason(&reason);
            async move { texts(request.send().promise.await?.get()?.get_notes()) }
        };
        let notes = session.call(Effect::Changes, restart).await?;
        for note in &notes {
            // Nobody to tell when this fails.
            let _ = writeln!(io::stderr(), "note: {}", one_line(note, MOST_NOTE));
        }
        let done = Restart { service: id, name: name.unwrap_or_default(), restart: "decided", notes };
        operation.output.print(&done, |page| page.line(format!("{} ({id}) restarts", done.name)))
    })
}
