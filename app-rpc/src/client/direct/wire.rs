//! One connection, and the calls on it that wait for their answers.
//!
//! Numbers of calls are given once each, so that an answer which comes after its call was given up is nobody else's.

mod pump;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::SystemTime;

use app_tls::valid_until;
use capnp::message::{Builder, ReaderOptions};
use capnp_rpc::rpc_capnp::{cap_descriptor, message, return_};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::super::setup::Setup;
use super::capture::{Call, parts};
use crate::Limits;
use crate::clock;
use crate::framing::{Segments, encode};

/// The number of the first question: what there is to call.
const BOOTSTRAP: u32 = 0;

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::client) struct Lost {
    pub(in crate::client) reason: String,
    /// The server said that it was not executed.
    pub(in crate::client) refused: bool,
    /// Nothing of it was sent.
    pub(in crate::client) unsent: bool,
}

impl Lost {
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), refused: false, unsent: false }
    }
}

/// A connection.
pub(in crate::client) struct Wire {
    pub(super) address: SocketAddr,
    pub(super) made: Instant,
    /// When the first certificate of the server's chain ends.
    valid_until: Option<SystemTime>,
    limits: Limits,
    state: Mutex<State>,
    /// Told when it is over.
    look: Arc<Notify>,
}

#[derive(Default)]
struct State {
    /// What the server's interface is called by; none before the server said so.
    target: Option<u32>,
    waiting: HashMap<u32, oneshot::Sender<Segments>>,
    next: u32,
    out: Vec<u8>,
    /// Bytes that were put in, and those that were taken to be written, ever. Of what was taken nobody knows how much has left: the
    /// task that writes is on another thread, and TLS may send a part of what it then fails to send the rest of.
    appended: u64,
    taken: u64,
    /// The task that reads and writes, when it waits for something to write.
    pump: Option<Waker>,
    /// When the server said something.
    heard: Option<Instant>,
    /// New calls go elsewhere.
    retired: bool,
    over: Option<Lost>,
}

/// A call that waits for its answer. It is cancelled when this is dropped before.
pub(in crate::client) struct Asked {
    wire: Arc<Wire>,
    question: u32,
    /// Where it begins in all that was written.
    begins: u64,
    begun: Instant,
    answer: oneshot::Receiver<Segments>,
}

impl Wire {
    /// Connects, shakes hands, and asks for what can be called. The pool is connected to this instance, and says why another
    /// connection is not made if that goes on.
    pub(super) async fn open(setup: &Setup, address: SocketAddr, look: &Arc<Notify>) -> Option<Arc<Self>> {
        timeout(setup.config.connect_timeout, Self::connect(setup, address, look)).await.ok().flatten()
    }

    async fn connect(setup: &Setup, address: SocketAddr, look: &Arc<Notify>) -> Option<Arc<Self>> {
        let socket = TcpStream::connect(address).await.ok()?;
        crate::socket::prepare(&socket);
        let connector = TlsConnector::from(Arc::clone(&setup.tls));
        let stream = connector.connect(setup.server.clone(), socket).await.ok()?;
        let valid_until =
            stream.get_ref().1.peer_certificates().and_then(|chain| valid_until(chain, clock::now()));
        let wire = Arc::new(Self {
            address,
            made: Instant::now(),
            valid_until,
            limits: setup.config.limits,
            state: Mutex::default(),
            look: Arc::clone(look),
        });
        // It ends with the wire: when that is retired or over.
        tokio::spawn(pump::run(Arc::clone(&wire), stream));
        let closing = Closing(Some(Arc::clone(&wire)));
        let bootstrap = wire.bootstrap();
        let answer = bootstrap.await.ok()?;
        let target = wire.read_answer(answer, hosted)?;
        wire.state.lock().target = Some(target);
        closing.keep();
        Some(wire)
    }

    fn bootstrap(self: &Arc<Self>) -> oneshot::Receiver<Segments> {
        let mut built = Builder::new_default();
        built.init_root::<message::Builder<'_>>().init_bootstrap().set_question_id(BOOTSTRAP);
        let (told, answer) = oneshot::channel();
        let mut state = self.state.lock();
        state.next = BOOTSTRAP + 1;
        state.waiting.insert(BOOTSTRAP, told);
        state.push(&built.get_segments_for_output());
        answer
    }

