//! What waits to be written to the peer, in bytes, at most so many.

use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;

/// What is to be done next on the writing side.
pub(super) enum Next {
    /// Write this.
    Write(Vec<u8>),
    /// Nothing waits: see to it that what was written is on its way.
    Flush,
    /// Close, with this result.
    End(capnp::Result<()>, oneshot::Sender<()>),
    /// More waits than may.
    Overflow,
}

/// Messages for the peer, one after another as they go out.
pub(super) struct Outbox {
    pending: Vec<u8>,
    limit_bytes: usize,
    /// Bytes that were put in, ever.
    appended: u64,
    /// Bytes that were written, ever.
    written: u64,
    flushed: bool,
    overflow: bool,
    /// What is put in is not kept: there is nobody to write it to, or it was told to end.
    discards: bool,
    end: Option<(capnp::Result<()>, oneshot::Sender<()>)>,
    writer: Option<Waker>,
}

impl Outbox {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            pending: Vec::new(),
            limit_bytes,
            appended: 0,
            written: 0,
            flushed: true,
            overflow: false,
            discards: false,
            end: None,
            writer: None,
        }
    }

    /// Puts a message in. Beyond the limit nothing is put in any more, and the connection ends.
    pub(super) fn push(&mut self, segments: &[&[u8]]) {
        let before = self.pending.len();
        let bytes: usize = segments.iter().map(|segment| segment.len()).sum();
        if self.discards {
            return;
        }
        if self.queued() + bytes > self.limit_bytes {
            self.overflow = true;
            self.discards = true;
        } else {
            crate::framing::encode(segments, &mut self.pending);
            self.appended += (self.pending.len() - before) as u64;
        }
        self.wake();
    }

    /// Bytes that wait, those included that are being written.
    pub(super) fn queued(&self) -> usize {
        usize::try_from(self.appended - self.written).unwrap_or(usize::MAX)
    }

    /// Whether so much waits that the peer is not read until it has read.
    pub(super) fn congested(&self) -> bool {
        self.queued() > self.limit_bytes / 2
    }

    /// Bytes put in, and bytes written, ever.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.appended, self.written)
    }

    pub(super) fn written(&mut self, bytes: usize) {
        // More than was put in would be what was forgotten in the meantime.
        self.written = (self.written + bytes as u64).min(self.appended);
        self.flushed = false;
    }

    pub(super) fn flushed(&mut self) {
        self.flushed = true;
    }

    /// Closes the writing side once what waits is written.
    pub(super) fn end(&mut self, result: capnp::Result<()>) -> oneshot::Receiver<()> {
        let (ended, end) = oneshot::channel();
        self.end.get_or_insert((result, ended));
        self.wake();
        end
    }

    /// There is nobody to write to: what waits is forgotten, and what comes as well.
    pub(super) fn discard(&mut self) {
        self.discards = true;
        self.pending = Vec::new();
        self.written = self.appended;
        self.flushed = true;
    }

    pub(super) fn poll_next(&mut self, context: &Context<'_>) -> Poll<Next> {
        if std::mem::take(&mut self.overflow) {
            return Poll::Ready(Next::Overflow);
        }
        if !self.pending.is_empty() {
            return Poll::Ready(Next::Write(std::mem::take(&mut self.pending)));
        }
        if !self.flushed {
            return Poll::Ready(Next::Flush);
        }
        if let Some((result, ended)) = self.end.take() {
            self.discards = true;
            return Poll::Ready(Next::End(result, ended));
        }
        self.writer = Some(context.waker().clone());
        Poll::Pending
    }

    fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

#[cfg(test)]
mod tests;
