//! A client's socket, with the deadlines for writing that hyper does not have, and what the connection is busy with.

use super::Limits;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// What a connection is doing, for whoever has to choose one to close.
///
/// `Relaxed` throughout: the choice is a guess that may be late by a moment, and nothing else is read through it.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    phase: AtomicU8,
    /// Milliseconds after `began`.
    waiting_since: AtomicU64,
}

/// Waits for its client: for a request, or for the rest of one.
const WAITING: u8 = 0;
const HANDLING: u8 = 1;
const WRITING: u8 = 2;

impl Activity {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), phase: AtomicU8::new(WAITING), waiting_since: AtomicU64::new(0) }
    }

    pub(super) fn handling(&self) {
        self.phase.store(HANDLING, Ordering::Relaxed);
    }

    pub(super) fn writing(&self) {
        self.phase.store(WRITING, Ordering::Relaxed);
    }

    /// Since when it has been waiting for its client, if it does.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let waits = self.phase.load(Ordering::Relaxed) == WAITING;
        let since = self.waiting_since.load(Ordering::Relaxed);
        waits.then(|| self.began + std::time::Duration::from_millis(since))
    }

    /// All that was to be written has been.
    fn written(&self) {
        if self.phase.load(Ordering::Relaxed) == WRITING {
            let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.waiting_since.store(since, Ordering::Relaxed);
            self.phase.store(WAITING, Ordering::Relaxed);
        }
    }
}

/// A socket that gives up on a client which does not take what is written to it.
pub(super) struct Stream {
    io: TokioIo<TcpStream>,
    limits: Limits,
    activity: Arc<Activity>,
    /// Since when the client has taken nothing; `None` while it takes.
    stalled: Option<Instant>,
    /// Since when there has been more to write than the client took.
    behind: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, limits: Limits, activity: Arc<Activity>) -> Self {
        Self { io: TokioIo::new(socket), limits, activity, stalled: None, behind: None, timer: None }
    }

    /// What came of an attempt to write: passed on, unless it has to wait and has waited too long.
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

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(context, buffer);
        self.attempted(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(context, buffers);
        self.attempted(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(context))?;
        self.behind = None;
        self.activity.written();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
