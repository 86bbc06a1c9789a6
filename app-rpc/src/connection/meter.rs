//! The calls of a connection that are in flight.
//!
//! A question is in flight until it was answered *and* the peer said that it is done with the answer: until then capnp-rpc keeps it.
//! Those beyond the limits are refused: answered here, and never seen by capnp-rpc. Whatever refers to a refused one is refused too.
//!
//! Answers may carry capabilities, which our side keeps until the peer lets go of each. Their number is bounded too: beyond it, calls
//! are refused.
//!
//! Questions may rest on others that are not answered yet, and those on others. capnp-rpc takes such chains apart by recursion, and a
//! stack that overflows ends the process, so their depth is bounded as well; so are chains of promises that become promises.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use capnp_rpc::rpc_capnp::{
    call, cap_descriptor, finish, message, message_target, payload, resolve, return_,
};

use super::memory::Credit;
use super::policy::Judged;
use super::refusal::Again;
use crate::Limits;

/// How deep questions may rest on one another.
const MAX_DEPTH: u32 = 64;

/// How many calls may be cancelled on one connection. capnp-rpc 0.27 does not answer a call that it cancelled, and so both ends keep
/// its number for ever.
const MAX_CANCELLED: u32 = if cfg!(test) { 2_000 } else { 8_000 };

/// What capnp-rpc keeps of a call until the peer is done with its answer.
const QUESTION_BYTES: usize = 512;

/// What it keeps of a call that was cancelled, and of its place in the queue of the call that it rested on.
const CANCELLED_BYTES: usize = 1024;

/// What is kept of a question that was refused.
const REFUSED_BYTES: usize = 64;

/// What capnp-rpc keeps of a capability of ours that the peer holds.
const EXPORT_BYTES: usize = 512;

/// What it keeps of a capability of the peer.
const IMPORT_BYTES: usize = 1024;

/// How many capabilities of the peer are held.
const MAX_IMPORTS: usize = 4096;

/// How many capabilities of ours a peer may hold.
const MAX_EXPORTS: usize = 4096;

/// How often a promise of the peer may turn out to be another promise, on one connection.
const MAX_REPROMISES: u32 = 64;

/// What becomes of a message that came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on to capnp-rpc, and perhaps to a handler.
    Pass { is_call: bool },
    /// It is no call, and there is no memory for it.
    NoMemory,
    /// This question is answered here: it was not executed.
    Refuse { question: u32, reason: Cow<'static, str>, again: Again },
    /// It concerns a question that capnp-rpc has not seen.
    Swallow,
}

/// It goes on, and is no call.
const PASS: Verdict = Verdict::Pass { is_call: false };

/// What a question rests on.
#[derive(Default)]
struct Rests {
    depth: u32,
    /// One of them was refused.
    on_refused: bool,
}

/// A question that capnp-rpc has.
#[derive(Default)]
struct Question {
    returned: bool,
    /// How many questions it rests on, one upon the other, that had no answer when it was asked.
    depth: u32,
    /// The capabilities in its answer.
    exports: Vec<u32>,
    /// Bytes of the answer, which is kept until the peer is done with it.
    kept: usize,
    /// What is charged for it.
    charged: usize,
}

/// Counts questions and bytes.
pub(super) struct Meter {
    credit: Rc<Credit>,
    /// What is charged for all that is counted here.
    charged: usize,
    questions: HashMap<u32, Question>,
    refused: HashSet<u32>,
    /// How often the peer was given each capability of ours that it has not let go of.
    exports: HashMap<u32, u32>,
    /// How often the peer gave us each capability of its own that we have not let go of.
    imports: HashMap<u32, u32>,
    /// Our own questions that were let go of before they had an answer: capnp-rpc takes no capabilities of an answer to them.
    given_up: HashSet<u32>,
    /// Questions that were not answered yet.
    running: usize,
    /// Calls whose message is still there: their handlers may be as well, whatever the peer is done with.
    there: usize,
    /// Bytes of messages that came in and are still there, and of answers that are kept.
    held: usize,
    /// How many were refused, ever.
    refusals: u64,
    /// Questions that were let go of before they had an answer, and got none since.
    cancelled: u32,
    /// Promises that turned out to be promises.
    repromises: u32,
    /// Why no call is accepted any more.
    closed_to_calls: Option<&'static str>,
}

