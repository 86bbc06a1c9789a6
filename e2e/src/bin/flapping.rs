//! A service with a health check that you control: the check passes while a file exists.
//!
//! Use it to try probes, thresholds and alerts. `docs/OPERATING.md` has a tour.

use std::path::PathBuf;

use app_core::{Flag, args, clap, prelude::*};
use app_health::{HealthCheckSpec, HealthChecks};

app_core::main! { link: [app_config, app_metrics] }

ids! {
    /// Watches a file.
    pub WATCHER: ServiceId = 0xbbad_44a9_6ece_b0a7, "watcher";
    /// Critical: the file exists.
    pub FILE_IS_THERE: HealthCheckId = 0x9f2c_afb3_cdb8_0b24, "file_is_there";
}

app_core::service! { id: WATCHER, name: "watcher", start: start }

/// Flags of the watcher.
#[derive(Debug, Clone, clap::Args)]
struct WatcherFlags {
    /// The check passes while this file exists
    #[arg(long, value_name = "FILE", default_value = "healthy")]
    file: PathBuf,
    /// Interval of the check in milliseconds
    #[arg(long, value_name = "N", default_value = "1000", value_parser = args::number(10..=u64::MAX))]
    interval_millis: u64,
}

app_core::flag_group! { WatcherFlags }

// A start function is async, whether it waits for something or not.
#[allow(clippy::unused_async, reason = "the kernel calls async functions")]
async fn start(service: Service, flags: Flag<WatcherFlags>, health: Dep<HealthChecks>) -> Result<(), Error> {
    let spec = HealthCheckSpec::new(FILE_IS_THERE)
        .interval(Duration::from_millis(flags.interval_millis))
        .failure_threshold(3)
        .success_threshold(2)
        .description(
            "The file exists. The check fails after three failures in a row and passes after two successes.",
        )
        .critical();
    let file = flags.file.clone();
    health.register(&service, spec, move |_cancelled| {
        let file = file.clone();
        async move { std::fs::metadata(file).map(drop) }
    })
}
