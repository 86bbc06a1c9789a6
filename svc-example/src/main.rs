//! The link list is the deployment manifest.

use {app_config as _, app_health as _, app_metrics as _, svc_example as _};

fn main() -> std::process::ExitCode {
    app_core::run()
}
