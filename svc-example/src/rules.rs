//! `rules`: prints what the service would run with. A subcommand that depends on flags of the application.

use std::{fmt::Write, io, process::ExitCode};

use app_config::{Configured, upcoming};
use app_core::{
    AppBuilder, Flags, Identity, Log, LogLevel, Subcommand,
    clap::{ArgMatches, Command},
};

use crate::{QuotaConfig, QuotaFlags, Scope};

const UNUSABLE: u8 = 78;

app_core::subcommand! { Subcommand::with_flags(command, run) }

fn command() -> Command {
    Command::new("rules").about("Prints the rules and the queue that the quota service would run with")
}

fn run(_: &ArgMatches, flags: &Flags) -> ExitCode {
    match table(flags) {
        Ok(table) => app_core::write_output(|out| out.write_all(table.as_bytes())),
        Err((status, reason)) => {
            // Without standard error, the exit status still tells.
            let _ = io::Write::write_all(
                &mut io::stderr(),
                format!("{}\n", app_errors::one_line(&reason)).as_bytes(),
            );
            status.into()
        }
    }
}

fn table(flags: &Flags) -> Result<String, (u8, String)> {
    let queue = flags.group::<QuotaFlags>().map_err(|problem| (2, problem))?.quota_queue;
    let config = config(flags)?;
    let mut table = format!("queue {queue}\n");
    for rule in &config.rules {
        // To write to a text does not fail.
        let _ = writeln!(
            table,
            "rule {}: {} permits every {:?}, burst {}, at most {} keys{}",
            rule.name,
            rule.permits,
            rule.period(),
            rule.burst,
            rule.max_keys,
            if rule.scope == Scope::Instance { "" } else { ", shared by the fleet" }
        );
    }
    Ok(table)
}

/// The config that a start would read now.
fn config(flags: &Flags) -> Result<Configured<QuotaConfig>, (u8, String)> {
    // An app that is not started, and whose log is not read.
    let builder = AppBuilder::new().flags(flags.clone()).services([]);
    let identity = Identity::new(flags.domain_id, flags.app_id, flags.release_id);
    let made = builder.log(Log::captured(&identity, LogLevel::Error).0).build();
    let app = made.map_err(|problem| (1, format!("the log cannot be opened: {problem}")))?;
    let refused = || (UNUSABLE, "the config is refused; `config check` says why".to_owned());
    upcoming(&app).ok_or_else(refused)
}
