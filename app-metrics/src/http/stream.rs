//! A client's socket with the write deadlines that hyper lacks, and the activity of its connection.

use super::Limits;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// What a connection is doing. Read by its timeouts, and by the choice of a connection to close.
///
/// `Relaxed` throughout: only the connection's own task writes. The choice of a connection to close may be slightly
/// late, and nothing else is published through these values.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    phase: AtomicU8,
    /// Milliseconds since `began`.
    waiting_since: AtomicU64,
    /// When the first byte of the next request arrived, in milliseconds since `began`; [`NOTHING`] before that.
    header_since: AtomicU64,
    /// Whether the bytes that were read last end with a complete header. If so, they contain nothing of the next
    /// request.
    ended_header: AtomicBool,
    /// Whether a request was answered.
    answered: AtomicBool,
}

/// The connection waits for its client: for a request, or for the rest of one.
const WAITING: u8 = 0;
const HANDLING: u8 = 1;
const WRITING: u8 = 2;

/// No byte of the next request has arrived.
const NOTHING: u64 = u64::MAX;

/// What a connection waits for, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// The next request.
    Idle(Instant),
    /// The rest of a header.
    Header(Instant),
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            phase: AtomicU8::new(WAITING),
            waiting_since: AtomicU64::new(0),
            header_since: AtomicU64::new(NOTHING),
            ended_header: AtomicBool::new(true),
            answered: AtomicBool::new(false),
        }
    }

    pub(super) fn handling(&self) {
        self.phase.store(HANDLING, Ordering::Relaxed);
        self.header_since.store(NOTHING, Ordering::Relaxed);
    }

    pub(super) fn writing(&self) {
        self.phase.store(WRITING, Ordering::Relaxed);
    }

    /// What the connection waits for; `None` while it is being answered.
    pub(super) fn wait(&self) -> Option<Wait> {
        let at = |millis| self.began + Duration::from_millis(millis);
        let waits = self.phase.load(Ordering::Relaxed) == WAITING;
        waits.then(|| match self.header_since.load(Ordering::Relaxed) {
            NOTHING => Wait::Idle(at(self.waiting_since.load(Ordering::Relaxed))),
            since => Wait::Header(at(since)),
        })
    }

    /// Since when the connection waits for its client; `None` while it is being answered. A byte that arrives does not
    /// end the wait.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let waits = self.phase.load(Ordering::Relaxed) == WAITING;
        let since = self.waiting_since.load(Ordering::Relaxed);
        waits.then(|| self.began + Duration::from_millis(since))
    }

    /// Whether a request was answered, and no byte of the next one has arrived. Clients expect such a connection to close.
    pub(super) fn is_between_requests(&self) -> bool {
        self.answered.load(Ordering::Relaxed) && matches!(self.wait(), Some(Wait::Idle(_)))
    }

    /// Notes bytes from the client.
    fn read(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.ended_header.store(bytes.ends_with(b"\n\r\n") || bytes.ends_with(b"\n\n"), Ordering::Relaxed);
        let waits = self.phase.load(Ordering::Relaxed) == WAITING;
        if waits && self.header_since.load(Ordering::Relaxed) == NOTHING {
            self.header_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Notes that everything was written.
    fn written(&self) {
        if self.phase.load(Ordering::Relaxed) == WRITING {
            self.answered.store(true, Ordering::Relaxed);
            let now = self.now();
            // A part of the next request may have arrived with the end of this request.
            let header_since = if self.ended_header.load(Ordering::Relaxed) { NOTHING } else { now };
            self.header_since.store(header_since, Ordering::Relaxed);
            self.waiting_since.store(now, Ordering::Relaxed);
            self.phase.store(WAITING, Ordering::Relaxed);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(NOTHING - 1)
    }
}

/// A socket that fails if the client does not take what is written to it.
pub(super) struct Stream {
    socket: TcpStream,
    limits: Limits,
    activity: Arc<Activity>,
    /// Since when the client has taken nothing; `None` while it takes.
    stalled: Option<Instant>,
    /// Since when there is more to write than the client has taken.
    behind: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, limits: Limits, activity: Arc<Activity>) -> Self {
        Self { socket, limits, activity, stalled: None, behind: None, timer: None }
    }

    /// Passes on the result of a write, unless the write has to wait and has waited too long.
    fn attempted<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let now = Instant::now();
        let stalled = *self.stalled.get_or_insert(now) + self.limits.write_stall;
        let behind = *self.behind.get_or_insert(now) + self.limits.write_total;
        let deadline = stalled.min(behind);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take the answer")))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        self.activity.read(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(context, buffer);
        self.attempted(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(context, buffers);
        self.attempted(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(context))?;
        self.behind = None;
        self.activity.written();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
