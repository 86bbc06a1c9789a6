//! The state of a connection that its reading and writing sides share. It also ends the connection.

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
use super::meter::{CallMeter, MessageDecision};
use super::outbox::{Next, Outbox};
use super::watch::CallWatch;
use super::{policy, refusal};
use crate::extra::{self, CallExtra, CallSegment, Extra};
use crate::framing::{Decoder, MAX_SEGMENTS, Segments};
use crate::{Limits, spans};

/// The state of a connection. It belongs to one thread, and nothing is borrowed across an await.
pub(crate) struct Control {
    limits: Limits,
    credit: Rc<Credit>,
    /// Bytes that were still charged for messages at the end of the connection.
    left: Cell<usize>,
    meter: RefCell<CallMeter>,
    outbox: RefCell<Outbox>,
    input: RefCell<InputState>,
    /// Notified when every call of the peer has an answer. It is not notified for each message, because that would poll each waiting
    /// task for each message.
    answered: Notify,
    /// Notified when the connection has too many cancelled calls.
    worn_out: Notify,
    /// Whether received bytes are not decoded yet.
    reading: Cell<bool>,
    end: Cell<Option<End>>,
    closing: CancellationToken,
    /// Whether a message has come. The token is for tasks that wait for the first.
    was_heard: Cell<bool>,
    heard: CancellationToken,
}

/// The state that the reading side waits for.
struct InputState {
    /// The error that ends the connection, for the peer and for all calls.
    close: Option<capnp::Error>,
    /// Messages for capnp-rpc that look like messages of the peer.
    injected: VecDeque<Segments>,
    reader: Option<Waker>,
    last_message: Instant,
}

/// What the reading side has to do before it reads more.
pub(super) enum Interruption {
    Close(capnp::Error),
    Injected(Segments),
}

impl Control {
    /// A connection with these limits, which takes its memory from this budget.
    pub(crate) fn new(limits: Limits, memory: Memory) -> Self {
        Self::watched(limits, memory, None)
    }

