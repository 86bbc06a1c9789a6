//! The calls of a connection in flight.
//!
//! A question is in flight until it has its answer *and* the peer has finished with the answer, because capnp-rpc keeps it until
//! then. Questions beyond the limits are refused: this module answers them, and capnp-rpc never sees them. A question that depends on
//! a refused one is refused too.
//!
//! Answers may carry capabilities. This side keeps each until the peer releases it. Their number is limited too: beyond the limit,
//! calls are refused.
//!
//! A question may depend on another without an answer, which depends on a third. capnp-rpc resolves such chains by recursion, and a
//! stack overflow would end the process. So their depth is limited, and so are chains of promises that resolve to promises.

mod admission;
mod capabilities;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use capnp_rpc::rpc_capnp::{cap_descriptor, finish, message, resolve, return_};

use self::admission::Dependencies;
use self::capabilities::hosted;
use super::memory::Credit;
use super::policy::Checked;
use super::refusal::{NOT_EXECUTED, Retry};
use super::watch::{CallOutcome, CallWatch, RunningCall, Watched};
use crate::Limits;

/// The most cancelled calls of one connection. capnp-rpc 0.27 does not answer a cancelled call, so both sides keep its number until
/// the connection ends.
const MAX_CANCELLED: u32 = if cfg!(test) { 2_000 } else { 8_000 };

/// The memory of a cancelled call in capnp-rpc, and of its entry in the queue of the call that it depended on.
const CANCELLED_BYTES: usize = 1024;

/// The memory of a refused question.
const REFUSED_BYTES: usize = 64;

/// How many promises of the peer may resolve to another promise, on one connection.
const MAX_REPROMISES: u32 = 64;

/// What happens with a received message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MessageDecision {
    /// It goes to capnp-rpc, and a call goes on to a handler.
    Pass { is_call: bool },
    /// It is not a call, and there is no memory for it.
    NoMemory,
    /// The question is answered by this side, and not executed.
    Refuse { question: u32, reason: Cow<'static, str>, retry: Retry },
    /// It is about a question that capnp-rpc has never seen.
    Swallow,
}

/// It goes to capnp-rpc, and is not a call.
const PASS: MessageDecision = MessageDecision::Pass { is_call: false };

/// A question in capnp-rpc.
#[derive(Default)]
struct Question {
    returned: bool,
    /// The length of the chain of questions that it depends on, and that had no answer when it came.
    depth: u32,
    /// The capabilities in its answer.
    exports: Vec<u32>,
    /// Bytes of the answer, which is kept until the peer has finished with it.
    kept: usize,
    /// Bytes charged for it.
    charged: usize,
    /// The call, until it has ended.
    call: Option<RunningCall>,
}

/// Counts the questions and bytes of a connection.
pub(super) struct CallMeter {
    credit: Rc<Credit>,
    /// Bytes charged for everything that is counted here.
    charged: usize,
    questions: HashMap<u32, Question>,
    refused: HashSet<u32>,
    /// How often the peer got each capability of this side that it has not released.
    exports: HashMap<u32, u32>,
    /// How often this side got each capability of the peer that it has not released.
    imports: HashMap<u32, u32>,
    /// Own questions that were finished before they had an answer. capnp-rpc takes no capabilities from their answers.
    given_up: HashSet<u32>,
    /// Questions without an answer.
    running: usize,
    /// Calls with a message that is still held. Their handlers may run, even if the peer has finished with the call.
    there: usize,
    /// Bytes of held messages and of kept answers.
    held: usize,
    /// All questions that were refused.
    refusals: u64,
    /// Questions that were finished before they had an answer, and have none.
    cancelled: u32,
    /// Promises of the peer that resolved to promises.
    repromises: u32,
    /// Why no more calls are accepted.
    closed_to_calls: Option<&'static str>,
    watched: Watched,
}

