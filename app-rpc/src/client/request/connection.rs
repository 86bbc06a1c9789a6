//! A request connection, and the requests on it that wait for their answers.
//!
//! A question id is used once. So an answer that arrives after its request was cancelled is never taken for another one's answer.

mod driver;
mod no_answer;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::SystemTime;

use app_core::prelude::Service;
use app_tls::valid_until;
use capnp::message::{Builder, HeapAllocator, ReaderOptions};
use capnp_rpc::rpc_capnp::{cap_descriptor, message, return_};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

pub(super) use self::no_answer::NoAnswer;
use super::super::dial::dial;
use super::super::instance::{Chosen, Instance, Visit};
use super::super::instances::Instances;
use super::super::measured::{ClientCalls, MeasuredRequest};
use super::super::setup::Setup;
use super::super::spread::Candidate;
use super::capture::{CallMessage, call_of};
use crate::Limits;
use crate::connection::CallOutcome;
use crate::extra::call_segment;
use crate::framing::{Segments, encode};
use crate::{clock, spans};

/// The id of the first question, which asks for the server's interface.
const BOOTSTRAP: u32 = 0;

/// A connection for requests alone.
pub(super) struct RequestConnection {
    pub(super) instance: Arc<Instance>,
    pub(super) made: Instant,
    /// The earliest end of a certificate in the server's chain.
    valid_until: Option<SystemTime>,
    limits: Limits,
    calls: ClientCalls,
    state: Mutex<RequestState>,
    /// Whether it is retired or has ended, for a look without the lock. `Relaxed`: the state decides.
    retired: AtomicBool,
    /// Notified when the connection retires or ends.
    changed: Arc<Notify>,
}

#[derive(Default)]
struct RequestState {
    /// The import id of the server's interface; `None` until the server has told it.
    target: Option<u32>,
    waiting: HashMap<u32, oneshot::Sender<Answered>>,
    next: u32,
    out: Vec<u8>,
    /// How many bytes were ever appended to `out`, and how many the driver has taken from there. Taken bytes may have left or not: the
    /// driver runs on another thread, and TLS may have sent a part of a write that fails.
    appended: u64,
    taken: u64,
    /// The driver, while it waits for output.
    driver: Option<Waker>,
    /// When the server's last answer arrived.
    heard: Option<Instant>,
    /// New requests go elsewhere.
    retired: bool,
    ended: Option<NoAnswer>,
    /// A request failed because the connection was lost. A lost connection counts as one failure, however many requests were on it.
    blamed: bool,
}

/// An answer, and when it arrived.
pub(super) struct Answered {
    pub(super) at: Instant,
    pub(super) message: Segments,
}

/// A request that waits for its answer. Dropping it before cancels the request.
pub(super) struct PendingRequest {
    connection: Arc<RequestConnection>,
    question: u32,
    /// Where the request begins in all that was appended.
    begins: u64,
    sent: Instant,
    answer: oneshot::Receiver<Answered>,
    visit: Option<Visit>,
    measured: Option<MeasuredRequest>,
}

impl RequestConnection {
    /// Connects, shakes hands, and asks for the server's interface. It reports no reason for a failure: the client's own pool is
    /// connected to the same instance, and reports what is wrong if it lasts.
    pub(super) async fn open(
        setup: &Setup,
        instance: &Arc<Instance>,
        changed: &Arc<Notify>,
        service: &Service,
    ) -> Option<Arc<Self>> {
        let connecting = Self::connect(setup, instance, changed, service);
        timeout(setup.config.connect_timeout, connecting).await.ok().flatten()
    }

