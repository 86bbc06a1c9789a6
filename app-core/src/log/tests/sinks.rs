//! Sinks that are full, closed, slow or blocked: the caller never waits, and every record is counted.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use slog::info;

use super::super::queue::CAPACITY_BYTES;
use super::{DEADLINE, identity};
use crate::log::{Log, LogFormat, LogLevel, LogRecordLimit};

/// A sink that fails as a test tells it to, and keeps what was written.
#[derive(Clone, Default)]
pub(super) struct TestSink(Arc<Mutex<SinkState>>);

#[derive(Default)]
struct SinkState {
    bytes: Vec<u8>,
    /// The error of a write without `room`. `None` for a sink that works.
    failure: Option<ErrorKind>,
    /// How many more bytes the sink takes before `failure`.
    room: usize,
    /// The errors of the first writes, last one first.
    first: Vec<ErrorKind>,
}

impl TestSink {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().bytes.clone()).unwrap()
    }

    fn fail(&self, kind: ErrorKind, room: usize) {
        let mut state = self.0.lock();
        state.failure = Some(kind);
        state.room = room;
    }

    fn recover(&self) {
        self.0.lock().failure = None;
    }

    /// The complete lines.
    fn records(&self) -> Vec<serde_json::Value> {
        self.text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn messages(&self) -> Vec<String> {
        self.records().iter().filter_map(|record| record["message"].as_str().map(str::to_owned)).collect()
    }
}

impl Write for TestSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if let Some(kind) = state.first.pop() {
            return Err(kind.into());
        }
        let Some(kind) = state.failure else {
            state.bytes.extend_from_slice(bytes);
            return Ok(bytes.len());
        };
        let taken = bytes.len().min(state.room);
        if taken == 0 {
            return Err(kind.into());
        }
        state.room -= taken;
        state.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn to(writer: impl Write + Send + 'static) -> Log {
    Log::to_writer(&identity(), LogFormat::Json, LogLevel::Info, Box::new(writer)).unwrap()
}

#[test]
fn everything_arrives_in_order_in_a_sink_that_works() {
    let sink = TestSink::default();
    let log = to(sink.clone());
    let logger = log.logger();
    for number in 0..1000 {
        info!(logger, "{number}");
    }
    slog::error!(logger, "last");
    assert!(log.flush(Duration::MAX));
    let expected: Vec<String> =
        (0..1000).map(|number| number.to_string()).chain(["last".to_owned()]).collect();
    assert_eq!(sink.messages(), expected);
    assert_eq!((log.written(LogLevel::Info), log.written(LogLevel::Error), log.dropped()), (1000, 1, 0));
    assert!(log.shut_down(DEADLINE));
}

#[test]
fn a_full_sink_costs_exactly_the_records_not_written_and_says_so_when_it_recovers() {
    let sink = TestSink::default();
    let log = to(sink.clone());
    let logger = log.logger();
    info!(logger, "whole");
    assert!(log.flush(DEADLINE));
    let line_bytes = sink.text().len();
    // Room for one and a half lines.
    sink.fail(ErrorKind::StorageFull, line_bytes + line_bytes / 2);
    for _ in 0..10 {
        info!(logger, "whole");
    }
    assert!(log.flush(DEADLINE));
    assert_eq!(log.written(LogLevel::Info), 2);
    assert_eq!(log.dropped(), 9);

    sink.recover();
    info!(logger, "works again");
    assert!(log.flush(DEADLINE));
    // The cut line does not parse, so it is missing here. The line after it is complete.
    assert_eq!(sink.messages(), ["whole", "whole", "works again", "log records dropped"]);
    assert_eq!(sink.text().lines().count(), 5);
    let report: serde_json::Value = serde_json::from_str(sink.text().lines().last().unwrap()).unwrap();
    assert_eq!((&report["dropped"], &report["level"]), (&serde_json::json!(9), &serde_json::json!("warn")));
    assert_eq!(report["domain"], "d0");
    assert_eq!(log.written(LogLevel::Info) + log.dropped(), 12);
    assert!(log.shut_down(DEADLINE));
    assert_eq!(sink.text().lines().count(), 5, "the loss is reported once");
}

