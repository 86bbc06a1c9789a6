//! The measured process. It links config, metrics and health, and has a number of other services that wait for their end.

use std::{env, process::ExitCode};

use app_config as _;
use app_core::prelude::*;
use app_health as _;
use app_metrics as _;

ids! {
    /// Makes the services of the measured process.
    pub LOAD: ServiceId = 0xa3d1_5e77_02c4_9b18, "load";
}

app_core::service! { id: LOAD, name: "load", start: start }

async fn start(app: App) -> Result<(), Error> {
    let services = env::var("BENCH_SERVICES").ok().and_then(|count| count.parse::<u64>().ok());
    for i in 0..services.unwrap_or_default() {
        let id = ServiceId::new((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let service = Service::new(&app, id, "idle")?;
        app.register(&service)?;
        let me = service.clone();
        service.spawn("waits", async move { me.dying().await })?;
    }
    Ok(())
}

fn main() -> ExitCode {
    app_core::run()
}
