//! Records at a rate that must lose none, and at a rate above that of the sink. Every lost record must be counted.

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
    loggers::{PlatformLog, ten_fields},
};
use crate::{
    report::{Figure, Row},
    rounds::Failure,
    rows::Rows,
};

/// Records a second without a loss, if the sink is fast enough. The documentation of `app_core::Log` promises this rate.
const RATE: u64 = 100_000;
const SECONDS: u64 = 3;
/// Far more records than the buffer holds.
const FLOOD: u64 = 200_000;
const DEADLINE: Duration = Duration::from_secs(10);

/// The records that arrived.
#[derive(Default)]
struct Arrived {
    lines: AtomicU64,
    bytes: AtomicU64,
}

/// A sink that counts records and delays each write.
struct Sink {
    arrived: Arc<Arrived>,
    pause: Duration,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        thread::sleep(self.pause);
        // The record about lost records was not logged by the test.
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

/// Number of lost records, and mean size of the others.
fn at_a_rate() -> Result<(u64, f64), Failure> {
    let arrived = Arc::new(Arrived::default());
    let ours = PlatformLog::on(Box::new(Sink { arrived: Arc::clone(&arrived), pause: Duration::ZERO }))?;
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

/// Number of lost records, and number of dropped records in the log.
fn flood() -> Result<(u64, u64), Failure> {
    let arrived = Arc::new(Arrived::default());
    let sink = Sink { arrived: Arc::clone(&arrived), pause: Duration::from_millis(50) };
    let ours = PlatformLog::on(Box::new(sink))?;
    (0..FLOOD).for_each(|_| ten_fields(&ours.logger));
    if !ours.log().shut_down(DEADLINE) {
        return Err(format!("not written within {DEADLINE:?}").into());
    }
    Ok((FLOOD - arrived.lines.load(Relaxed), ours.log().dropped()))
}
