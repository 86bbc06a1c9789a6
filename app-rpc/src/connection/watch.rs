//! What a connection tells about its calls: to limit the calls of all connections together, and to measure each method.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::refusal::Retry;

/// A method: the id of its interface, and its ordinal.
pub(crate) type MethodKey = (u64, u16);

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    /// It has results.
    Answered,
    /// It has an exception.
    Failed,
    /// The server refused it, and executed nothing.
    Refused,
    /// The caller let go of it.
    Cancelled,
    /// The connection ended before the answer.
    Lost,
}

/// Why a server does not begin a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusedCall {
    Closing,
    Unsupported,
    OnRefused,
    TooDeep,
    ConnectionCalls,
    Capabilities,
    HeldBytes,
    ClientCalls,
    Memory,
    ServerCalls,
    Queue,
    Late,
}

impl RefusedCall {
    /// All, in the order of their numbers.
    pub(crate) const ALL: [Self; 12] = [
        Self::Closing,
        Self::Unsupported,
        Self::OnRefused,
        Self::TooDeep,
        Self::ConnectionCalls,
        Self::Capabilities,
        Self::HeldBytes,
        Self::ClientCalls,
        Self::Memory,
        Self::ServerCalls,
        Self::Queue,
        Self::Late,
    ];

    /// The value of the label `reason`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Closing => "closing",
            Self::Unsupported => "unsupported",
            Self::OnRefused => "on_refused",
            Self::TooDeep => "too_deep",
            Self::ConnectionCalls => "connection_calls",
            Self::Capabilities => "capabilities",
            Self::HeldBytes => "held_bytes",
            Self::ClientCalls => "client_calls",
            Self::Memory => "memory",
            Self::ServerCalls => "server_calls",
            Self::Queue => "queue",
            Self::Late => "deadline",
        }
    }

    /// The text for the caller. A reason with another text of its own has an empty one here.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Closing | Self::Unsupported => "",
            Self::OnRefused => "it rests on a call that was refused",
            Self::TooDeep => "it rests on too many calls without an answer, one upon the other",
            Self::ConnectionCalls => "too many calls of this connection are in flight",
            Self::Capabilities => "this connection holds too many capabilities",
            Self::HeldBytes => "the calls of this connection that are in flight are too large together",
            Self::ClientCalls => {
                "too many calls of this client are in flight on all its connections together"
            }
            Self::Memory => "there is no memory left for more calls of this client",
            Self::ServerCalls => "too many calls are in flight on all connections of this server together",
            Self::Queue => "the server is overloaded: calls wait too long for a thread",
            Self::Late => super::refusal::TOO_LATE,
        }
    }

    pub(super) fn retry(self) -> Retry {
        match self {
            Self::Closing => Retry::Elsewhere,
            Self::Unsupported => Retry::Never,
            _ => Retry::Later,
        }
    }
}

/// Takes note of the calls of a connection.
pub(crate) trait CallWatch {
    /// How long the message that is read now may have waited for this thread, at most.
    fn waited(&self) -> Duration {
        Duration::ZERO
    }

    /// Counts a call of the peer, if it may begin. Each counted call ends once, by [`end`](Self::end).
    fn admit(&self) -> Result<(), RefusedCall> {
        Ok(())
    }

    /// A call of this method begins. Returns the number by which [`end`](Self::end) knows the method.
    fn begin(&self, method: MethodKey) -> usize;

    /// A call has ended.
    fn end(&self, method: usize, outcome: CallOutcome, time: Duration);

    /// A call of the peer was refused.
    fn refuse(&self, method: MethodKey, why: RefusedCall);

    /// A call is answered with an error, which may be encoded. [`end`](Self::end) follows.
    fn failed(&self, method: usize, text: &str, error: Option<&[u8]>) {
        let _ = (method, text, error);
    }
}

/// A watched call that has not ended.
#[derive(Clone, Copy)]
pub(super) struct RunningCall {
    method: usize,
    began: Instant,
}

/// The watch of a connection, if there is one, and the calls of this side.
#[derive(Default)]
pub(super) struct Watched {
    watch: Option<Rc<dyn CallWatch>>,
    /// The calls that this side makes and that have no answer, by their question.
    own: HashMap<u32, RunningCall>,
}

impl Watched {
    pub(super) fn by(watch: Option<Rc<dyn CallWatch>>) -> Self {
        Self { watch, own: HashMap::new() }
    }

    pub(super) fn waited(&self) -> Duration {
        self.watch.as_ref().map_or(Duration::ZERO, |watch| watch.waited())
    }

    /// Counts a call of the peer, if it may begin.
    pub(super) fn admit(&self) -> Result<(), RefusedCall> {
        self.watch.as_ref().map_or(Ok(()), |watch| watch.admit())
    }

    pub(super) fn begin(&self, method: MethodKey) -> Option<RunningCall> {
        let watch = self.watch.as_ref()?;
        Some(RunningCall { method: watch.begin(method), began: Instant::now() })
    }

    pub(super) fn end(&self, call: Option<RunningCall>, outcome: CallOutcome) {
        if let (Some(watch), Some(RunningCall { method, began })) = (&self.watch, call) {
            watch.end(method, outcome, began.elapsed());
        }
    }

    pub(super) fn failed(&self, call: Option<RunningCall>, text: &str, error: Option<&[u8]>) {
        if let (Some(watch), Some(call)) = (&self.watch, call) {
            watch.failed(call.method, text, error);
        }
    }

    pub(super) fn refuse(&self, method: MethodKey, why: RefusedCall) {
        if let Some(watch) = &self.watch {
            watch.refuse(method, why);
        }
    }

    /// This side asks the question.
    pub(super) fn ask(&mut self, question: u32, method: MethodKey) {
        if let Some(call) = self.begin(method) {
            self.own.insert(question, call);
        }
    }

    /// The question of this side has ended.
    pub(super) fn answered(&mut self, question: u32, outcome: CallOutcome) {
        let call = self.own.remove(&question);
        self.end(call, outcome);
    }

    /// The connection has ended.
    pub(super) fn lose_own(&mut self) {
        for (_, call) in std::mem::take(&mut self.own) {
            self.end(Some(call), CallOutcome::Lost);
        }
    }
}