    fn read_answer<T>(
        &self,
        answer: Segments,
        read: impl FnOnce(message::Reader<'_>) -> Option<T>,
    ) -> Option<T> {
        let reader = capnp::message::Reader::new(answer, self.reader_options());
        read(reader.get_root().ok()?)
    }

    pub(in crate::client) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(in crate::client) fn reader_options(&self) -> ReaderOptions {
        self.limits.reader_options()
    }

    /// Calls that wait for their answers; `None` if it can't be used for more.
    pub(super) fn calls(&self) -> Option<usize> {
        let state = self.state.lock();
        state.usable(&self.limits).then_some(state.waiting.len())
    }

    /// Whether the server's certificate has ended.
    pub(super) fn has_expired(&self) -> bool {
        self.valid_until.is_some_and(|end| end < clock::now())
    }

    /// Whether new calls go elsewhere for good.
    pub(super) fn is_left(&self) -> bool {
        let state = self.state.lock();
        state.retired || state.over.is_some()
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.lock().over.is_some()
    }

    /// Sends a call; `None` if it can't be sent here.
    pub(in crate::client) fn ask(self: &Arc<Self>, mut call: Call) -> Option<Asked> {
        if call.size_in_words() * size_of::<capnp::Word>() > self.limits.message_bytes {
            return None;
        }
        let (told, answer) = oneshot::channel();
        let mut state = self.state.lock();
        if !state.usable(&self.limits) {
            return None;
        }
        let (question, target) = (state.next, state.target?);
        let mut parts = parts(&mut call).ok()?;
        parts.set_question_id(question);
        parts.get_target().ok()?.set_imported_cap(target);
        // After four thousand million calls, which are more than a connection lives to see, another takes its place.
        state.next = question.checked_add(1)?;
        state.waiting.insert(question, told);
        let begins = state.appended;
        state.push(&call.get_segments_for_output());
        drop(state);
        Some(Asked { wire: Arc::clone(self), question, begins, begun: Instant::now(), answer })
    }

    /// Sends new calls elsewhere; it is closed when the last has its answer.
    pub(in crate::client) fn retire(&self) {
        let mut state = self.state.lock();
        state.retired = true;
        state.wake();
        drop(state);
        self.look.notify_one();
    }

    /// It is over: calls that wait learn why. The first reason stays.
    pub(super) fn end(&self, lost: Lost) {
        let waiting = {
            let mut state = self.state.lock();
            state.over.get_or_insert(lost);
            state.wake();
            std::mem::take(&mut state.waiting)
        };
        // Their callers are told by it.
        drop(waiting);
        self.look.notify_one();
    }
}

impl State {
    fn usable(&self, limits: &Limits) -> bool {
        !self.retired
            && self.over.is_none()
            && self.target.is_some()
            && self.waiting.len() < limits.calls
            && self.out.len() <= limits.queued_bytes / 2
            && self.next < u32::MAX
    }

    fn push(&mut self, segments: &[&[u8]]) {
        let before = self.out.len();
        encode(segments, &mut self.out);
        self.appended += (self.out.len() - before) as u64;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(pump) = self.pump.take() {
            pump.wake();
        }
    }

    /// Tells the server that nobody waits for an answer any more, or that it was had.
    fn finish(&mut self, question: u32) {
        let mut built = Builder::new(capnp::message::HeapAllocator::new().first_segment_words(8));
        let mut finish = built.init_root::<message::Builder<'_>>().init_finish();
        finish.set_question_id(question);
        // Capabilities in answers are not for us, but for the one that all calls are made on.
        finish.set_release_result_caps(question != BOOTSTRAP);
        self.push(&built.get_segments_for_output());
    }
}

impl Asked {
    /// The answer, a message that is a `Return`. Cancel safe.
    pub(in crate::client) async fn answer(&mut self) -> Result<Segments, Lost> {
        if let Ok(answer) = (&mut self.answer).await {
            return Ok(answer);
        }
        let state = self.wire.state.lock();
        let lost = state.over.clone().unwrap_or_else(|| Lost::because("the connection is over"));
        Err(Lost { unsent: state.taken <= self.begins, ..lost })
    }

    /// Why there was no answer in time. If nothing was heard of the server in all that time, another connection may do better.
    pub(in crate::client) fn too_late(&self) -> Lost {
        let state = self.wire.state.lock();
        if state.heard.is_none_or(|heard| heard < self.begun) {
            drop(state);
            self.wire.retire();
            return self.too_late_on(&self.wire.state.lock());
        }
        self.too_late_on(&state)
    }

    fn too_late_on(&self, state: &State) -> Lost {
        Lost { unsent: state.taken <= self.begins, ..Lost::because("no answer by the deadline") }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut state = self.wire.state.lock();
        if state.waiting.remove(&self.question).is_some() && state.over.is_none() {
            state.finish(self.question);
        }
    }
}

/// Closes a wire that nobody took.
struct Closing(Option<Arc<Wire>>);

impl Closing {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(wire) = self.0.take() {
            wire.end(Lost::because("nobody waits for the connection any more"));
        }
    }
}

/// What the server's interface is called by.
fn hosted(message: message::Reader<'_>) -> Option<u32> {
    let Ok(message::Return(Ok(answer))) = message.which() else { return None };
    let Ok(return_::Results(Ok(results))) = answer.which() else { return None };
    match results.get_cap_table().ok()?.iter().next()?.which() {
        Ok(cap_descriptor::SenderHosted(id) | cap_descriptor::SenderPromise(id)) => Some(id),
        _ => None,
    }
}

/// What the task that reads and writes has to do.
enum Work {
    /// There is more to write, which is taken.
    Write,
    Nothing,
    /// It is over, or nobody needs it any more.
    End,
}

impl Wire {
    /// Takes what is to be written.
    fn take(&self, to: &mut Vec<u8>, context: &Context<'_>) -> Work {
        let mut state = self.state.lock();
        if state.over.is_some() {
            return Work::End;
        }
        if !state.out.is_empty() {
            std::mem::swap(to, &mut state.out);
            state.taken = state.appended;
            return Work::Write;
        }
        if state.retired && state.waiting.is_empty() {
            return Work::End;
        }
        if state.pump.as_ref().is_none_or(|pump| !pump.will_wake(context.waker())) {
            state.pump = Some(context.waker().clone());
        }
        Work::Nothing
    }

    /// Gives an answer to whom it is for.
    fn answered(&self, question: u32, answer: Segments, finish: bool) {
        let mut state = self.state.lock();
        state.heard = Some(Instant::now());
        let told = state.waiting.remove(&question);
        if finish {
            state.finish(question);
        }
        if state.retired {
            // It may have been the last.
            state.wake();
        }
        drop(state);
        if let Some(told) = told {
            // Who gave it up in this moment does not need it.
            let _ = told.send(answer);
        }
    }
}
