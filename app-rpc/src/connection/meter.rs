//! The calls of a connection that are in flight.
//!
//! A question is in flight until it was answered *and* the peer said that it is done with the answer: until then capnp-rpc keeps it.
//! Those beyond the limits are refused: answered here, and never seen by capnp-rpc. Whatever refers to a refused one is refused too.

use std::collections::{HashMap, HashSet};

use capnp_rpc::rpc_capnp::{cap_descriptor, finish, message, message_target, payload, return_};

use crate::Limits;

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

/// A question that capnp-rpc has.
#[derive(Default)]
struct Question {
    returned: bool,
    finished: bool,
    /// Bytes of the answer, which is kept until the peer is done with it.
    kept: usize,
}

/// Counts questions and bytes.
#[derive(Default)]
pub(super) struct Meter {
    questions: HashMap<u32, Question>,
    refused: HashSet<u32>,
    /// Questions that were not answered yet.
    running: usize,
    /// Bytes of messages that came in and are still there, and of answers that are kept.
    held: usize,
    /// How many were refused, ever.
    refusals: u64,
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

    /// Looks at a message of so many bytes that came in.
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
                self.ask(question, bytes, false, limits)
            }
            Ok(message::Call(call)) => {
                let call = call?;
                let rests_on_refused = !self.refused.is_empty()
                    && (self.is_refused(call.get_target()?)? || self.takes_refused(call.get_params()?)?);
                self.ask(call.get_question_id(), bytes, rests_on_refused, limits)
            }
            Ok(message::Finish(finish)) => self.finish(finish?),
            _ => Ok(Verdict::Pass),
        }
    }

    fn ask(
        &mut self,
        question: u32,
        bytes: usize,
        rests_on_refused: bool,
        limits: &Limits,
    ) -> capnp::Result<Verdict> {
        if self.questions.contains_key(&question) || self.refused.contains(&question) {
            return Err(capnp::Error::failed(format!("question id {question} is in use already")));
        }
        let reason = if let Some(reason) = self.closed_to_calls {
            reason
        } else if rests_on_refused {
            "it rests on a call that was refused"
        } else if self.questions.len() >= limits.calls {
            "too many calls of this connection are in flight"
        } else if self.held > 0 && self.held + bytes > limits.held_bytes {
            "the calls of this connection that are in flight are too large together"
        } else {
            self.questions.insert(question, Question::default());
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

    fn is_refused(&self, target: message_target::Reader<'_>) -> capnp::Result<bool> {
        Ok(match target.which() {
            Ok(message_target::PromisedAnswer(answer)) => self.refused.contains(&answer?.get_question_id()),
            _ => false,
        })
    }

    fn takes_refused(&self, params: payload::Reader<'_>) -> capnp::Result<bool> {
        for capability in params.get_cap_table()? {
            if let Ok(cap_descriptor::ReceiverAnswer(answer)) = capability.which()
                && self.refused.contains(&answer?.get_question_id())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn finish(&mut self, finish: finish::Reader<'_>) -> capnp::Result<Verdict> {
        let id = finish.get_question_id();
        if self.refused.remove(&id) {
            return Ok(Verdict::Swallow);
        }
        let Some(question) = self.questions.get_mut(&id) else { return Ok(Verdict::Pass) };
        question.finished = true;
        if question.returned {
            let kept = question.kept;
            self.questions.remove(&id);
            self.release(kept);
        }
        Ok(Verdict::Pass)
    }

    /// Looks at a message of so many bytes that capnp-rpc sends.
    pub(super) fn outbound(&mut self, message: message::Reader<'_>, bytes: usize) -> capnp::Result<()> {
        let Ok(message::Return(answer)) = message.which() else { return Ok(()) };
        let answer: return_::Reader<'_> = answer?;
        let Some(question) = self.questions.get_mut(&answer.get_answer_id()) else { return Ok(()) };
        if !question.returned {
            question.returned = true;
            self.running -= 1;
        }
        if question.finished || answer.get_no_finish_needed() {
            self.questions.remove(&answer.get_answer_id());
        } else {
            question.kept = bytes;
            self.held += bytes;
        }
        Ok(())
    }
}
