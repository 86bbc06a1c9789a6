//! Two processes of `foundations` with its log and its telemetry server. One has tasks that wait for the end. The other one logs a
//! number of records for each line that it reads, and prints the nanoseconds of one record.

use std::{
    env,
    error::Error,
    hint::black_box,
    io::{BufRead, Write},
    time::Instant,
};

use foundations::telemetry::{
    self, TelemetryConfig, log,
    settings::{LogFormat, LogOutput, LoggingSettings, TelemetrySettings},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let records = env::var("BENCH_RECORDS").ok().and_then(|count| count.parse::<u32>().ok());
    let mut terminated = signal(SignalKind::terminate())?;
    let output = match records {
        Some(_) => LogOutput::File("/dev/null".into()),
        None => LogOutput::Stderr,
    };
    let settings = TelemetrySettings {
        logging: LoggingSettings { output, format: LogFormat::Json, ..LoggingSettings::default() },
        ..TelemetrySettings::default()
    };
    let info = foundations::service_info!();
    let config =
        TelemetryConfig { service_info: &info, settings: &settings, custom_server_routes: Vec::new() };
    let driver = telemetry::init(config).map_err(|problem| problem.to_string())?;
    let telemetry = tokio::spawn(driver);
    if let Some(records) = records {
        return log_when_asked(records);
    }
    let (end, tasks) = (CancellationToken::new(), TaskTracker::new());
    let count = env::var("BENCH_SERVICES").ok().and_then(|count| count.parse::<u64>().ok());
    for _ in 0..count.unwrap_or_default() {
        tasks.spawn(end.clone().cancelled_owned());
    }
    tasks.close();
    log::info!("ready");
    terminated.recv().await;
    log::info!("stopping");
    end.cancel();
    tasks.wait().await;
    telemetry.abort();
    Ok(())
}

fn log_when_asked(records: u32) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        line?;
        let began = Instant::now();
        (0..records).for_each(|_| ten_fields());
        writeln!(out, "{}", began.elapsed().as_nanos() as f64 / f64::from(records))?;
    }
    Ok(())
}

fn ten_fields() {
    log::info!("acquired";
        "rule" => black_box("default"),
        "key" => black_box("customer-4711"),
        "permits" => black_box(3_u32),
        "remaining" => black_box(97_u64),
        "granted" => black_box(true),
        "ratio" => black_box(0.97_f64),
        "retry_after" => black_box(-1_i64),
        "peer" => black_box("10.0.0.17:51123"),
        "attempt" => black_box(1_u8),
        "path" => black_box("/v1/quota/acquire"),
    );
}
