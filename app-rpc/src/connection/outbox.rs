//! What waits to be written to the peer, in bytes, at most so many.

use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;

use super::End;
use super::control::keep;
use super::memory::Credit;

/// With as many bytes waiting, more are not waited for: it is a record of TLS.
const BATCH: usize = 16 * 1024;

/// What may be charged for what waits where there is no memory left. From half of it on the peer is not read.
const IN_ANY_CASE: usize = 32 * 1024;

/// What is kept of memory while nothing waits.
const KEPT: usize = 256;

/// What is to be done next on the writing side.
pub(super) enum Next {
    /// Write this.
    Write(Vec<u8>),
    /// Nothing waits: see to it that what was written is on its way.
    Flush,
    /// Close, with this result.
    End(capnp::Result<()>, oneshot::Sender<()>),
    /// More waits than may, or than there is memory for.
    Overflow(End),
}

/// Messages for the peer, one after another as they go out.
pub(super) struct Outbox {
    pending: Vec<u8>,
    credit: Rc<Credit>,
    /// What was charged for the bytes that are pending, and for those that are being written.
    charged: usize,
    writing: usize,
    /// There was no memory for a part of what waits.
    is_short: bool,
    limit_bytes: usize,
    /// Bytes that were put in, ever.
    appended: u64,
    /// Bytes that were written, ever.
    written: u64,
    flushed: bool,
    overflow: Option<End>,
    /// What is put in is not kept: there is nobody to write it to, or it was told to end.
    discards: bool,
    end: Option<(capnp::Result<()>, oneshot::Sender<()>)>,
    writer: Option<Waker>,
    /// What is ready now was let go first.
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

    /// Puts a message in. Beyond the limit nothing is put in any more, and the connection ends.
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

    /// Charges what a message takes. A little may wait on each connection in any case: what refuses a call is an answer as well.
    fn charge(&mut self, bytes: usize) -> bool {
        if !self.credit.charge(bytes) {
            if self.charged() + bytes > IN_ANY_CASE {
                return false;
            }
            self.credit.overdraw(bytes);
            self.is_short = true;
        }
        self.charged += bytes;
        true
    }

    /// Bytes that wait, those included that are being written.
    pub(super) fn queued(&self) -> usize {
        usize::try_from(self.appended - self.written).unwrap_or(usize::MAX)
    }

    /// Whether so much waits that the peer is not read until it has read.
    pub(super) fn congested(&self) -> bool {
        self.queued() > self.limit_bytes / 2 || (self.is_short && self.charged() > IN_ANY_CASE / 2)
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
        self.credit.refund(std::mem::take(&mut self.charged));
        self.is_short = false;
        self.written = self.appended;
        self.flushed = true;
    }

    /// What is to be done next. While `more_comes`, little waits for it, and then once for whatever is ready at the moment: each
    /// write is a call of the system, and a record of TLS.
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

    /// Gives back what was written from, for the next time; but an idle connection keeps little.
    pub(super) fn reuse(&mut self, mut bytes: Vec<u8>) {
        self.credit.refund(std::mem::take(&mut self.writing));
        self.is_short &= self.charged > 0;
        if self.pending.capacity() == 0 && bytes.capacity() <= KEPT {
            bytes.clear();
            self.pending = bytes;
        }
    }

    /// What is charged for all that waits.
    pub(super) fn charged(&self) -> usize {
        self.charged + self.writing
    }

    pub(super) fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

/// What a message takes while it waits. A buffer that grows has up to twice the room.
fn room(segments: &[&[u8]], bytes: usize) -> usize {
    2 * (bytes + (segments.len() / 2 + 1) * size_of::<capnp::Word>())
}

#[cfg(test)]
mod tests;
