//! The trace context: which trace and which span the running code belongs to.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use super::ids::{SpanId, TraceId};
use super::thread::{self, Current};
use super::w3c;

/// Which span the running code belongs to, in this process or in its caller's process.
///
/// Spans that begin inside are its children, and log records inside have its ids. Cheap to clone.
///
/// ```
/// use app_core::trace::TraceContext;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // From the headers of a request. Malformed ones count as absent: then a new trace begins.
/// let caller = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None);
/// let Some(caller) = caller else { return };
/// let headers = caller
///     .scope(async {
///         // For the headers of a request that this code makes.
///         TraceContext::current().map(|context| (context.traceparent(), context.tracestate().map(str::to_owned)))
///     })
///     .await;
/// assert_eq!(headers.unwrap().0, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TraceContext {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) flags: ContextFlags,
    pub(super) state: Option<Arc<str>>,
}

/// What is known of a context, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ContextFlags(pub(super) u8);

impl ContextFlags {
    /// The trace is exported.
    pub(super) const SAMPLED: u8 = 1;
    /// The span is of another process.
    pub(super) const REMOTE: u8 = 2;
    /// The other process showed who it is.
    pub(super) const VERIFIED: u8 = 4;
    /// Tasks that are spawned inside have no context: they outlive the span by far.
    pub(super) const NOT_FOR_TASKS: u8 = 8;
    /// The span keeps data for the sink.
    pub(super) const RECORDED: u8 = 16;
    /// The context has a tracestate.
    pub(super) const HAS_STATE: u8 = 32;

    #[inline]
    pub(super) fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    #[inline]
    pub(super) fn with(self, bit: u8, set: bool) -> Self {
        Self(if set { self.0 | bit } else { self.0 & !bit })
    }
}

impl TraceContext {
    /// The context of the running code: that of the innermost span on this thread, or the one it runs [within](Self::scope).
    ///
    /// As long as no tracing is on, this is one branch.
    #[inline]
    #[must_use]
    pub fn current() -> Option<Self> {
        if super::in_use() { thread::current() } else { None }
    }

    /// The ids of the running code, if its trace is sampled by this process or a verified peer. Cheaper than
    /// [`current`](Self::current).
    #[inline]
    #[must_use]
    pub fn current_sampled() -> Option<(TraceId, SpanId)> {
        if super::in_use() { thread::current_sampled() } else { None }
    }

    /// Reads the headers `traceparent` and `tracestate` of W3C Trace Context. The tracestate of several headers is joined
    /// by commas, in their order.
    ///
    /// `None` if the traceparent is malformed: ignore it then, and let a new trace begin. A malformed tracestate is left
    /// out. The sender counts as unverified, see [`verified`](Self::verified).
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        w3c::parse(traceparent, tracestate)
    }

    /// The context that a message in a form of its own has brought. A malformed tracestate is left out, and the sender counts as
    /// unverified.
    #[must_use]
    pub fn received(trace_id: TraceId, span_id: SpanId, sampled: bool, tracestate: Option<&str>) -> Self {
        let state = tracestate.and_then(w3c::state);
        let flags = ContextFlags(ContextFlags::REMOTE)
            .with(ContextFlags::SAMPLED, sampled)
            .with(ContextFlags::HAS_STATE, state.is_some());
        Self { trace_id, span_id, flags, state }
    }

    /// The same context, from a peer that showed who it is, such as by a certificate. Its decision about sampling then
    /// holds here, too. That of another peer is one among what the [`Sampler`](super::Sampler) looks at.
    #[must_use]
    pub fn verified(mut self) -> Self {
        self.flags = self.flags.with(ContextFlags::VERIFIED, true);
        self
    }

    /// The trace.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span.
    #[must_use]
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Whether the trace is sampled: its spans are exported.
    #[inline]
    #[must_use]
    pub fn sampled(&self) -> bool {
        self.flags.has(ContextFlags::SAMPLED)
    }

    /// Whether the span is of another process.
    #[inline]
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.flags.has(ContextFlags::REMOTE)
    }

    /// Whether the decision about sampling is that of this process, or of a peer that showed who it is.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        !self.is_remote() || self.flags.has(ContextFlags::VERIFIED)
    }

    /// The header `traceparent` for a request of the running code.
    #[must_use]
    pub fn traceparent(&self) -> String {
        w3c::traceparent(self)
    }

    /// The header `tracestate`, if there is one.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Runs a future within this context, on whichever thread it is polled.
    ///
    /// # Cancel safety
    /// As cancel safe as the future.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        scope(Some(self), future)
    }

    /// Calls a function within this context.
    pub fn run<T>(self, function: impl FnOnce() -> T) -> T {
        let _inside = thread::attach(Current::of(Some(self)));
        function()
    }
}

/// Runs a future within a context. `None` stands for no context.
pub(super) async fn scope<F: Future>(context: Option<TraceContext>, future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|polled| {
        let _inside = thread::attach(Current::of(context.clone()));
        future.as_mut().poll(polled)
    })
    .await
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceContext")
            .field("trace_id", &self.trace_id)
            .field("span_id", &self.span_id)
            .field("sampled", &self.sampled())
            .field("is_remote", &self.is_remote())
            .field("state", &self.state)
            .finish()
    }
}
