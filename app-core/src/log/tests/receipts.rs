//! The receipts of an audit log.

use std::io::{self, ErrorKind, Write};
use std::sync::mpsc;

use futures_util::FutureExt;
use slog::info;
use tokio::time::timeout;

use super::super::queue::CAPACITY_BYTES;
use super::{DEADLINE, QUOTA, identity};
use crate::log::{Log, LogFormat, LogLevel};

/// A sink that waits for a message before each write, and fails once the sender is dropped.
struct Guided(mpsc::Receiver<()>);

impl Write for Guided {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.recv().map_or(Err(ErrorKind::BrokenPipe.into()), |()| Ok(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn guided() -> (Log, mpsc::Sender<()>) {
    let (go_on, waits) = mpsc::channel();
    let log = Log::to_writer(&identity(), LogFormat::Json, LogLevel::Error, Box::new(Guided(waits))).unwrap();
    (log, go_on)
}

#[tokio::test]
async fn a_receipt_is_true_once_the_record_has_left_and_not_before() {
    let (log, go_on) = guided();
    let audit = log.audit(QUOTA, "quota");
    let mut receipt = audit.write(|log| info!(log, "below the level, and still written"));
    assert_eq!((&mut receipt).now_or_never(), None);
    go_on.send(()).unwrap();
    assert!(timeout(DEADLINE, receipt).await.unwrap());
    assert_eq!(log.dropped(), 0);
}

#[tokio::test]
async fn a_receipt_is_false_when_the_sink_fails() {
    let (log, go_on) = guided();
    let audit = log.audit(QUOTA, "quota");
    let receipt = audit.write(|log| info!(log, "lost"));
    drop(go_on);
    assert!(!timeout(DEADLINE, receipt).await.unwrap());
    assert!(log.flush(DEADLINE));
    assert_eq!(log.dropped(), 1);
}

#[tokio::test]
async fn a_record_that_finds_the_queue_full_is_refused_at_once() {
    let (log, go_on) = guided();
    let audit = log.audit(QUOTA, "quota");
    let text = "x".repeat(10_000);
    let first = audit.write(|log| info!(log, "{text}"));
    // The writer has one batch, and the queue takes as much again.
    let all = (0..3 * CAPACITY_BYTES / text.len()).map(|_| audit.write(|log| info!(log, "{text}")));
    let refused = all.map(super::super::Receipt::is_refused).filter(|refused| *refused).count();
    assert!(refused > 0);
    assert_eq!(log.dropped(), refused as u64);
    drop(go_on);
    assert!(!timeout(DEADLINE, first).await.unwrap());
}

#[tokio::test]
async fn a_receipt_without_a_record_is_false() {
    let (log, _go_on) = guided();
    assert!(!log.audit(QUOTA, "quota").write(|_| {}).await);
}