impl Meter {
    pub(super) fn new(credit: Rc<Credit>) -> Self {
        Self {
            credit,
            charged: 0,
            questions: HashMap::new(),
            refused: HashSet::new(),
            exports: HashMap::new(),
            imports: HashMap::new(),
            given_up: HashSet::new(),
            running: 0,
            there: 0,
            held: 0,
            refusals: 0,
            cancelled: 0,
            repromises: 0,
            closed_to_calls: None,
        }
    }

    /// What is charged for all that is counted here, in bytes.
    pub(super) fn charged(&self) -> usize {
        self.charged
    }

    fn overdraw(&mut self, bytes: usize) {
        self.credit.overdraw(bytes);
        self.charged += bytes;
    }

    fn refund(&mut self, bytes: usize) {
        self.credit.refund(bytes);
        self.charged -= bytes;
    }

    /// Calls that were not answered yet.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    #[cfg(test)]
    pub(super) fn in_flight(&self) -> usize {
        self.questions.len()
    }

    #[cfg(test)]
    pub(super) fn given(&self) -> Vec<(u32, u32)> {
        self.exports.iter().map(|(id, count)| (*id, *count)).collect()
    }

    pub(super) fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Refuses calls from now on.
    pub(super) fn refuse_calls(&mut self, reason: &'static str) {
        self.closed_to_calls.get_or_insert(reason);
    }

    pub(super) fn hold(&mut self, bytes: usize) {
        self.held += bytes;
    }

    /// A message that came in is gone.
    pub(super) fn gone(&mut self, bytes: usize, is_call: bool) {
        self.held = self.held.saturating_sub(bytes);
        self.there -= usize::from(is_call);
    }

    /// Looks at a message of so many bytes that came in, and is [held](Self::hold) already.
    ///
    /// # Errors
    /// The peer goes on asking without looking at what it is told, or the message is malformed.
    pub(super) fn inbound(
        &mut self,
        message: message::Reader<'_>,
        bytes: usize,
        judged: Judged,
        limits: &Limits,
    ) -> capnp::Result<Verdict> {
        match message.which() {
            Ok(message::Bootstrap(bootstrap)) => {
                let question = bootstrap?.get_question_id();
                self.ask(question, bytes, judged, Rests::default(), limits)
            }
            Ok(message::Call(call)) => {
                let call = call?;
                let rests = self.rests(call)?;
                let verdict = self.ask(call.get_question_id(), bytes, judged, rests, limits)?;
                if let Verdict::Pass { .. } = verdict {
                    self.take_in(call.get_params()?)?;
                    self.there += 1;
                    return Ok(Verdict::Pass { is_call: true });
                }
                Ok(verdict)
            }
            _ if !judged.paid => Ok(Verdict::NoMemory),
            Ok(message::Return(answer)) => {
                let answer = answer?;
                if !self.given_up.remove(&answer.get_answer_id())
                    && let Ok(return_::Results(results)) = answer.which()
                {
                    self.take_in(results?)?;
                }
                Ok(PASS)
            }
            Ok(message::Resolve(resolve)) => self.resolve(resolve?),
            Ok(message::Unimplemented(echo)) => {
                // capnp-rpc lets go of what it could not give.
                if let Ok(message::Resolve(resolve)) = echo?.which()
                    && let Ok(resolve::Cap(capability)) = resolve?.which()
                    && let Some(id) = hosted(&capability?)
                {
                    self.let_go(id, 1);
                }
                Ok(PASS)
            }
            Ok(message::Release(release)) => {
                let release = release?;
                self.let_go(release.get_id(), release.get_reference_count());
                Ok(PASS)
            }
            Ok(message::Finish(finish)) => self.finish(finish?),
            _ => Ok(PASS),
        }
    }

