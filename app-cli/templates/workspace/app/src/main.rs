//! The application: the crates whose services it runs.

use std::process::ExitCode;

// The platform: configs, probes, messages, metrics, and calls over RPC.
use {app_config as _, app_health as _, app_messaging as _, app_metrics as _, app_rpc as _};

// Opens sealed configs. Without this line the application reads plain configs only.
use app_sealing as _;

// The services of this workspace. A crate that is not named here does not run.
use svc_my_service as _;

fn main() -> ExitCode {
    app_core::AppBuilder::new()
        .package(app_core::package!())
        .run()
}
