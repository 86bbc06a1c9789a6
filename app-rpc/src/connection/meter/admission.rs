//! Whether a question may begin.

use capnp_rpc::rpc_capnp::{call, cap_descriptor, message_target};

use super::capabilities::{MAX_EXPORTS, MAX_IMPORTS};
use super::{CallMeter, MessageDecision, PASS, Question, REFUSED_BYTES};
use crate::Limits;
use crate::connection::policy::Checked;
use crate::connection::watch::{MethodKey, RefusedCall};

/// The longest chain of questions without answers that depend on each other.
const MAX_DEPTH: u32 = 64;

/// The memory of a call in capnp-rpc until the peer has finished with its answer.
const QUESTION_BYTES: usize = 512;

/// What a question depends on, and what is known about the call in it.
#[derive(Default)]
pub(super) struct Dependencies {
    pub(super) depth: u32,
    /// Whether one of them was refused.
    pub(super) on_refused: bool,
    /// The method of a call.
    pub(super) method: Option<MethodKey>,
    /// Whether the deadline of the call has passed.
    pub(super) late: bool,
}

impl CallMeter {
    /// Counts a question, or refuses it.
    pub(super) fn ask(
        &mut self,
        question: u32,
        bytes: usize,
        checked: Checked,
        dependencies: Dependencies,
        limits: &Limits,
    ) -> capnp::Result<MessageDecision> {
        if self.questions.contains_key(&question) || self.refused.contains(&question) {
            return Err(capnp::Error::failed(format!("question id {question} is in use already")));
        }
        let why = match self.objection(bytes, &checked, &dependencies, limits) {
            Some(why) => why,
            None => match self.begin(question, &checked, &dependencies, limits) {
                Ok(()) => return Ok(PASS),
                Err(why) => why,
            },
        };
        let reason = match (why, self.closed_to_calls, checked.objection) {
            (RefusedCall::Closing, Some(reason), _) => reason.into(),
            (RefusedCall::Unsupported, _, Some(objection)) => objection.into(),
            _ => why.text().into(),
        };
        if self.refused.len() >= limits.calls {
            return Err(capnp::Error::overloaded(
                "too many calls of this connection were refused, and the answers not looked at".to_owned(),
            ));
        }
        self.refused.insert(question);
        self.overdraw(REFUSED_BYTES);
        self.refusals += 1;
        if let Some(method) = dependencies.method {
            self.watched.refuse(method, why);
        }
        Ok(MessageDecision::Refuse { question, reason, retry: why.retry() })
    }

    /// Why this connection takes no such question now.
    fn objection(
        &self,
        bytes: usize,
        checked: &Checked,
        dependencies: &Dependencies,
        limits: &Limits,
    ) -> Option<RefusedCall> {
        let reasons = [
            (self.closed_to_calls.is_some(), RefusedCall::Closing),
            (checked.objection.is_some(), RefusedCall::Unsupported),
            (dependencies.on_refused, RefusedCall::OnRefused),
            (dependencies.depth > MAX_DEPTH, RefusedCall::TooDeep),
            (dependencies.late, RefusedCall::Late),
            (self.questions.len().max(self.there) >= limits.calls, RefusedCall::ConnectionCalls),
            (
                self.exports.len() >= MAX_EXPORTS || self.imports.len() >= MAX_IMPORTS,
                RefusedCall::Capabilities,
            ),
            (self.held > limits.held_bytes && self.held > bytes, RefusedCall::HeldBytes),
        ];
        reasons.into_iter().find_map(|(holds, why)| holds.then_some(why))
    }

    /// Counts and charges a question, if the client and the server have room for it.
    fn begin(
        &mut self,
        question: u32,
        checked: &Checked,
        dependencies: &Dependencies,
        limits: &Limits,
    ) -> Result<(), RefusedCall> {
        if !self.credit.begin_call(limits.calls_of_peer()) {
            return Err(RefusedCall::ClientCalls);
        }
        let charged = checked.paid && self.credit.charge(QUESTION_BYTES);
        let admitted = match dependencies.method {
            _ if !charged => Err(RefusedCall::Memory),
            Some(_) => self.watched.admit(),
            None => Ok(()),
        };
        if let Err(why) = admitted {
            self.credit.end_call();
            if charged {
                self.credit.refund(QUESTION_BYTES);
            }
            return Err(why);
        }
        self.charged += QUESTION_BYTES;
        let call = dependencies.method.and_then(|method| self.watched.begin(method));
        let asked =
            Question { depth: dependencies.depth, charged: QUESTION_BYTES, call, ..Question::default() };
        self.questions.insert(question, asked);
        self.running += 1;
        Ok(())
    }

    /// The questions that a call depends on: by its target, and by the capabilities that it brings.
    pub(super) fn dependencies(&self, call: call::Reader<'_>) -> capnp::Result<Dependencies> {
        let method = Some((call.get_interface_id(), call.get_method_id()));
        let mut dependencies = Dependencies { method, ..Dependencies::default() };
        if let Ok(message_target::PromisedAnswer(answer)) = call.get_target()?.which() {
            self.depend_on(answer?.get_question_id(), &mut dependencies);
        }
        for capability in call.get_params()?.get_cap_table()? {
            if let Ok(cap_descriptor::ReceiverAnswer(answer)) = capability.which() {
                self.depend_on(answer?.get_question_id(), &mut dependencies);
            }
        }
        Ok(dependencies)
    }

    fn depend_on(&self, question: u32, dependencies: &mut Dependencies) {
        dependencies.on_refused |= self.refused.contains(&question);
        if let Some(asked) = self.questions.get(&question).filter(|asked| !asked.returned) {
            dependencies.depth = dependencies.depth.max(asked.depth + 1);
        }
    }
}
