//! The thread `log`, which takes lines from the queue and writes them to the sink.
//!
//! An interrupted write is repeated, and a sink that would block is waited for. After any other failure, the records that
//! were not written in full are lost, and the next batch is tried. If a line was cut in the middle, the next write starts
//! a new line. Once writing works again, one record says how many are missing.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use tokio_util::sync::CancellationToken;

use super::LogLevel;
use super::drain;
use super::queue::{Batch, Queue};
use super::recent::RecentLines;
use crate::{panics, threads};

/// How long the thread waits for a sink before it checks whether the queue was abandoned.
const WAIT_SLICE: Duration = Duration::from_millis(100);

/// Makes the line that reports a number of dropped records.
pub(super) type DropReport = Box<dyn Fn(u64) -> Vec<u8> + Send>;

/// Where the lines go.
pub(super) enum Sink {
    /// A file descriptor, which can be polled.
    File(File),
    /// Any other writer.
    Writer(Box<dyn Write + Send>),
}

impl Sink {
    /// A duplicate of standard error, so that the standard library's lock is not held while it blocks.
    pub(super) fn stderr() -> io::Result<Self> {
        let stderr = io::stderr().as_fd().try_clone_to_owned()?;
        Ok(Sink::File(File::from(stderr)))
    }

    fn output(&mut self) -> &mut dyn Write {
        match self {
            Sink::File(file) => file,
            Sink::Writer(writer) => writer,
        }
    }

    fn wait_until_writable(&self, queue: &Queue) {
        match self {
            Sink::File(file) => {
                let mut descriptors = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
                let timeout = PollTimeout::try_from(WAIT_SLICE).unwrap_or(PollTimeout::ZERO);
                if nix::poll::poll(&mut descriptors, timeout).is_err() {
                    queue.pause(WAIT_SLICE);
                }
            }
            Sink::Writer(_) => queue.pause(WAIT_SLICE / 10),
        }
    }
}

/// Starts the thread. It ends when the queue is closed and empty. `died` is cancelled if it panics.
pub(super) fn spawn(
    queue: Arc<Queue>,
    sink: Sink,
    report: DropReport,
    recent: Arc<RecentLines>,
    died: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let writer = LogWriter { queue, sink, report, recent, cut_in_line: false, reported: 0 };
    threads::spawn_thread("log", move || writer.run(died))
}

/// Reports the end of the thread in its drop, also after a panic.
struct EndGuard {
    queue: Arc<Queue>,
    died: CancellationToken,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.queue.writer_stopped();
        if thread::panicking() {
            self.died.cancel();
        }
    }
}

struct LogWriter {
    queue: Arc<Queue>,
    sink: Sink,
    report: DropReport,
    recent: Arc<RecentLines>,
    /// Whether the last write ended in the middle of a line.
    cut_in_line: bool,
    /// How many dropped records were reported so far.
    reported: u64,
}

impl LogWriter {
    fn run(mut self, died: CancellationToken) {
        // Records that the sink logs would come back to the sink for ever.
        drain::refuse_records_of_this_thread();
        let _end = EndGuard { queue: Arc::clone(&self.queue), died };
        let mut batch = Batch::default();
        while let Some(next) = self.queue.next(batch) {
            batch = next;
            // Before the write, which may block or fail: then the records are at least here.
            self.recent.keep(&batch);
            let written = self.write(&batch.bytes);
            self.queue.count(&mut batch, written);
            if written == batch.bytes.len() {
                self.report_drops();
            }
            self.queue.finish(&batch);
        }
        if !self.queue.is_abandoned() {
            self.report_drops();
        }
    }

    fn report_drops(&mut self) {
        let dropped = self.queue.counters.dropped();
        if dropped > self.reported {
            let line = (self.report)(dropped - self.reported);
            if self.write(&line) == line.len() {
                self.recent.keep_line(&line, LogLevel::Warn.into());
                self.reported = dropped;
            }
        }
    }

    /// Writes `bytes`. Returns how many of them were written before the sink failed.
    fn write(&mut self, bytes: &[u8]) -> usize {
        if self.cut_in_line {
            if self.write_some(b"\n") == 0 {
                return 0;
            }
            self.cut_in_line = false;
        }
        let mut written = self.write_some(bytes);
        if !self.flushed() {
            // Any part may be lost, so all of it counts as lost.
            self.cut_in_line = true;
            return 0;
        }
        if written < bytes.len() {
            self.cut_in_line = written > 0 && bytes[written - 1] != b'\n';
            // A line that only lacks its line break counts as written: the next write adds the line break.
            written += usize::from(self.cut_in_line && bytes[written] == b'\n');
        }
        written
    }

    fn write_some(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            let output = self.sink.output();
            match panics::quietly(|| output.write(&bytes[written..])) {
                Ok(Ok(0)) | Err(_) => break,
                Ok(Ok(more)) => written = bytes.len().min(written + more),
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Ok(Err(error)) if error.kind() == ErrorKind::WouldBlock && !self.queue.is_abandoned() => {
                    self.sink.wait_until_writable(&self.queue);
                }
                Ok(Err(_)) => break,
            }
        }
        written
    }

    fn flushed(&mut self) -> bool {
        loop {
            let output = self.sink.output();
            match panics::quietly(|| output.flush()) {
                Ok(Ok(())) => return true,
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Ok(Err(error)) if error.kind() == ErrorKind::WouldBlock && !self.queue.is_abandoned() => {
                    self.sink.wait_until_writable(&self.queue);
                }
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogLevel;

    #[tokio::test]
    async fn a_panic_of_the_thread_is_reported() {
        let queue = Arc::new(Queue::bounded(100));
        let died = CancellationToken::new();
        let report: DropReport = Box::new(|_| std::panic::panic_any("on purpose"));
        // The first line does not fit. It is dropped, and the report of that panics.
        queue.submit(&[b'x'; 200], LogLevel::Info, None);
        queue.submit(b"a line\n", LogLevel::Info, None);
        let recent = Arc::new(RecentLines::new());
        let writer =
            spawn(Arc::clone(&queue), Sink::Writer(Box::new(io::sink())), report, recent, died.clone())
                .unwrap();
        died.cancelled().await;
        assert!(writer.join().is_err());
        assert!(queue.stop(std::time::Instant::now()), "a stop does not wait for a dead writer");
    }
}
