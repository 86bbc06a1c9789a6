//! `appctl configs`: the configs that the services of an app run on.

use std::process::ExitCode;

use app_core::Subcommand;
use app_core::clap::{ArgMatches, Command};
use schema::admin_capnp::app;
use serde::Serialize;

use crate::answers::Config;
use crate::connect::Effect;
use crate::operate;
use crate::output::Page;

const HELP: &str = "\
It looks at no file: reload does. Exit status 6 if a config was refused, is gone or could not be read: its service goes
on with what it had. To make and check files: appctl config.

Examples:
  appctl configs
  appctl configs --json | jq '.configs[] | select(.problem)'";

app_core::subcommand! { Subcommand::new(command, run) }

#[derive(Debug, Serialize)]
struct Configs {
    configs: Vec<Config>,
}

fn command() -> Command {
    operate::command("configs", "Lists the configs that the services of a running app run on", HELP)
}

fn run(matches: &ArgMatches) -> ExitCode {
    operate::ask(matches, async |operation, session| {
        let configs = session.call(Effect::Looks, ask).await?;
        let well = configs.configs.iter().all(|config| config.problem.is_none());
        operation.output.print_verdict(well, &configs, |page| show(&configs, page))
    })
}

async fn ask(app: app::Client) -> capnp::Result<Configs> {
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
