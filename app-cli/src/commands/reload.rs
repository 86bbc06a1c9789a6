//! `appctl reload`: makes an app read its configs again.

use std::process::ExitCode;

use app_core::Subcommand;
use app_core::clap::{ArgMatches, Command};
use schema::admin_capnp::app;
use serde::Serialize;

use crate::answers::Config;
use crate::connect::Effect;
use crate::operation;
use crate::output::Page;

const HELP: &str = "\
Exit status 6 if a config was refused, removed or unreadable. Its service keeps its last good config. Role: operate.

Examples:
  appctl reload --reason 'new certificate'
  appctl reload -r 'new rules' --json | jq '.configs[] | select(.problem)'";

app_core::subcommand! { Subcommand::new(command, run) }

#[derive(Debug, Serialize)]
struct Reload {
    configs: Vec<Config>,
}

fn command() -> Command {
    operation::command("reload", "Makes a running app read its configs again, as on SIGHUP", HELP)
        .args(operation::change_args())
}

fn run(matches: &ArgMatches) -> ExitCode {
    operation::change(matches, async |operation, session| {
        let reason = operation::reason(matches);
        let reload = move |app: app::Client| {
            let mut request = app.reload_request();
            request.get().set_reason(&reason);
            async move {
                let answer = request.send().promise.await?;
                Ok(Reload { configs: Config::all(answer.get()?.get_configs()?)? })
            }
        };
        let reload = session.call(Effect::Changes, reload).await?;
        let well = reload.configs.iter().all(|config| config.problem.is_none());
        operation.output.print_verdict(well, &reload, |page| show(&reload, page))
    })
}

fn show(reload: &Reload, page: &mut Page) {
    if reload.configs.is_empty() {
        return page.line("no service has taken a config");
    }
    page.table(&Config::table(&reload.configs));
}