    async fn connect(
        setup: &Setup,
        instance: &Arc<Instance>,
        changed: &Arc<Notify>,
        service: &Service,
    ) -> Option<Arc<Self>> {
        let address = instance.address;
        let socket = dial(address).await.ok()?;
        let connector = TlsConnector::from(Arc::clone(&setup.tls));
        let stream = connector.connect(setup.server.clone(), socket).await.ok()?;
        let valid_until =
            stream.get_ref().1.peer_certificates().and_then(|chain| valid_until(chain, clock::now()));
        let connection = Arc::new(Self {
            instance: Arc::clone(instance),
            made: Instant::now(),
            valid_until,
            limits: setup.config.limits,
            calls: setup.calls.clone(),
            state: Mutex::default(),
            retired: AtomicBool::new(false),
            changed: Arc::clone(changed),
        });
        let unless_opened =
            EndOnDrop(Some(Arc::clone(&connection)), "nothing waits for the connection any more");
        let driving = driver::run(Arc::clone(&connection), stream);
        service.spawn(format!("rpc requests to {address}"), driving).ok()?;
        let answer = connection.bootstrap().await.ok()?;
        let answer = capnp::message::Reader::new(answer.message, connection.reader_options());
        let target = import_id(answer.get_root().ok()?)?;
        connection.state.lock().target = Some(target);
        unless_opened.disarm();
        Some(connection)
    }

    fn bootstrap(&self) -> oneshot::Receiver<Answered> {
        let mut built = Builder::new_default();
        built.init_root::<message::Builder<'_>>().init_bootstrap().set_question_id(BOOTSTRAP);
        let (sender, answer) = oneshot::channel();
        let mut state = self.state.lock();
        state.next = BOOTSTRAP + 1;
        state.waiting.insert(BOOTSTRAP, sender);
        state.append(&built.get_segments_for_output());
        answer
    }

    fn reader_options(&self) -> ReaderOptions {
        self.limits.reader_options()
    }

    /// Whether the server's certificate has expired.
    pub(super) fn has_expired(&self) -> bool {
        self.valid_until.is_some_and(|end| end < clock::now())
    }

    /// Whether the connection will never take requests again.
    pub(super) fn is_retired(&self) -> bool {
        let state = self.state.lock();
        state.retired || state.ended.is_some()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().ended.is_some()
    }

    /// Sends a request. `None` if this connection does not take it; the message is unchanged then, or has another target.
    pub(super) fn send(
        self: &Arc<Self>,
        message: &mut CallMessage,
        chosen: Chosen,
        now: Instant,
        deadline: Instant,
    ) -> Option<PendingRequest> {
        let method = call_of(message).ok()?.into_reader();
        let method = (method.get_interface_id(), method.get_method_id());
        let beside = call_segment(Some(deadline), spans::client_sends(method).as_ref())?;
        let beside = beside.bytes();
        if message.size_in_words() * size_of::<capnp::Word>() + beside.len() > self.limits.message_bytes {
            return None;
        }
        let (sender, answer) = oneshot::channel();
        let mut state = self.state.lock();
        if !state.is_usable(&self.limits) {
            return None;
        }
        let (question, target) = (state.next, state.target?);
        let mut call = call_of(message).ok()?;
        call.set_question_id(question);
        call.get_target().ok()?.set_imported_cap(target);
        // Four thousand million requests use up the ids. Then another connection takes over.
        state.next = question.checked_add(1)?;
        state.waiting.insert(question, sender);
        let begins = state.appended;
        match &*message.get_segments_for_output() {
            [only] => state.append(&[only, beside]),
            segments => state.append(&[segments, &[beside]].concat()),
        }
        drop(state);
        spans::client_connected(self.instance.address);
        let visit = Some(Visit::begin(&self.instance, chosen, now));
        let (connection, measured) = (Arc::clone(self), self.calls.begin(method));
        Some(PendingRequest { connection, question, begins, sent: now, answer, visit, measured })
    }

    /// Sends new requests elsewhere. The connection closes when the last pending one has its answer.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        let mut state = self.state.lock();
        state.retired = true;
        state.wake_driver();
        drop(state);
        self.changed.notify_one();
    }

    /// Ends the connection. All pending requests get the reason; the first reason stays.
    pub(super) fn end(&self, reason: NoAnswer) {
        self.retired.store(true, Ordering::Relaxed);
        let waiting = {
            let mut state = self.state.lock();
            state.ended.get_or_insert(reason);
            state.wake_driver();
            std::mem::take(&mut state.waiting)
        };
        // This wakes the requests, outside of the lock.
        drop(waiting);
        self.changed.notify_one();
    }
}

