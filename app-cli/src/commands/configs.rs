//! `appctl configs`: the configs that the services of an app run with.

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
The command reads no files; appctl reload does. Exit status 6 if a config was refused, removed or unreadable. Its service
keeps its last good config. To make and check files, use: appctl config.

Examples:
  appctl configs
  appctl configs --json | jq '.configs[] | select(.problem)'";

app_core::subcommand! { Subcommand::new(command, run) }

#[derive(Debug, Serialize)]
pub(super) struct Configs {
    configs: Vec<Config>,
}

fn command() -> Command {
    operation::command("configs", "Lists the configs that the services of a running app run with", HELP)
}

fn run(matches: &ArgMatches) -> ExitCode {
    operation::ask(matches, async |operation, session| {
        let configs = session.call(Effect::Reads, ask).await?;
        let well = configs.configs.iter().all(|config| config.problem.is_none());
        operation.output.print_verdict(well, &configs, |page| show(&configs, page))
    })
}

pub(super) async fn ask(app: app::Client) -> capnp::Result<Configs> {
    let configs = app.configs_request().send().pipeline.get_configs();
    let answer = configs.statuses_request().send().promise.await?;
    Ok(Configs { configs: Config::all(answer.get()?.get_configs()?)? })
}

fn show(configs: &Configs, page: &mut Page) {
    if configs.configs.is_empty() {
        return page.line("no service has taken a config");
    }
    page.table(&Config::table(&configs.configs));
}
