//! A process of `tokio-graceful-shutdown` with subsystems that wait for their end. It has no log and no HTTP.

use std::{env, error::Error, io::Write, time::Duration};

use tokio_graceful_shutdown::{SubsystemBuilder, SubsystemHandle, Toplevel};

type Failure = Box<dyn Error + Send + Sync>;

async fn waits(subsystem: &mut SubsystemHandle) -> Result<(), Failure> {
    subsystem.on_shutdown_requested().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let top = Toplevel::new(async |top: &mut SubsystemHandle| {
        let count = env::var("BENCH_SERVICES").ok().and_then(|count| count.parse::<u64>().ok());
        for i in 0..count.unwrap_or_default() {
            top.start(SubsystemBuilder::new(format!("idle-{i}"), waits));
        }
        let _ = writeln!(std::io::stderr(), "ready");
        top.on_shutdown_requested().await;
    });
    Ok(top.catch_signals().handle_shutdown_requests(Duration::from_secs(10)).await?)
}