impl RequestState {
    fn is_usable(&self, limits: &Limits) -> bool {
        !self.retired
            && self.ended.is_none()
            && self.target.is_some()
            && self.waiting.len() < limits.calls
            && self.out.len() <= limits.queued_bytes / 2
            && self.next < u32::MAX
    }

    fn append(&mut self, segments: &[&[u8]]) {
        let before = self.out.len();
        encode(segments, &mut self.out);
        self.appended += (self.out.len() - before) as u64;
        self.wake_driver();
    }

    fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Tells the server that the answer to a question arrived, or that no caller waits for it any more.
    fn finish(&mut self, question: u32) {
        let mut built = Builder::new(HeapAllocator::new().first_segment_words(8));
        let mut finish = built.init_root::<message::Builder<'_>>().init_finish();
        finish.set_question_id(question);
        // Of all capabilities in answers, only the server's interface is kept: requests are made on it.
        finish.set_release_result_caps(question != BOOTSTRAP);
        self.append(&built.get_segments_for_output());
    }
}

impl PendingRequest {
    /// The answer: a message that is a `Return`. Cancel safe.
    pub(super) async fn answer(&mut self) -> Result<Answered, NoAnswer> {
        if let Ok(answer) = (&mut self.answer).await {
            let options = self.connection.reader_options();
            return Ok(match self.measured.take() {
                Some(measured) => Answered { message: measured.answered(answer.message, options), ..answer },
                None => answer,
            });
        }
        if let Some(measured) = self.measured.take() {
            measured.ended(CallOutcome::Lost);
        }
        let state = self.connection.state.lock();
        let reason = state.ended.clone().unwrap_or_else(|| NoAnswer::because("the connection has ended"));
        Err(NoAnswer { unsent: state.taken <= self.begins, ..reason })
    }

    /// Why there was no answer by the deadline. Retires the connection if nothing arrived on it since the request: another connection
    /// may work better.
    ///
    /// This never says that the request was not sent: what is in the output may still be sent.
    pub(super) fn late(&self) -> NoAnswer {
        let silent = self.connection.state.lock().heard.is_none_or(|heard| heard < self.sent);
        if silent {
            self.connection.retire();
        }
        NoAnswer { late: true, ..NoAnswer::because("no answer by the deadline") }
    }

    /// The address of the instance.
    pub(super) fn address(&self) -> SocketAddr {
        self.connection.instance.address
    }

    pub(super) fn reader_options(&self) -> ReaderOptions {
        self.connection.reader_options()
    }

    /// Sends new requests elsewhere, because the server asked for it.
    pub(super) fn retire(&self) {
        self.connection.retire();
    }

    /// The request succeeded, by an answer that arrived at this time.
    pub(super) fn succeeded(&mut self, at: Instant, instances: &Instances) {
        if let Some(visit) = self.visit.take() {
            visit.succeeded(at, instances);
        }
    }

    /// The instance answered with an error, or refused the request because it has too much work.
    pub(super) fn failed(&mut self, instances: &Instances) {
        if let Some(visit) = self.visit.take() {
            visit.failed(instances);
        }
    }

    /// How the request ended says nothing about the instance.
    pub(super) fn says_nothing(&mut self) {
        if let Some(visit) = self.visit.take() {
            visit.says_nothing();
        }
    }

    /// The request has no answer, for this reason.
    pub(super) fn unanswered(&mut self, why: &NoAnswer, instances: &Instances) {
        let Some(visit) = self.visit.take() else { return };
        if why.late {
            visit.was_late(instances);
        } else if why.refused
            || why.unsent
            || std::mem::replace(&mut self.connection.state.lock().blamed, true)
        {
            visit.says_nothing();
        } else {
            visit.failed(instances);
        }
    }
}

impl Drop for PendingRequest {
    fn drop(&mut self) {
        let mut state = self.connection.state.lock();
        if state.waiting.remove(&self.question).is_some() && state.ended.is_none() {
            state.finish(self.question);
        }
    }
}

