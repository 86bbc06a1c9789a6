//! The bytes that wait to be written to the peer. Their number is limited.

use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;

use super::End;
use super::control::keep;
use super::memory::Credit;

/// With this many bytes, the next write does not wait for more: they fill a TLS record.
const BATCH: usize = 16 * 1024;

/// Bytes that may be charged for waiting output when no memory is left. From half of it on, the peer's messages are not read.
const WITHOUT_MEMORY: usize = 32 * 1024;

/// The largest buffer that stays while nothing waits.
const KEPT: usize = 256;

/// The next step of the writing side.
pub(super) enum Next {
    /// Write this.
    Write(Vec<u8>),
    /// Nothing waits. Flush the bytes that were written.
    Flush,
    /// Close, with this result.
    End(capnp::Result<()>, oneshot::Sender<()>),
    /// More bytes wait than allowed, or than there is memory for.
    Overflow(End),
}

/// Encoded messages for the peer, in order.
pub(super) struct Outbox {
    pending: Vec<u8>,
    credit: Rc<Credit>,
    /// Bytes charged for pending output, and for the output that is being written.
    charged: usize,
    writing: usize,
    /// Whether there was no memory for a part of the waiting output.
    is_short: bool,
    limit_bytes: usize,
    /// All bytes that were queued.
    appended: u64,
    /// All bytes that were written.
    written: u64,
    flushed: bool,
    overflow: Option<End>,
    /// Whether new messages are dropped, because the stream is gone or has to end.
    discards: bool,
    end: Option<(capnp::Result<()>, oneshot::Sender<()>)>,
    writer: Option<Waker>,
    /// Whether other ready tasks have run since the last write.
    waited: bool,
}

impl Outbox {
    pub(super) fn new(limit_bytes: usize, credit: Rc<Credit>) -> Self {
        Self {
            pending: Vec::new(),
            credit,
            charged: 0,
            writing: 0,
            is_short: false,
            limit_bytes,
            appended: 0,
            written: 0,
            flushed: true,
            overflow: None,
            discards: false,
            end: None,
            writer: None,
            waited: false,
        }
    }

    /// Queues a message. Beyond the limit the connection ends, and nothing more is queued.
    pub(super) fn push(&mut self, segments: &[&[u8]]) {
        let before = self.pending.len();
        let bytes: usize = segments.iter().map(|segment| segment.len()).sum();
        if self.discards {
            return;
        }
        if self.queued() + bytes > self.limit_bytes {
            self.overflow = Some(End::NotReading);
            self.discards = true;
        } else if !self.charge(room(segments, bytes)) {
            self.overflow = Some(End::TooMuchMemory);
            self.discards = true;
        } else {
            crate::framing::encode(segments, &mut self.pending);
            self.appended += (self.pending.len() - before) as u64;
        }
        self.wake();
    }

    /// Charges a message. A little may wait even without memory, because the refusal of a call is an answer too.
    fn charge(&mut self, bytes: usize) -> bool {
        if !self.credit.charge(bytes) {
            if self.charged() + bytes > WITHOUT_MEMORY {
                return false;
            }
            self.credit.overdraw(bytes);
            self.is_short = true;
        }
        self.charged += bytes;
        true
    }

    /// Bytes that wait, including those that are being written.
    pub(super) fn queued(&self) -> usize {
        usize::try_from(self.appended - self.written).unwrap_or(usize::MAX)
    }

    /// Whether too many bytes wait. Then the peer's messages are not read until the peer has read some.
    pub(super) fn congested(&self) -> bool {
        self.queued() > self.limit_bytes / 2 || (self.is_short && self.charged() > WITHOUT_MEMORY / 2)
    }

    /// All bytes that were queued, and all that were written.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.appended, self.written)
    }

    pub(super) fn written(&mut self, bytes: usize) {
        // Bytes that were discarded in the meantime count as written already.
        self.written = (self.written + bytes as u64).min(self.appended);
        self.flushed = false;
    }

    pub(super) fn flushed(&mut self) {
        self.flushed = true;
    }

    /// Closes the writing side when all waiting bytes are written.
    pub(super) fn end(&mut self, result: capnp::Result<()>) -> oneshot::Receiver<()> {
        let (ended, end) = oneshot::channel();
        self.end.get_or_insert((result, ended));
        self.wake();
        end
    }

    /// Drops all waiting bytes and all that come, because the stream is gone.
    pub(super) fn discard(&mut self) {
        self.discards = true;
        self.pending = Vec::new();
        self.credit.refund(std::mem::take(&mut self.charged));
        self.is_short = false;
        self.written = self.appended;
        self.flushed = true;
    }

    /// The next step. A small output waits while `more_comes`, and then lets other ready tasks run once. Each write costs a system
    /// call and a TLS record, so larger writes are cheaper.
    pub(super) fn poll_next(&mut self, more_comes: bool, context: &Context<'_>) -> Poll<Next> {
        if let Some(end) = self.overflow.take() {
            return Poll::Ready(Next::Overflow(end));
        }
        if !self.pending.is_empty() {
            if self.pending.len() < BATCH && self.end.is_none() {
                if more_comes {
                    keep(&mut self.writer, context);
                    return Poll::Pending;
                }
                if !std::mem::replace(&mut self.waited, true) {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            self.waited = false;
            self.writing += std::mem::take(&mut self.charged);
            return Poll::Ready(Next::Write(std::mem::take(&mut self.pending)));
        }
        if !self.flushed {
            return Poll::Ready(Next::Flush);
        }
        if let Some((result, ended)) = self.end.take() {
            self.discards = true;
            return Poll::Ready(Next::End(result, ended));
        }
        keep(&mut self.writer, context);
        Poll::Pending
    }

    /// Returns the buffer that was written. It is used again if it is small, so that an idle connection keeps little memory.
    pub(super) fn reuse(&mut self, mut bytes: Vec<u8>) {
        self.credit.refund(std::mem::take(&mut self.writing));
        self.is_short &= self.charged > 0;
        if self.pending.capacity() == 0 && bytes.capacity() <= KEPT {
            bytes.clear();
            self.pending = bytes;
        }
    }

    /// Bytes charged for all waiting output.
    pub(super) fn charged(&self) -> usize {
        self.charged + self.writing
    }

    pub(super) fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

/// The memory of a message that waits. A growing buffer can have twice its size.
fn room(segments: &[&[u8]], bytes: usize) -> usize {
    2 * (bytes + (segments.len() / 2 + 1) * size_of::<capnp::Word>())
}

#[cfg(test)]
mod tests;
