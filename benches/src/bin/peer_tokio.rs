//! The baseline of a process: a runtime with tasks that wait for the end, and SIGTERM. It has no log, no HTTP and no names.

use std::{env, io::Write};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let (end, tasks) = (CancellationToken::new(), TaskTracker::new());
    let count = env::var("BENCH_SERVICES").ok().and_then(|count| count.parse::<u64>().ok());
    for _ in 0..count.unwrap_or_default() {
        tasks.spawn(end.clone().cancelled_owned());
    }
    tasks.close();
    writeln!(std::io::stderr(), "ready")?;
    terminated.recv().await;
    end.cancel();
    tasks.wait().await;
    Ok(())
}
