//! The link list is the deployment manifest; and one flag of the program's own.

use std::process::ExitCode;

use app_core::clap;
use {app_config as _, app_health as _, app_metrics as _, app_rpc as _, svc_example as _};

mod dev;

/// Rate limits per key.
#[derive(clap::Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    app: app_core::Flags,

    /// Try it: makes throwaway keys, certificates and sealed configs under the target directory, listens on loopback alone, and
    /// prints what to try.
    #[arg(long, conflicts_with_all = ["config_dir", "config_identity", "check"])]
    dev: bool,
}

fn main() -> ExitCode {
    match app_core::parse::<Cli>() {
        Ok(cli) if cli.dev => dev::run(cli.app),
        Ok(cli) => app_core::run_with(cli.app),
        Err(exit) => exit,
    }
}
