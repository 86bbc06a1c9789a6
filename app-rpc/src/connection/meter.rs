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

use std::collections::{HashMap, HashSet};

use capnp_rpc::rpc_capnp::{
    call, cap_descriptor, finish, message, message_target, payload, resolve, return_,
};

use crate::Limits;

/// How deep questions may rest on one another.
const MAX_DEPTH: u32 = 64;

/// How many calls may be cancelled on one connection. capnp-rpc 0.27 does not answer a call that it cancelled, and so both ends keep
/// its number for ever: some 100 bytes each.
const MAX_CANCELLED: u32 = if cfg!(test) { 2_000 } else { 100_000 };

/// How many capabilities of ours a peer may hold.
const MAX_EXPORTS: usize = 4096;

/// How often a promise of the peer may turn out to be another promise, on one connection.
const MAX_REPROMISES: u32 = 64;

/// What becomes of a message that came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on to capnp-rpc.
    Pass,
    /// This question is answered here: it was not executed. Whether the peer had better use another connection from now on.
    Refuse { question: u32, reason: &'static str, leave: bool },
    /// It concerns a question that capnp-rpc has not seen.
    Swallow,
}

/// What a question rests on.
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
}

/// Counts questions and bytes.
#[derive(Default)]
pub(super) struct Meter {
    questions: HashMap<u32, Question>,
    refused: HashSet<u32>,
    /// How often the peer was given each capability of ours that it has not let go of.
    exports: HashMap<u32, u32>,
    /// Questions that were not answered yet.
    running: usize,
    /// Bytes of messages that came in and are still there, and of answers that are kept.
    held: usize,
    /// How many were refused, ever.
    refusals: u64,
    /// Questions that were let go of before they had an answer.
    cancelled: u32,
    /// Promises that turned out to be promises.
    repromises: u32,
    /// Why no call is accepted any more.
    closed_to_calls: Option<&'static str>,
}

impl Meter {
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

    pub(super) fn release(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
    }

    /// Looks at a message of so many bytes that came in, and is [held](Self::hold) already.
    ///
    /// # Errors
    /// The peer goes on asking without looking at what it is told, or the message is malformed.
    pub(super) fn inbound(
        &mut self,
        message: message::Reader<'_>,
        bytes: usize,
        limits: &Limits,
    ) -> capnp::Result<Verdict> {
        match message.which() {
            Ok(message::Bootstrap(bootstrap)) => {
                let question = bootstrap?.get_question_id();
                self.ask(question, bytes, Rests { depth: 0, on_refused: false }, limits)
            }
            Ok(message::Call(call)) => {
                let call = call?;
                let rests = self.rests(call)?;
                self.ask(call.get_question_id(), bytes, rests, limits)
            }
            Ok(message::Resolve(resolve)) => self.resolve(resolve?),
            Ok(message::Release(release)) => {
                let release = release?;
                self.let_go(release.get_id(), release.get_reference_count());
                Ok(Verdict::Pass)
            }
            Ok(message::Finish(finish)) => self.finish(finish?),
            _ => Ok(Verdict::Pass),
        }
    }

    fn ask(&mut self, question: u32, bytes: usize, rests: Rests, limits: &Limits) -> capnp::Result<Verdict> {
        if self.questions.contains_key(&question) || self.refused.contains(&question) {
            return Err(capnp::Error::failed(format!("question id {question} is in use already")));
        }
        let reason = if let Some(reason) = self.closed_to_calls {
            reason
        } else if rests.on_refused {
            "it rests on a call that was refused"
        } else if rests.depth > MAX_DEPTH {
            "it rests on too many calls without an answer, one upon the other"
        } else if self.questions.len() >= limits.calls {
            "too many calls of this connection are in flight"
        } else if self.exports.len() >= MAX_EXPORTS {
            "this connection holds too many capabilities"
        } else if self.held > limits.held_bytes && self.held > bytes {
            "the calls of this connection that are in flight are too large together"
        } else {
            self.questions.insert(question, Question { depth: rests.depth, ..Question::default() });
            self.running += 1;
            return Ok(Verdict::Pass);
        };
        if self.refused.len() >= limits.calls {
            return Err(capnp::Error::overloaded(
                "too many calls of this connection were refused, and the answers not looked at".to_owned(),
            ));
        }
        self.refused.insert(question);
        self.refusals += 1;
        let leave = self.closed_to_calls.is_some();
        Ok(Verdict::Refuse { question, reason, leave })
    }

    /// What a call rests on: its target, and the capabilities that it takes along.
    fn rests(&self, call: call::Reader<'_>) -> capnp::Result<Rests> {
        let mut rests = Rests { depth: 0, on_refused: false };
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
        if let Ok(resolve::Cap(capability)) = resolve.which()
            && let Ok(cap_descriptor::SenderPromise(_) | cap_descriptor::ReceiverAnswer(_)) =
                capability?.which()
        {
            self.repromises += 1;
            if self.repromises > MAX_REPROMISES {
                return Err(capnp::Error::failed("too many promises turned out to be promises".to_owned()));
            }
        }
        Ok(Verdict::Pass)
    }

    fn finish(&mut self, finish: finish::Reader<'_>) -> capnp::Result<Verdict> {
        let id = finish.get_question_id();
        if self.refused.remove(&id) {
            return Ok(Verdict::Swallow);
        }
        let Some(question) = self.questions.remove(&id) else { return Ok(Verdict::Pass) };
        self.release(question.kept);
        if finish.get_release_result_caps() {
            for id in question.exports {
                self.let_go(id, 1);
            }
        }
        if !question.returned {
            // It is cancelled, and nobody will answer it.
            self.running -= 1;
            self.cancelled += 1;
        }
        Ok(Verdict::Pass)
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
                    *self.exports.entry(id).or_default() += 1;
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        let exports = match answer.which() {
            Ok(return_::Results(results)) => self.give(results?)?,
            _ => Vec::new(),
        };
        let Some(question) = self.questions.get_mut(&answer.get_answer_id()) else { return Ok(()) };
        if !question.returned {
            question.returned = true;
            self.running -= 1;
        }
        if answer.get_no_finish_needed() {
            self.questions.remove(&answer.get_answer_id());
        } else {
            question.kept = bytes;
            question.exports = exports;
            self.held += bytes;
        }
        Ok(())
    }

    /// Notes the capabilities of ours that the peer is given.
    fn give(&mut self, payload: payload::Reader<'_>) -> capnp::Result<Vec<u32>> {
        let given: Vec<u32> =
            payload.get_cap_table()?.iter().filter_map(|capability| hosted(&capability)).collect();
        for id in &given {
            *self.exports.entry(*id).or_default() += 1;
        }
        Ok(given)
    }

    /// The peer lets go of a capability so many times. What it was not given is for capnp-rpc to refuse.
    fn let_go(&mut self, id: u32, count: u32) {
        if let Some(given) = self.exports.get_mut(&id) {
            *given = given.saturating_sub(count);
            if *given == 0 {
                self.exports.remove(&id);
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