    fn ask(
        &mut self,
        question: u32,
        bytes: usize,
        judged: Judged,
        rests: Rests,
        limits: &Limits,
    ) -> capnp::Result<Verdict> {
        if self.questions.contains_key(&question) || self.refused.contains(&question) {
            return Err(capnp::Error::failed(format!("question id {question} is in use already")));
        }
        let later = |reason: &'static str| (Cow::Borrowed(reason), Again::Later);
        let (reason, again) = if let Some(reason) = self.closed_to_calls {
            (reason.into(), Again::Elsewhere)
        } else if let Some(objection) = judged.objection {
            (objection.into(), Again::Never)
        } else if rests.on_refused {
            later("it rests on a call that was refused")
        } else if rests.depth > MAX_DEPTH {
            later("it rests on too many calls without an answer, one upon the other")
        } else if self.questions.len().max(self.there) >= limits.calls {
            later("too many calls of this connection are in flight")
        } else if self.exports.len() >= MAX_EXPORTS || self.imports.len() >= MAX_IMPORTS {
            later("this connection holds too many capabilities")
        } else if self.held > limits.held_bytes && self.held > bytes {
            later("the calls of this connection that are in flight are too large together")
        } else if !self.credit.begin_call(limits.calls_of_peer()) {
            later("too many calls of this client are in flight on all its connections together")
        } else if !judged.paid || !self.credit.charge(QUESTION_BYTES) {
            self.credit.end_call();
            later("there is no memory left for more calls of this client")
        } else {
            self.charged += QUESTION_BYTES;
            let asked = Question { depth: rests.depth, charged: QUESTION_BYTES, ..Question::default() };
            self.questions.insert(question, asked);
            self.running += 1;
            return Ok(PASS);
        };
        if self.refused.len() >= limits.calls {
            return Err(capnp::Error::overloaded(
                "too many calls of this connection were refused, and the answers not looked at".to_owned(),
            ));
        }
        self.refused.insert(question);
        self.overdraw(REFUSED_BYTES);
        self.refusals += 1;
        Ok(Verdict::Refuse { question, reason, again })
    }

    /// What a call rests on: its target, and the capabilities that it takes along.
    fn rests(&self, call: call::Reader<'_>) -> capnp::Result<Rests> {
        let mut rests = Rests::default();
        if let Ok(message_target::PromisedAnswer(answer)) = call.get_target()?.which() {
            self.rest_on(answer?.get_question_id(), &mut rests);
        }
        for capability in call.get_params()?.get_cap_table()? {
            if let Ok(cap_descriptor::ReceiverAnswer(answer)) = capability.which() {
                self.rest_on(answer?.get_question_id(), &mut rests);
            }
        }
        Ok(rests)
    }

    fn rest_on(&self, question: u32, rests: &mut Rests) {
        rests.on_refused |= self.refused.contains(&question);
        if let Some(asked) = self.questions.get(&question).filter(|asked| !asked.returned) {
            rests.depth = rests.depth.max(asked.depth + 1);
        }
    }

    fn resolve(&mut self, resolve: resolve::Reader<'_>) -> capnp::Result<Verdict> {
        if let Ok(resolve::Cap(capability)) = resolve.which() {
            let capability = capability?;
            self.take(&capability)?;
            if let Ok(cap_descriptor::SenderPromise(_) | cap_descriptor::ReceiverAnswer(_)) =
                capability.which()
            {
                self.repromises += 1;
            }
            if self.repromises > MAX_REPROMISES {
                return Err(capnp::Error::failed("too many promises turned out to be promises".to_owned()));
            }
        }
        Ok(PASS)
    }

    fn finish(&mut self, finish: finish::Reader<'_>) -> capnp::Result<Verdict> {
        let id = finish.get_question_id();
        if self.refused.remove(&id) {
            self.refund(REFUSED_BYTES);
            return Ok(Verdict::Swallow);
        }
        let Some(question) = self.questions.remove(&id) else { return Ok(PASS) };
        self.credit.end_call();
        self.held = self.held.saturating_sub(question.kept);
        self.refund(question.charged);
        if finish.get_release_result_caps() {
            for id in question.exports {
                self.let_go(id, 1);
            }
        }
        if !question.returned {
            // It is cancelled, and nobody will answer it.
            self.running -= 1;
            self.cancelled += 1;
            self.overdraw(CANCELLED_BYTES);
        }
        Ok(PASS)
    }

    /// Whether so many calls were cancelled that another connection had better take the place of this one.
    pub(super) fn is_worn_out(&self) -> bool {
        self.cancelled >= MAX_CANCELLED
    }

