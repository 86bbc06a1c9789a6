//! Where the sides of a connection meet, and where it is told to end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use capnp::message::{Builder, HeapAllocator};
use capnp_rpc::rpc_capnp::{exception, message};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::End;
use super::input::Incoming;
use super::memory::{CONNECTION_BYTES, Credit, Memory};
use super::meter::{Meter, Verdict};
use super::outbox::{Next, Outbox};
use super::{policy, refusal};
use crate::Limits;
use crate::framing::{Decoder, Segments};

/// The state of a connection. One thread has it all; nothing is borrowed across an await.
pub(crate) struct Control {
    limits: Limits,
    credit: Rc<Credit>,
    /// Bytes that were still charged for messages when the connection was over.
    left: Cell<usize>,
    meter: RefCell<Meter>,
    outbox: RefCell<Outbox>,
    input: RefCell<InputState>,
    /// Told when no call of the peer is left without an answer. What happens with each message must not be told: whoever waits for
    /// it would be polled with each message.
    answered: Notify,
    /// Told when so many calls were cancelled that the connection should be left.
    worn_out: Notify,
    /// There are bytes that came in and are not decoded yet.
    reading: Cell<bool>,
    end: Cell<Option<End>>,
    closing: CancellationToken,
    /// A message came in. The token is for those who wait for the first.
    was_heard: Cell<bool>,
    heard: CancellationToken,
}

/// What the reading side is told.
struct InputState {
    /// The end of the connection, as the peer and all calls are to be told.
    close: Option<capnp::Error>,
    /// Messages that seem to come from the peer.
    injected: VecDeque<Segments>,
    reader: Option<Waker>,
    last_message: Instant,
}

/// What the reading side has to do before it reads.
pub(super) enum Interruption {
    Close(capnp::Error),
    Injected(Segments),
}

