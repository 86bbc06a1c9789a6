//! The cost of scraping very many series, and its effect on other tasks.
//!
//! `cargo run --release -p app-metrics --example scrapes` prints the table. The scraped application has one thread with
//! a task that does nothing but yield. The column "pause" is the longest time during a scrape in which that task did
//! not run. The column "memory" is what 512 clients add that ask for a scrape and take nothing of it.
#![expect(clippy::print_stdout, reason = "its output is the table")]

use app_core::prelude::*;
use app_core::testing::TestApp;
use app_metrics::{GaugeVectorSpec, METRICS_SERVICE_ID, Metrics};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Instant;
use std::{error, fs, thread};
use tokio::sync::oneshot;

type Failure = Box<dyn error::Error + Send + Sync>;

const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
const CLIENTS: usize = 512;

/// A scrape as its client and the other tasks see it.
struct Scrape {
    bytes: usize,
    took: Duration,
    longest_pause: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    println!(
        "| series | coding | bytes | time, ms | longest pause of others, ms | memory of {CLIENTS} clients, MB |"
    );
    println!("|---|---|---|---|---|---|");
    for series in [1_000, 10_000, 100_000, 1_000_000] {
        let app = TestApp::with([METRICS_SERVICE_ID]).await;
        let metrics = app.get::<Metrics>();
        fill(&metrics, series)?;
        let port = metrics.bound_address().ok_or("no HTTP server")?.port();
        let before = resident()?.now;
        for (coding, header) in [("none", ""), ("gzip", "accept-encoding: gzip\r\n")] {
            let Scrape { bytes, took, longest_pause } = scrape(port, header).await?;
            let memory = highest_with_clients(port, header).await?.saturating_sub(before) / 1024;
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            println!(
                "| {series} | {coding} | {bytes} | {:.1} | {:.1} | {memory} |",
                ms(took),
                ms(longest_pause)
            );
        }
        app.stop().await.expect_clean();
    }
    Ok(())
}

fn fill(metrics: &Metrics, series: usize) -> Result<(), Error> {
    let spec = GaugeVectorSpec::new(SERVICE, MetricId::new(1), "Scraped.", ["rule", "outcome"]);
    let gauges = metrics.gauge_vector(spec.max_series(series))?;
    for rule in 0..series {
        gauges.with([&rule.to_string(), "granted"])?.set(rule as f64);
    }
    Ok(())
}

fn ask(port: u16, header: &str) -> Result<TcpStream, Failure> {
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    write!(client, "GET /metrics HTTP/1.1\r\nhost: x\r\n{header}connection: close\r\n\r\n")?;
    Ok(client)
}

async fn scrape(port: u16, header: &'static str) -> Result<Scrape, Failure> {
    let (done, mut scraped) = oneshot::channel();
    thread::spawn(move || {
        let _ = done.send(take_all(port, header));
    });
    let (mut last, mut longest_pause) = (Instant::now(), Duration::ZERO);
    loop {
        tokio::task::yield_now().await;
        longest_pause = longest_pause.max(last.elapsed());
        last = Instant::now();
        match scraped.try_recv() {
            Ok(taken) => return taken.map(|(bytes, took)| Scrape { bytes, took, longest_pause }),
            Err(oneshot::error::TryRecvError::Empty) => {}
            Err(gone) => return Err(gone.into()),
        }
    }
}

fn take_all(port: u16, header: &str) -> Result<(usize, Duration), Failure> {
    let began = Instant::now();
    let mut client = ask(port, header)?;
    let (mut bytes, mut chunk) = (0, vec![0; 1 << 20]);
    loop {
        match client.read(&mut chunk)? {
            0 => return Ok((bytes, began.elapsed())),
            read => bytes += read,
        }
    }
}

/// A value of the process in kilobytes.
struct Resident {
    now: u64,
    highest: u64,
}

fn resident() -> Result<Resident, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kilobytes = |field: &str| -> Result<u64, Failure> {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    };
    Ok(Resident { now: kilobytes("VmRSS:")?, highest: kilobytes("VmHWM:")? })
}

/// The highest resident set while these clients are connected.
async fn highest_with_clients(port: u16, header: &'static str) -> Result<u64, Failure> {
    // Resets the peak (proc(5)).
    fs::write("/proc/self/clear_refs", "5")?;
    let ask_all = move || (0..CLIENTS).map(|_| ask(port, header)).collect::<Result<Vec<_>, _>>();
    let clients = tokio::task::spawn_blocking(ask_all).await??;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let Resident { highest, .. } = resident()?;
    drop(clients);
    Ok(highest)
}
