//! A service whose health is in your hands: its critical check passes while a file is there.
//!
//! For trying out probes, thresholds and alerts; `docs/OPERATING.md` has a tour.

use std::{path::PathBuf, process::ExitCode, sync::OnceLock};

use {app_config as _, app_metrics as _};

use app_core::{clap, prelude::*};
use app_health::{HealthCheckSpec, HealthChecks};

ids! {
    /// Watches a file.
    pub WATCHER: ServiceId = 0xbbad_44a9_6ece_b0a7, "watcher";
    /// Critical: the file is there.
    pub FILE_IS_THERE: HealthCheckId = 0x9f2c_afb3_cdb8_0b24, "file_is_there";
}

app_core::service! { id: WATCHER, name: "watcher", start: start }

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    app: app_core::Flags,
    /// While this file is there, the check passes
    #[arg(long, value_name = "FILE", default_value = "healthy")]
    file: PathBuf,
    /// From one run of the check to the next
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = app_core::args::number(10..=u64::MAX))]
    interval_millis: u64,
}

/// What the command line says beyond the flags that every application has.
static WATCHED: OnceLock<(PathBuf, Duration)> = OnceLock::new();

// A start function is async, whether it waits for something or not.
#[allow(clippy::unused_async, reason = "the kernel calls async functions")]
async fn start(health: Dep<HealthChecks>) -> Result<(), Error> {
    let (file, interval) = WATCHED.get().cloned().unwrap_or_default();
    let spec = HealthCheckSpec::new(FILE_IS_THERE)
        .interval(interval)
        .failure_threshold(3)
        .success_threshold(2)
        .description("The file is there. Three failures in a row are too many; then it takes two successes.")
        .critical();
    health.register_unbound(spec, move |_cancelled| {
        let file = file.clone();
        async move { std::fs::metadata(file).map(drop) }
    })
}

fn main() -> ExitCode {
    match app_core::parse::<Cli>() {
        Ok(Cli { app, file, interval_millis }) => {
            let _ = WATCHED.set((file, Duration::from_millis(interval_millis)));
            app_core::run_with(app)
        }
        Err(exit) => exit,
    }
}