    /// A connection that also tells about its calls.
    pub(crate) fn watched(limits: Limits, memory: Memory, watch: Option<Rc<dyn CallWatch>>) -> Self {
        let input =
            InputState { close: None, injected: VecDeque::new(), reader: None, last_message: Instant::now() };
        let credit = Rc::new(Credit::of_connection(memory));
        Self {
            limits,
            left: Cell::new(0),
            meter: RefCell::new(CallMeter::new(Rc::clone(&credit), watch)),
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

    /// Ends the connection. Waiting bytes are written, then the peer gets the reason. All calls in flight on both sides fail with
    /// this error. The first reason stays.
    pub(crate) fn close(&self, end: End, reason: capnp::Error) {
        self.note(end);
        let mut input = self.input.borrow_mut();
        input.close.get_or_insert(reason);
        input.wake();
        self.closing.cancel();
    }

    /// Tells the peer the reason and closes, without capnp-rpc.
    pub(super) fn abort(&self, end: End, reason: &str) {
        self.close(end, capnp::Error::failed(reason.to_owned()));
        let abort = refusal::abort(reason);
        let mut outbox = self.outbox.borrow_mut();
        outbox.push(&abort.get_segments_for_output());
        // Only the writing side waits for it.
        drop(outbox.end(Ok(())));
    }

    /// Why the connection ends, if it does. The first reason stays.
    pub(crate) fn end(&self) -> Option<End> {
        self.end.get()
    }

    /// The reason that calls got when the connection was closed.
    pub(crate) fn why(&self) -> Option<String> {
        self.input.borrow().close.as_ref().map(|reason| reason.extra.clone())
    }

    pub(super) fn note(&self, end: End) {
        self.end.set(Some(self.end.get().unwrap_or(end)));
        self.answered.notify_waiters();
    }

    /// Refuses new calls from now on. Running calls continue.
    pub(crate) fn refuse_calls(&self, reason: &'static str) {
        self.meter.borrow_mut().refuse_calls(reason);
    }

    /// Calls of the peer without an answer.
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

    /// Waits until the connection has too many cancelled calls and should be replaced. Cancel safe.
    pub(crate) async fn worn_out(&self) {
        while !self.meter.borrow().is_worn_out() {
            self.worn_out.notified().await;
        }
    }

    /// All calls of the peer that were refused.
    pub(crate) fn refusals(&self) -> u64 {
        self.meter.borrow().refusals()
    }

    /// Bytes that wait to be written.
    pub(crate) fn queued(&self) -> usize {
        self.outbox.borrow().queued()
    }

    /// All bytes that were queued, and all that were written.
    pub(crate) fn written(&self) -> (u64, u64) {
        self.outbox.borrow().progress()
    }

    /// Whether too many bytes wait, so that new calls should use another connection.
    pub(crate) fn is_congested(&self) -> bool {
        self.outbox.borrow().congested()
    }

    /// Waits until the connection is closed by this side. Cancel safe.
    pub(crate) async fn closed(&self) {
        self.closing.cancelled().await;
    }

    /// Waits for the first message of the peer. Cancel safe.
    pub(crate) async fn heard(&self) {
        self.heard.cancelled().await;
    }

    /// When the last message came.
    pub(crate) fn last_message(&self) -> Instant {
        self.input.borrow().last_message
    }

    /// Waits until every call of the peer is answered and the answers are written, or until the connection ends. Cancel safe.
    pub(crate) async fn answered(&self) {
        while self.running() > 0 && self.end().is_none() {
            self.answered.notified().await;
        }
        // Bytes that are queued later belong to refused calls.
        let (owed, _) = self.written();
        while self.written().1 < owed && self.end().is_none() {
            self.answered.notified().await;
        }
    }

    /// Counts and charges a received message, which is held from now on.
    pub(super) fn hold(&self, bytes: usize, charged: usize) {
        self.credit.overdraw(charged);
        self.meter.borrow_mut().hold(bytes);
    }

    /// Counts and refunds a received message that is dropped.
    pub(super) fn release(&self, bytes: usize, charged: usize, is_call: bool) {
        self.credit.refund(charged);
        self.meter.borrow_mut().gone(bytes, is_call);
    }

    /// Charges something with a changed size. `false` if there is no memory for it. Then nothing is charged.
    pub(super) fn recharge(&self, from: usize, to: usize) -> bool {
        self.credit.refund(from);
        self.credit.charge(to)
    }

    /// The error for a peer that sends more when it has used all its memory.
    pub(super) fn no_memory(&self) -> capnp::Error {
        let limit = self.limits.peer_memory_bytes;
        capnp::Error::overloaded(format!(
            "this client takes too much memory on all its connections together: at most {limit} bytes; wait for answers, and read them"
        ))
    }

    /// Bytes charged to the connection.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.credit.used()
    }

    /// Bytes charged for received messages that are still held.
    pub(crate) fn held_memory(&self) -> usize {
        let others = CONNECTION_BYTES + self.meter.borrow().charged() + self.outbox.borrow().charged();
        debug_assert!(others <= self.credit.used(), "{others} bytes of {}", self.credit.used());
        self.credit.used().saturating_sub(others)
    }

    /// Settles the account at the end of the connection. What is still charged now was leaked by a handler that panicked.
    pub(super) fn settle(&self) {
        self.left.set(self.held_memory());
        self.meter.borrow_mut().lose_calls();
        self.credit.close();
    }

    /// Bytes of messages that were still held at the end of the connection.
    #[cfg_attr(not(test), allow(dead_code, reason = "tests and fuzz targets look at it"))]
    pub(crate) fn left(&self) -> usize {
        self.left.get()
    }

    /// Checks a received message, and answers it if it is refused. Returns whether it goes to capnp-rpc.
    pub(super) fn admit(&self, incoming: &mut Incoming) -> capnp::Result<bool> {
        let now = Instant::now();
        self.input.borrow_mut().last_message = now;
        if !self.was_heard.replace(true) {
            self.heard.cancel();
        }
        let message: message::Reader<'_> = incoming.reader.get_root()?;
        let extra = Extra::of(incoming.reader.get_segments());
        // The time that the message has waited here counts, too.
        let read_by = |left| now.checked_sub(self.meter.borrow().waited()).unwrap_or(now).checked_add(left);
        incoming.extra = CallExtra { deadline: extra.remaining.and_then(read_by), caller: extra.caller() };
        let late = incoming.extra.deadline.is_some_and(|deadline| deadline <= now);
        if let Ok(message::Abort(reason)) = message.which() {
            self.note(End::PeerClosed);
            return Err(policy::aborted(reason?));
        }
        let mut checked = policy::check(message, incoming.bytes, &self.limits)?;
        checked.paid = self.credit.charge(checked.cost);
        incoming.charged += if checked.paid { checked.cost } else { 0 };
        let decision =
            self.meter.borrow_mut().inbound(message, incoming.bytes, checked, late, &self.limits)?;
        match decision {
            MessageDecision::Pass { is_call } => {
                incoming.is_call = is_call;
                if let Some((question, kind, reason)) = policy::rewritten(message, extra.error) {
                    self.inject(&refusal::failure(question, kind, &reason));
                    return Ok(false);
                }
                // The message may have cancelled a call.
                self.notify_of_calls();
                return Ok(true);
            }
            MessageDecision::NoMemory => {
                self.note(End::TooMuchMemory);
                return Err(self.no_memory());
            }
            MessageDecision::Swallow => {}
            MessageDecision::Refuse { question, reason, retry } => {
                for answer in refusal::answer(question, &reason, retry, message)? {
                    self.outbox.borrow_mut().push(&answer.get_segments_for_output());
                }
            }
        }
        Ok(false)
    }

    /// Sends a message of capnp-rpc to the peer.
    pub(super) fn send(&self, built: &Builder<HeapAllocator>) -> capnp::Result<()> {
        let segments = built.get_segments_for_output();
        let bytes: usize = segments.iter().map(|segment| segment.len()).sum();
        let message: message::Reader<'_> = built.get_root_as_reader()?;
        if let Some(failed) = policy::failed_call(message) {
            let policy::FailedCall { question, kind, text, error, has_trailer } = failed;
            self.meter.borrow().failed(question, text, error.as_deref());
            if has_trailer {
                return self.send_with(&refusal::failure(question, kind, text), error.as_deref());
            }
        }
        if bytes > self.limits.message_bytes {
            return self.send_too_large(message, bytes);
        }
        self.meter.borrow_mut().outbound(message, bytes)?;
        match message.which() {
            Ok(message::Call(call)) => {
                let call = call?;
                let caller = spans::client_sends((call.get_interface_id(), call.get_method_id()));
                let beside = extra::call_segment(extra::deadline(), caller.as_ref());
                self.push(&segments, beside.as_ref().map(CallSegment::bytes));
            }
            _ => self.push(&segments, None),
        }
        self.notify_of_calls();
        Ok(())
    }

    /// Sends an answer with an error beside it.
    fn send_with(&self, built: &Builder<HeapAllocator>, error: Option<&[u8]>) -> capnp::Result<()> {
        let segments = built.get_segments_for_output();
        let bytes: usize = segments.iter().map(|segment| segment.len()).sum();
        if bytes > self.limits.message_bytes {
            return self.send_too_large(built.get_root_as_reader()?, bytes);
        }
        self.meter.borrow_mut().outbound(built.get_root_as_reader()?, bytes)?;
        self.push(&segments, error.and_then(extra::error_segment).as_deref());
        self.notify_of_calls();
        Ok(())
    }

    /// Queues a message, with what goes beside it if there is room for that.
    fn push(&self, segments: &[&[u8]], beside: Option<&[u8]>) {
        let mut outbox = self.outbox.borrow_mut();
        let Some(beside) = beside else { return outbox.push(segments) };
        let bytes: usize = segments.iter().map(|segment| segment.len()).sum();
        match segments {
            _ if bytes + beside.len() > self.limits.message_bytes || segments.len() >= MAX_SEGMENTS => {
                outbox.push(segments);
            }
            [only] => outbox.push(&[only, beside]),
            _ => outbox.push(&[segments, &[beside]].concat()),
        }
    }

    fn notify_of_calls(&self) {
        let meter = self.meter.borrow();
        if meter.running() == 0 {
            self.answered.notify_waiters();
        }
        if meter.is_worn_out() {
            self.worn_out.notify_waiters();
        }
    }

    /// Replaces a message that is too large, because the peer would end the connection for it. The peer gets an error as its answer,
    /// or the own caller gets one for its call.
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

    /// Returns what has to happen before reading. If there is nothing, the reader is woken when there is.
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

    /// Whether too many bytes wait: the peer has to read before its messages are read.
    pub(super) fn congested(&self) -> bool {
        self.outbox.borrow().congested()
    }

    /// While received messages are being handled, more output comes soon, and is written together.
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

    /// Returns the buffer that was written.
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

/// Stores the waker of this task, if it is a new one.
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