    /// Looks at a message of so many bytes that capnp-rpc sends.
    pub(super) fn outbound(&mut self, message: message::Reader<'_>, bytes: usize) -> capnp::Result<()> {
        let answer = match message.which() {
            Ok(message::Return(answer)) => answer?,
            Ok(message::Call(call)) => return self.give(call?.get_params()?).map(drop),
            Ok(message::Resolve(resolve)) => {
                if let Ok(resolve::Cap(capability)) = resolve?.which()
                    && let Some(id) = hosted(&capability?)
                {
                    self.give_one(id);
                }
                return Ok(());
            }
            Ok(message::Finish(finish)) => {
                let finish = finish?;
                if finish.get_release_result_caps() {
                    self.given_up.insert(finish.get_question_id());
                }
                return Ok(());
            }
            Ok(message::Release(release)) => {
                let release = release?;
                self.give_back(release.get_id(), release.get_reference_count());
                return Ok(());
            }
            _ => return Ok(()),
        };
        let exports = match answer.which() {
            Ok(return_::Results(results)) => self.give(results?)?,
            _ => Vec::new(),
        };
        let Some(question) = self.questions.get_mut(&answer.get_answer_id()) else {
            // It was cancelled, and something that rests on it had it go on.
            if self.cancelled > 0 {
                self.cancelled -= 1;
                self.refund(CANCELLED_BYTES);
            }
            return Ok(());
        };
        if !question.returned {
            question.returned = true;
            self.running -= 1;
        }
        if answer.get_no_finish_needed() {
            let charged = question.charged;
            self.questions.remove(&answer.get_answer_id());
            self.credit.end_call();
            self.refund(charged);
        } else {
            question.kept = bytes;
            question.exports = exports;
            // Its buffers have up to twice the room.
            question.charged += 2 * bytes;
            self.held += bytes;
            self.overdraw(2 * bytes);
        }
        Ok(())
    }

    /// Notes the capabilities of ours that the peer is given.
    fn give(&mut self, payload: payload::Reader<'_>) -> capnp::Result<Vec<u32>> {
        let given: Vec<u32> =
            payload.get_cap_table()?.iter().filter_map(|capability| hosted(&capability)).collect();
        for id in &given {
            self.give_one(*id);
        }
        Ok(given)
    }

    fn give_one(&mut self, id: u32) {
        let count = self.exports.entry(id).or_default();
        *count += 1;
        if *count == 1 {
            self.overdraw(EXPORT_BYTES);
        }
    }

    /// Notes the capabilities that the peer gives.
    fn take_in(&mut self, payload: payload::Reader<'_>) -> capnp::Result<()> {
        payload.get_cap_table()?.iter().try_for_each(|capability| self.take(&capability))
    }

    fn take(&mut self, capability: &cap_descriptor::Reader<'_>) -> capnp::Result<()> {
        let Some(id) = hosted(capability) else { return Ok(()) };
        let count = self.imports.entry(id).or_default();
        *count = count.saturating_add(1);
        if *count == 1 {
            self.overdraw(IMPORT_BYTES);
        }
        if self.imports.len() > 2 * MAX_IMPORTS {
            return Err(capnp::Error::overloaded("too many capabilities of the peer are held".to_owned()));
        }
        Ok(())
    }

    /// We let go of a capability of the peer.
    fn give_back(&mut self, id: u32, count: u32) {
        if let Some(taken) = self.imports.get_mut(&id) {
            *taken = taken.saturating_sub(count);
            if *taken == 0 {
                self.imports.remove(&id);
                self.refund(IMPORT_BYTES);
            }
        }
    }

    /// The peer lets go of a capability so many times. What it was not given is for capnp-rpc to refuse.
    fn let_go(&mut self, id: u32, count: u32) {
        if let Some(given) = self.exports.get_mut(&id) {
            *given = given.saturating_sub(count);
            if *given == 0 {
                self.exports.remove(&id);
                self.refund(EXPORT_BYTES);
            }
        }
    }
}

/// The number of a capability that its sender hosts.
fn hosted(capability: &cap_descriptor::Reader<'_>) -> Option<u32> {
    match capability.which() {
        Ok(cap_descriptor::SenderHosted(id) | cap_descriptor::SenderPromise(id)) => Some(id),
        _ => None,
    }
}
