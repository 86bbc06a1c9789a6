//! Records at a rate that is to lose none, and more than the sink takes: what is lost is counted, each one.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    OURS,
    loggers::{Ours, ten_fields},
};
use crate::{
    driver::Rows,
    report::{Figure, Row},
    rounds::Failure,
};

/// Records a second of which none is lost, on a sink that takes them: what the documentation of `app_core::Log` says.
const RATE: u64 = 100_000;
const SECONDS: u64 = 3;
/// Far more than the buffer holds.
const FLOOD: u64 = 200_000;
const DEADLINE: Duration = Duration::from_secs(10);

/// What arrived.
#[derive(Default)]
struct Arrived {
    lines: AtomicU64,
    bytes: AtomicU64,
}

/// Counts what arrives, and takes its time for each call.
struct Sink {
    arrived: Arc<Arrived>,
    pause: Duration,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        thread::sleep(self.pause);
        // The line that tells of lost ones is not one of those that were logged.
        let logged = |line: &&[u8]| contains(line, b"\"acquired\"");
        for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(logged) {
            self.arrived.lines.fetch_add(1, Relaxed);
            self.arrived.bytes.fetch_add(line.len() as u64, Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn contains(line: &[u8], text: &[u8]) -> bool {
    line.windows(text.len()).any(|part| part == text)
}

pub(crate) fn rows(rows: &mut Rows) -> Result<(), Failure> {
    rows.begin("records at a rate");
    let mut size = Figure::new(OURS);
    let lost = one(|| {
        let (lost, bytes_each) = at_a_rate()?;
        size = one(|| Ok(bytes_each));
        Ok(lost as f64)
    });
    let work = format!("records lost of {} a second for {SECONDS} s", RATE);
    rows.add(Row::new(work, "", vec![lost]).target(0.0));
    rows.add(Row::new("size of one of those", "bytes", vec![size]));
    rows.begin("a flood of records");
    let mut difference = Figure::new(OURS);
    let lost = one(|| {
        let (lost, counted) = flood()?;
        difference = one(|| Ok(lost.abs_diff(counted) as f64));
        Ok(lost as f64)
    });
    let work = format!("{FLOOD} records at once to a sink that is slow: lost");
    rows.add(Row::new(work, "", vec![lost]));
    rows.add(Row::new("of those, not counted, or counted and not lost", "", vec![difference]).target(0.0));
    Ok(())
}

fn one(measure: impl FnOnce() -> Result<f64, Failure>) -> Figure {
    match measure() {
        Ok(figure) => Figure { rounds: vec![Some(figure)], ..Figure::new(OURS) },
        Err(failure) => Figure { failed: Some(failure.to_string()), ..Figure::new(OURS) },
    }
}

/// How many did not arrive, and the mean size of those that did.
fn at_a_rate() -> Result<(u64, f64), Failure> {
    let arrived = Arc::new(Arrived::default());
    let ours = Ours::on(Box::new(Sink { arrived: Arc::clone(&arrived), pause: Duration::ZERO }))?;
    let began = Instant::now();
    for millisecond in 1..=SECONDS * 1_000 {
        (0..RATE / 1_000).for_each(|_| ten_fields(&ours.logger));
        let next = began + Duration::from_millis(millisecond);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    if !ours.log().shut_down(DEADLINE) {
        return Err(format!("not written within {DEADLINE:?}").into());
    }
    let lines = arrived.lines.load(Relaxed);
    Ok((RATE * SECONDS - lines, arrived.bytes.load(Relaxed) as f64 / lines as f64))
}

/// How many did not arrive, and how many the log says that it dropped.
fn flood() -> Result<(u64, u64), Failure> {
    let arrived = Arc::new(Arrived::default());
    let sink = Sink { arrived: Arc::clone(&arrived), pause: Duration::from_millis(50) };
    let ours = Ours::on(Box::new(sink))?;
    (0..FLOOD).for_each(|_| ten_fields(&ours.logger));
    if !ours.log().shut_down(DEADLINE) {
        return Err(format!("not written within {DEADLINE:?}").into());
    }
    Ok((FLOOD - arrived.lines.load(Relaxed), ours.log().dropped()))
}