#[test]
fn a_line_that_lacks_only_its_end_counts_as_written() {
    let sink = TestSink::default();
    let log = to(sink.clone());
    info!(log.logger(), "whole");
    assert!(log.flush(DEADLINE));
    sink.fail(ErrorKind::StorageFull, sink.text().len() - 1);
    info!(log.logger(), "whole");
    assert!(log.flush(DEADLINE));
    assert_eq!((log.written(LogLevel::Info), log.dropped()), (2, 0));
    sink.recover();
    info!(log.logger(), "next");
    assert!(log.shut_down(DEADLINE));
    assert_eq!(sink.messages(), ["whole", "whole", "next"]);
}

#[test]
fn a_closed_sink_does_not_end_the_log() {
    let sink = TestSink::default();
    sink.fail(ErrorKind::BrokenPipe, 0);
    let log = to(sink.clone());
    for _ in 0..100 {
        info!(log.logger(), "lost");
        assert!(log.flush(DEADLINE));
    }
    assert_eq!(log.dropped(), 100);
    sink.recover();
    info!(log.logger(), "found");
    assert!(log.shut_down(DEADLINE));
    assert_eq!(sink.messages(), ["found", "log records dropped"]);
}

#[test]
fn interrupted_and_non_blocking_writes_lose_nothing() {
    let sink = TestSink::default();
    sink.0.lock().first = vec![ErrorKind::Interrupted, ErrorKind::WouldBlock, ErrorKind::Interrupted];
    let log = to(sink.clone());
    info!(log.logger(), "patient");
    assert!(log.flush(DEADLINE));
    assert_eq!(sink.messages(), ["patient"]);
    assert_eq!(log.dropped(), 0);
}

#[test]
fn a_pipe_that_is_full_and_does_not_block_is_waited_for() {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use std::io::Read;

    let (mut reader, writer) = io::pipe().unwrap();
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let sink = super::super::writer::Sink::File(std::fs::File::from(std::os::fd::OwnedFd::from(writer)));
    let log = Log::with_sink(
        &identity(),
        super::super::LogStyle::of(super::super::TextStyle::Json),
        LogLevel::Info,
        sink,
    )
    .unwrap();
    let logger = log.logger();
    // More than a pipe holds, but less than the queue holds.
    for _ in 0..2000 {
        info!(logger, "through a narrow pipe"; "padding" => "x".repeat(100));
    }
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    assert!(log.shut_down(DEADLINE));
    drop((log, logger));
    assert_eq!(reading.join().unwrap().lines().count(), 2000);
}

/// A sink that reports each write, and blocks in it until it gets a message.
struct Blocked {
    entered: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
    sink: TestSink,
}

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.entered.send(());
        // Returns at once after the test has dropped the sender.
        let _ = self.go_on.recv();
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn blocked() -> (Log, TestSink, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let sink = TestSink::default();
    let (entered, has_entered) = mpsc::channel();
    let (say_go_on, go_on) = mpsc::channel();
    let log = to(Blocked { entered, go_on, sink: sink.clone() });
    (log, sink, has_entered, say_go_on)
}

#[test]
fn a_blocked_sink_makes_no_caller_wait_and_every_record_is_counted() {
    const RECORDS: u64 = 1_000_000;
    let (log, sink, has_entered, say_go_on) = blocked();
    let logger = log.logger();
    info!(logger, "first");
    has_entered.recv_timeout(DEADLINE).unwrap();
    // The writer is stuck. If `info!` waited for it, this loop would not end.
    for _ in 1..RECORDS {
        info!(logger, "r");
    }
    let dropped = log.dropped();
    assert!(dropped > RECORDS - 2 * CAPACITY_BYTES as u64 / 100, "{dropped}");
    assert!(!log.flush(Duration::from_millis(1)));

    drop(say_go_on);
    assert!(log.flush(DEADLINE));
    assert_eq!(log.dropped(), dropped);
    assert_eq!(log.written(LogLevel::Info) + log.dropped(), RECORDS);
    let messages = sink.messages();
    assert_eq!(messages.len() as u64, log.written(LogLevel::Info) + 1);
    let reported: u64 = sink.records().iter().filter_map(|record| record["dropped"].as_u64()).sum();
    assert_eq!(reported, dropped);
    assert!(log.shut_down(DEADLINE));
}