impl CallMeter {
    pub(super) fn new(credit: Rc<Credit>, watch: Option<Rc<dyn CallWatch>>) -> Self {
        Self {
            watched: Watched::by(watch),
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

    /// Bytes charged for everything that is counted here.
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

    /// Calls without an answer.
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

    /// Refuses new calls from now on.
    pub(super) fn refuse_calls(&mut self, reason: &'static str) {
        self.closed_to_calls.get_or_insert(reason);
    }

    pub(super) fn hold(&mut self, bytes: usize) {
        self.held += bytes;
    }

    /// Uncounts a received message that is dropped.
    pub(super) fn gone(&mut self, bytes: usize, is_call: bool) {
        self.held = self.held.saturating_sub(bytes);
        self.there -= usize::from(is_call);
    }

    /// How long the message that is read now may have waited for this thread, at most.
    pub(super) fn waited(&self) -> std::time::Duration {
        self.watched.waited()
    }

    /// A question is answered with an error.
    pub(super) fn failed(&self, question: u32, text: &str, error: Option<&[u8]>) {
        let call = self.questions.get(&question).and_then(|question| question.call);
        self.watched.failed(call, text, error);
    }

    /// The connection has ended, and with it all calls.
    pub(super) fn lose_calls(&mut self) {
        for question in self.questions.values_mut() {
            self.watched.end(question.call.take(), CallOutcome::Lost);
        }
        self.watched.lose_own();
    }

    /// Checks a received message of this many bytes, which is [held](Self::hold) already. `late`: the deadline of the call has passed.
    ///
    /// # Errors
    /// The peer sends more questions and does not look at their refusals, or the message is malformed.
    pub(super) fn inbound(
        &mut self,
        message: message::Reader<'_>,
        bytes: usize,
        checked: Checked,
        late: bool,
        limits: &Limits,
    ) -> capnp::Result<MessageDecision> {
        match message.which() {
            Ok(message::Bootstrap(bootstrap)) => {
                let question = bootstrap?.get_question_id();
                self.ask(question, bytes, checked, Dependencies::default(), limits)
            }
            Ok(message::Call(call)) => {
                let call = call?;
                let dependencies = Dependencies { late, ..self.dependencies(call)? };
                let decision = self.ask(call.get_question_id(), bytes, checked, dependencies, limits)?;
                if let MessageDecision::Pass { .. } = decision {
                    self.take_in(call.get_params()?)?;
                    self.there += 1;
                    return Ok(MessageDecision::Pass { is_call: true });
                }
                Ok(decision)
            }
            _ if !checked.paid => Ok(MessageDecision::NoMemory),
            Ok(message::Return(answer)) => {
                let answer = answer?;
                self.watched.answered(answer.get_answer_id(), outcome_of(answer)?);
                if !self.given_up.remove(&answer.get_answer_id())
                    && let Ok(return_::Results(results)) = answer.which()
                {
                    self.take_in(results?)?;
                }
                Ok(PASS)
            }
            Ok(message::Resolve(resolve)) => self.resolve(resolve?),
            Ok(message::Unimplemented(echo)) => {
                // capnp-rpc releases a capability that the peer did not take.
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

    fn resolve(&mut self, resolve: resolve::Reader<'_>) -> capnp::Result<MessageDecision> {
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

    fn finish(&mut self, finish: finish::Reader<'_>) -> capnp::Result<MessageDecision> {
        let id = finish.get_question_id();
        if self.refused.remove(&id) {
            self.refund(REFUSED_BYTES);
            return Ok(MessageDecision::Swallow);
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
            // It is cancelled, and gets no answer.
            self.watched.end(question.call, CallOutcome::Cancelled);
            self.running -= 1;
            self.cancelled += 1;
            self.overdraw(CANCELLED_BYTES);
        }
        Ok(PASS)
    }

    /// Whether the connection has too many cancelled calls and should be replaced.
    pub(super) fn is_worn_out(&self) -> bool {
        self.cancelled >= MAX_CANCELLED
    }

    /// Counts a message of this many bytes that capnp-rpc sends.
    pub(super) fn outbound(&mut self, message: message::Reader<'_>, bytes: usize) -> capnp::Result<()> {
        let answer = match message.which() {
            Ok(message::Return(answer)) => answer?,
            Ok(message::Call(call)) => {
                let call = call?;
                self.watched.ask(call.get_question_id(), (call.get_interface_id(), call.get_method_id()));
                return self.give(call.get_params()?).map(drop);
            }
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
                self.watched.answered(finish.get_question_id(), CallOutcome::Cancelled);
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
            // It was cancelled, and continued because another question depends on it.
            if self.cancelled > 0 {
                self.cancelled -= 1;
                self.refund(CANCELLED_BYTES);
            }
            return Ok(());
        };
        if !question.returned {
            question.returned = true;
            self.running -= 1;
            self.watched.end(question.call.take(), outcome_of(answer)?);
        }
        if answer.get_no_finish_needed() {
            let charged = question.charged;
            self.questions.remove(&answer.get_answer_id());
            self.credit.end_call();
            self.refund(charged);
        } else {
            question.kept = bytes;
            question.exports = exports;
            // Its buffers can have twice its size.
            question.charged += 2 * bytes;
            self.held += bytes;
            self.overdraw(2 * bytes);
        }
        Ok(())
    }
}

/// How the call of an answer ended.
pub(crate) fn outcome_of(answer: return_::Reader<'_>) -> capnp::Result<CallOutcome> {
    Ok(match answer.which() {
        Ok(return_::Exception(exception)) => {
            let reason = exception?.get_reason()?;
            let refused = reason.as_bytes().starts_with(NOT_EXECUTED.as_bytes());
            if refused { CallOutcome::Refused } else { CallOutcome::Failed }
        }
        Ok(return_::Canceled(())) => CallOutcome::Cancelled,
        _ => CallOutcome::Answered,
    })
}