impl Candidate for Arc<RequestConnection> {
    fn at(&self) -> &Instance {
        &self.instance
    }

    /// Whether it is not retired. It may still have too many requests.
    fn takes_calls(&self) -> bool {
        !self.retired.load(Ordering::Relaxed)
    }
}

/// Ends a connection with this reason, unless it is disarmed.
struct EndOnDrop(Option<Arc<RequestConnection>>, &'static str);

impl EndOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.end(NoAnswer::because(self.1));
        }
    }
}

/// The import id of the server's interface, from the answer to the bootstrap question.
fn import_id(message: message::Reader<'_>) -> Option<u32> {
    let Ok(message::Return(Ok(answer))) = message.which() else { return None };
    let Ok(return_::Results(Ok(results))) = answer.which() else { return None };
    match results.get_cap_table().ok()?.iter().next()?.which() {
        Ok(cap_descriptor::SenderHosted(id) | cap_descriptor::SenderPromise(id)) => Some(id),
        _ => None,
    }
}

/// What the driver does next.
enum NextStep {
    /// Write the output that was taken.
    Write,
    /// Wait for output.
    Wait,
    /// Close: the connection has ended, or no request needs it.
    Close,
}

impl RequestConnection {
    /// Takes the output into `to`, which must be empty.
    fn take_output(&self, to: &mut Vec<u8>, context: &Context<'_>) -> NextStep {
        let mut state = self.state.lock();
        if state.ended.is_some() {
            return NextStep::Close;
        }
        if !state.out.is_empty() {
            std::mem::swap(to, &mut state.out);
            state.taken = state.appended;
            return NextStep::Write;
        }
        if state.retired && state.waiting.is_empty() {
            return NextStep::Close;
        }
        if state.driver.as_ref().is_none_or(|driver| !driver.will_wake(context.waker())) {
            state.driver = Some(context.waker().clone());
        }
        NextStep::Wait
    }

    /// Gives an answer to its request.
    fn deliver(&self, question: u32, answer: Segments, finish: bool) {
        let at = Instant::now();
        let mut state = self.state.lock();
        state.heard = Some(at);
        let sender = state.waiting.remove(&question);
        if finish {
            state.finish(question);
        }
        if state.retired {
            // This may have been the last pending request.
            state.wake_driver();
        }
        drop(state);
        if let Some(sender) = sender {
            // The request may have been cancelled at this moment.
            let _ = sender.send(Answered { at, message: answer });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::capture::capture;
    use super::*;
    use quota_schema::quota_capnp::quota;

    fn connection() -> Arc<RequestConnection> {
        Arc::new(RequestConnection {
            instance: Instance::new(([192, 0, 2, 1], 1).into()),
            made: Instant::now(),
            valid_until: None,
            limits: Limits::default(),
            calls: ClientCalls::default(),
            state: Mutex::new(RequestState { target: Some(1), ..RequestState::default() }),
            retired: AtomicBool::new(false),
            changed: Arc::default(),
        })
    }

    fn request(connection: &Arc<RequestConnection>) -> PendingRequest {
        let mut message = capture(&|quota: &quota::Client| quota.rules_request()).unwrap();
        connection.send(&mut message, Chosen::Usually, Instant::now(), Instant::now()).unwrap()
    }

    #[tokio::test]
    async fn a_request_was_not_sent_only_if_the_connection_has_ended_before_it_was() {
        let connection = connection();
        let mut sent = request(&connection);
        let mut output = Vec::new();
        let context = &mut Context::from_waker(Waker::noop());
        assert!(matches!(connection.take_output(&mut output, context), NextStep::Write));
        let mut unsent = request(&connection);
        assert!(!unsent.late().unsent, "it may still be sent");
        connection.end(NoAnswer::because("reset"));
        assert_eq!(sent.answer().await.err(), Some(NoAnswer::because("reset")));
        assert_eq!(
            unsent.answer().await.err(),
            Some(NoAnswer { unsent: true, ..NoAnswer::because("reset") })
        );
    }
}