#[test]
fn shutting_down_on_a_blocked_sink_ends_at_the_deadline() {
    let (log, sink, has_entered, say_go_on) = blocked();
    info!(log.logger(), "in the writer's batch");
    has_entered.recv_timeout(DEADLINE).unwrap();
    info!(log.logger(), "in the queue");
    assert!(!log.shut_down(Duration::from_millis(1)));
    assert_eq!(log.dropped(), 1, "the record in the queue");
    info!(log.logger(), "too late");
    assert_eq!(log.dropped(), 2);

    drop(say_go_on);
    assert!(log.shut_down(DEADLINE), "a second try finds it done");
    assert_eq!(log.written(LogLevel::Info) + log.dropped(), 3);
    assert_eq!(sink.messages().first().unwrap(), "in the writer's batch");
}

#[test]
fn several_threads_lose_only_records_that_are_counted() {
    const EACH: u64 = 50_000;
    let sink = TestSink::default();
    let log = to(sink.clone());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let logger = log.service_logger(app_ids::ServiceId::new(thread + 1), "loud");
            scope.spawn(move || (0..EACH).for_each(|number| info!(logger, "{number}")));
        }
    });
    assert!(log.shut_down(DEADLINE));
    assert_eq!(log.written(LogLevel::Info) + log.dropped(), 4 * EACH);
    let records = sink.messages().iter().filter(|message| *message != "log records dropped").count();
    assert_eq!(records as u64, log.written(LogLevel::Info));
}

#[test]
fn a_sink_that_logs_or_panics_does_not_end_the_log() {
    struct Odd {
        logger: Arc<Mutex<Option<slog::Logger>>>,
        sink: TestSink,
        panics: bool,
    }
    impl Write for Odd {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(logger) = &*self.logger.lock() {
                info!(logger, "from the sink");
                log::warn!("from the sink");
            }
            if std::mem::take(&mut self.panics) {
                panic!("the sink panics");
            }
            self.sink.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let logger = Arc::new(Mutex::new(None));
    let sink = TestSink::default();
    let log = to(Odd { logger: Arc::clone(&logger), sink: sink.clone(), panics: true });
    *logger.lock() = Some(log.logger());
    info!(log.logger(), "lost to the panic");
    assert!(log.flush(DEADLINE));
    info!(log.logger(), "written");
    assert!(log.shut_down(DEADLINE));
    assert_eq!(sink.messages().first().unwrap(), "written");
    assert_eq!(log.written(LogLevel::Info), 1);
    *logger.lock() = None;
}

#[test]
fn the_writer_ends_when_the_last_logger_is_gone() {
    struct Tells(mpsc::Sender<()>, TestSink);
    impl Write for Tells {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (sender, receiver) = mpsc::channel();
    let sink = TestSink::default();
    let log = to(Tells(sender, sink.clone()));
    let logger = log.logger();
    drop(log);
    info!(logger, "still here");
    drop(logger);
    receiver.recv_timeout(DEADLINE).unwrap();
    assert_eq!(sink.messages(), ["still here"]);
}

#[test]
fn a_log_on_standard_error_starts_and_ends() {
    let log =
        Log::to_stderr(&identity(), LogFormat::Auto, LogLevel::Error, LogRecordLimit::default()).unwrap();
    assert!(log.flush(DEADLINE));
    assert!(log.shut_down(DEADLINE));
    assert!(log.shut_down(DEADLINE), "a second call does no harm");
}
