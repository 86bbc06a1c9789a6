//! The thread `log`: takes lines from the queue and writes them, whatever the sink does.
//!
//! An interrupted write is repeated, a sink that would block is waited for; any other failure costs the
//! records that were not written in full, and later batches are tried again. When a line was cut in the
//! middle, the next write starts on a new one. Once writing works again, one record says how many are missing.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use tokio_util::sync::CancellationToken;

use super::drain;
use super::queue::{Batch, Queue};
use crate::{panics, threads};

/// How long to wait for a sink at a time, before looking whether anybody still wants the records.
const WAIT_SLICE: Duration = Duration::from_millis(100);

/// Appends the record that tells of so many dropped records.
pub(super) type DropReport = Box<dyn Fn(u64) -> Vec<u8> + Send>;

/// Where the lines go.
pub(super) enum Sink {
    /// A descriptor, which can be waited for.
    File(File),
    /// Anything else.
    Writer(Box<dyn Write + Send>),
}

impl Sink {
    /// Standard error under a descriptor of its own, so that std's lock on it is never held.
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

/// Starts the thread. It ends when the queue is closed and empty.
pub(super) fn spawn(
    queue: Arc<Queue>,
    sink: Sink,
    report: DropReport,
    died: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let writer = LogWriter { queue, sink, report, cut_in_line: false, reported: 0 };
    threads::spawn_thread("log", move || writer.run(died))
}

/// Tells the end of the thread, also that by a panic.
struct TellEnd {
    queue: Arc<Queue>,
    died: CancellationToken,
}

impl Drop for TellEnd {
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
    /// The last write ended in the middle of a line.
    cut_in_line: bool,
    /// So many drops were told of.
    reported: u64,
}

impl LogWriter {
    fn run(mut self, died: CancellationToken) {
        // Whatever the sink logs would come back to it for ever.
        drain::refuse_records_of_this_thread();
        let _end = TellEnd { queue: Arc::clone(&self.queue), died };
        let mut batch = Batch::default();
        while let Some(next) = self.queue.next(batch) {
            batch = next;
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
                self.reported = dropped;
            }
        }
    }

    /// How many of `bytes` were written before the sink failed.
    fn write(&mut self, bytes: &[u8]) -> usize {
        if self.cut_in_line {
            if self.write_some(b"\n") == 0 {
                return 0;
            }
            self.cut_in_line = false;
        }
        let mut written = self.write_some(bytes);
        if !self.flushed() {
            // Who knows how much of it is lost: count it all as such.
            self.cut_in_line = true;
            return 0;
        }
        if written < bytes.len() {
            self.cut_in_line = written > 0 && bytes[written - 1] != b'\n';
            // A line that lacks only its end is there: the next write brings the end.
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
    async fn a_panic_of_the_thread_is_told_to_the_kernel() {
        let queue = Arc::new(Queue::bounded(100));
        let died = CancellationToken::new();
        let report: DropReport = Box::new(|_| std::panic::panic_any("on purpose"));
        // What does not fit is dropped, and telling so panics.
        queue.submit(&[b'x'; 200], LogLevel::Info, None);
        queue.submit(b"a line\n", LogLevel::Info, None);
        let writer =
            spawn(Arc::clone(&queue), Sink::Writer(Box::new(io::sink())), report, died.clone()).unwrap();
        died.cancelled().await;
        assert!(writer.join().is_err());
        assert!(queue.stop(std::time::Instant::now()), "nobody waits for it any more");
    }
}