impl Control {
    /// A connection with these limits, which takes its memory of this budget.
    pub(crate) fn new(limits: Limits, memory: Memory) -> Self {
        let input =
            InputState { close: None, injected: VecDeque::new(), reader: None, last_message: Instant::now() };
        let credit = Rc::new(Credit::of_connection(memory));
        Self {
            limits,
            left: Cell::new(0),
            meter: RefCell::new(Meter::new(Rc::clone(&credit))),
            outbox: RefCell::new(Outbox::new(limits.queued_bytes, Rc::clone(&credit))),
            credit,
            input: RefCell::new(input),
            answered: Notify::new(),
            worn_out: Notify::new(),
            reading: Cell::new(false),
            end: Cell::new(None),
            closing: CancellationToken::new(),
            was_heard: Cell::new(false),
            heard: CancellationToken::new(),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Ends the connection: what waits to be written is written, then the peer is told why, and all calls of either side that
    /// are in flight fail with this error. The first reason stays.
    pub(crate) fn close(&self, end: End, reason: capnp::Error) {
        self.note(end);
        let mut input = self.input.borrow_mut();
        input.close.get_or_insert(reason);
        input.wake();
        self.closing.cancel();
    }

    /// Tells the peer why, and closes, past capnp-rpc.
    pub(super) fn abort(&self, end: End, reason: &str) {
        self.close(end, capnp::Error::failed(reason.to_owned()));
        let abort = refusal::abort(reason);
        let mut outbox = self.outbox.borrow_mut();
        outbox.push(&abort.get_segments_for_output());
        // Nobody waits for it but who drives the output.
        drop(outbox.end(Ok(())));
    }

    /// Why the connection ends, if it was seen to; the first reason stays.
    pub(crate) fn end(&self) -> Option<End> {
        self.end.get()
    }

    /// What calls were told when the connection was told to end.
    pub(crate) fn why(&self) -> Option<String> {
        self.input.borrow().close.as_ref().map(|reason| reason.extra.clone())
    }

    pub(super) fn note(&self, end: End) {
        self.end.set(Some(self.end.get().unwrap_or(end)));
        self.answered.notify_waiters();
    }

    /// Refuses calls from now on; those that run go on.
    pub(crate) fn refuse_calls(&self, reason: &'static str) {
        self.meter.borrow_mut().refuse_calls(reason);
    }

    /// Calls of the peer that were not answered yet.
    pub(crate) fn running(&self) -> usize {
        self.meter.borrow().running()
    }

    #[cfg(test)]
    pub(super) fn in_flight(&self) -> usize {
        self.meter.borrow().in_flight()
    }

    #[cfg(test)]
    pub(super) fn given(&self) -> Vec<(u32, u32)> {
        self.meter.borrow().given()
    }

    /// Waits until so many calls were cancelled that another connection had better take the place of this one. Cancel safe.
    pub(crate) async fn worn_out(&self) {
        while !self.meter.borrow().is_worn_out() {
            self.worn_out.notified().await;
        }
    }

    /// Calls of the peer that were refused, ever.
    pub(crate) fn refusals(&self) -> u64 {
        self.meter.borrow().refusals()
    }

    /// Bytes that wait to be written.
    pub(crate) fn queued(&self) -> usize {
        self.outbox.borrow().queued()
    }

    /// Bytes that were given to be written, and those that were, ever.
    pub(crate) fn written(&self) -> (u64, u64) {
        self.outbox.borrow().progress()
    }

    /// Whether so much waits to be written that more calls had better go elsewhere.
    pub(crate) fn is_congested(&self) -> bool {
        self.outbox.borrow().congested()
    }

    /// Waits until it was told to close. Cancel safe.
    pub(crate) async fn closed(&self) {
        self.closing.cancelled().await;
    }

    /// Waits until the peer said something. Cancel safe.
    pub(crate) async fn heard(&self) {
        self.heard.cancelled().await;
    }

    /// When the last message came in.
    pub(crate) fn last_message(&self) -> Instant {
        self.input.borrow().last_message
    }

    /// Waits until every call of the peer is answered, and the answers are written, or nobody can be answered any more. Cancel safe.
    pub(crate) async fn answered(&self) {
        while self.running() > 0 && self.end().is_none() {
            self.answered.notified().await;
        }
        // What is put in later belongs to calls that are refused.
        let (owed, _) = self.written();
        while self.written().1 < owed && self.end().is_none() {
            self.answered.notified().await;
        }
    }

    /// Takes note of a message that came in and is held, and charges what it takes.
    pub(super) fn hold(&self, bytes: usize, charged: usize) {
        self.credit.overdraw(charged);
        self.meter.borrow_mut().hold(bytes);
    }

    /// Takes note that a message that came in is gone.
    pub(super) fn release(&self, bytes: usize, charged: usize, is_call: bool) {
        self.credit.refund(charged);
        self.meter.borrow_mut().gone(bytes, is_call);
    }

    /// Charges something whose size has changed. If there is no memory for it, nothing is charged for it any more.
    pub(super) fn recharge(&self, from: usize, to: usize) -> bool {
        self.credit.refund(from);
        self.credit.charge(to)
    }

    /// The error of a peer that went on when it had taken all the memory that it may take.
    pub(super) fn no_memory(&self) -> capnp::Error {
        let limit = self.limits.peer_memory_bytes;
        capnp::Error::overloaded(format!(
            "this client takes too much memory on all its connections together: at most {limit} bytes; wait for answers, and read them"
        ))
    }

    /// Bytes that are charged to the connection.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.credit.used()
    }

    /// Bytes that are charged for messages that came in and are not gone.
    pub(crate) fn held_memory(&self) -> usize {
        let others = CONNECTION_BYTES + self.meter.borrow().charged() + self.outbox.borrow().charged();
        debug_assert!(others <= self.credit.used(), "{others} bytes of {}", self.credit.used());
        self.credit.used().saturating_sub(others)
    }

    /// The connection is over: what it was charged for is gone, or leaked by a handler that panicked.
    pub(super) fn settle(&self) {
        self.left.set(self.held_memory());
        self.credit.close();
    }

    /// Bytes of messages that were still held when the connection was over.
    #[cfg_attr(not(test), allow(dead_code, reason = "tests and fuzz targets look at it"))]
    pub(crate) fn left(&self) -> usize {
        self.left.get()
    }

    /// Looks at a message that came in, and answers it if it is refused. Whether it goes on to capnp-rpc.
    pub(super) fn admit(&self, incoming: &mut Incoming) -> capnp::Result<bool> {
        self.input.borrow_mut().last_message = Instant::now();
        if !self.was_heard.replace(true) {
            self.heard.cancel();
        }
        let message: message::Reader<'_> = incoming.reader.get_root()?;
        if let Ok(message::Abort(reason)) = message.which() {
            self.note(End::PeerClosed);
            return Err(policy::aborted(reason?));
        }
        let mut judged = policy::judge(message, incoming.bytes, &self.limits)?;
        judged.paid = self.credit.charge(judged.cost);
        incoming.charged += if judged.paid { judged.cost } else { 0 };
        let verdict = self.meter.borrow_mut().inbound(message, incoming.bytes, judged, &self.limits)?;
        match verdict {
            Verdict::Pass { is_call } => {
                incoming.is_call = is_call;
                if let Some((question, kind, reason)) = policy::shortened(message) {
                    self.inject(&refusal::failure(question, kind, &reason));
                    return Ok(false);
                }
                // A call may have been cancelled.
                self.tell_of_calls();
                return Ok(true);
            }
            Verdict::NoMemory => {
                self.note(End::TooMuchMemory);
                return Err(self.no_memory());
            }
            Verdict::Swallow => {}
            Verdict::Refuse { question, reason, again } => {
                for answer in refusal::answer(question, &reason, again, message)? {
                    self.outbox.borrow_mut().push(&answer.get_segments_for_output());
                }
            }
        }
        Ok(false)
    }

    /// Takes a message of capnp-rpc for the peer.
    pub(super) fn send(&self, built: &Builder<HeapAllocator>) -> capnp::Result<()> {
        let segments = built.get_segments_for_output();
        let bytes: usize = segments.iter().map(|segment| segment.len()).sum();
        let message: message::Reader<'_> = built.get_root_as_reader()?;
        if bytes > self.limits.message_bytes {
            return self.send_too_large(message, bytes);
        }
        self.meter.borrow_mut().outbound(message, bytes)?;
        self.outbox.borrow_mut().push(&segments);
        self.tell_of_calls();
        Ok(())
    }

    fn tell_of_calls(&self) {
        let meter = self.meter.borrow();
        if meter.running() == 0 {
            self.answered.notify_waiters();
        }
        if meter.is_worn_out() {
            self.worn_out.notify_waiters();
        }
    }

    /// The peer would end the connection over it. So whoever waits for it is told in its place: the peer that its answer is too
    /// large, or our own caller that its call is.
    fn send_too_large(&self, message: message::Reader<'_>, bytes: usize) -> capnp::Result<()> {
        let limit = self.limits.message_bytes;
        match message.which() {
            Ok(message::Return(answer)) => {
                let reason = format!("the answer has {bytes} bytes, where at most {limit} are sent");
                let answer = refusal::failure(answer?.get_answer_id(), exception::Type::Failed, &reason);
                self.send(&answer)
            }
            Ok(message::Call(call)) => {
                let reason = format!(
                    "{}the call has {bytes} bytes, where at most {limit} are sent",
                    refusal::NOT_EXECUTED
                );
                let answer = refusal::failure(call?.get_question_id(), exception::Type::Failed, &reason);
                self.inject(&answer);
                Ok(())
            }
            _ => Err(capnp::Error::failed(format!("a message of {bytes} bytes can't be sent"))),
        }
    }

    fn inject(&self, built: &Builder<HeapAllocator>) {
        let mut bytes = Vec::new();
        crate::framing::encode(&built.get_segments_for_output(), &mut bytes);
        let decoded = Decoder::new(usize::MAX).decode(&mut &bytes[..]);
        let mut input = self.input.borrow_mut();
        input.injected.extend(decoded.ok().flatten());
        input.wake();
    }

    /// Whether something comes before reading; if not, the reader is woken when something does.
    pub(super) fn poll_interruption(&self, context: &Context<'_>) -> Poll<Interruption> {
        let mut input = self.input.borrow_mut();
        if let Some(injected) = input.injected.pop_front() {
            return Poll::Ready(Interruption::Injected(injected));
        }
        if let Some(reason) = &input.close {
            return Poll::Ready(Interruption::Close(reason.clone()));
        }
        keep(&mut input.reader, context);
        Poll::Pending
    }

    /// Whether the peer has to read before it is read.
    pub(super) fn congested(&self) -> bool {
        self.outbox.borrow().congested()
    }

    /// While messages that came in are being looked at, more is about to be written: it goes out together.
    pub(super) fn poll_output(&self, context: &Context<'_>) -> Poll<Next> {
        self.outbox.borrow_mut().poll_next(self.reading.get(), context)
    }

    /// Says whether there are bytes that came in and are not decoded yet.
    pub(super) fn set_reading(&self, reading: bool) {
        if self.reading.replace(reading) && !reading {
            self.outbox.borrow_mut().wake();
        }
    }

    pub(super) fn wrote(&self, bytes: usize) {
        let congested = {
            let mut outbox = self.outbox.borrow_mut();
            let before = outbox.congested();
            outbox.written(bytes);
            before
        };
        if congested {
            self.input.borrow_mut().wake();
        }
        if self.meter.borrow().running() == 0 {
            self.answered.notify_waiters();
        }
    }

    /// Gives back what was written from.
    pub(super) fn reuse(&self, bytes: Vec<u8>) {
        let was_congested = {
            let mut outbox = self.outbox.borrow_mut();
            let before = outbox.congested();
            outbox.reuse(bytes);
            before
        };
        if was_congested {
            self.input.borrow_mut().wake();
        }
    }

    pub(super) fn flushed(&self) {
        self.outbox.borrow_mut().flushed();
    }

    pub(super) fn discard_output(&self) {
        self.outbox.borrow_mut().discard();
    }

    pub(super) fn end_output(&self, result: capnp::Result<()>) -> oneshot::Receiver<()> {
        self.outbox.borrow_mut().end(result)
    }
}

/// Keeps the waker of this task, once.
pub(super) fn keep(kept: &mut Option<Waker>, context: &Context<'_>) {
    if kept.as_ref().is_none_or(|kept| !kept.will_wake(context.waker())) {
        *kept = Some(context.waker().clone());
    }
}

impl InputState {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}
