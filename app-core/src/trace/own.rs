//! Spans of the platform that are told by the code that knows their end, instead of a macro.

use std::borrow::Cow;
use std::time::Instant;

use app_errors::Error;

use super::attributes::AttributeValue;
use super::clock;
use super::context::{ContextFlags, TraceContext};
use super::ids::{SpanId, TraceId};
use super::sink;
use super::span::{SpanData, SpanParent};

/// A span that only reaches the sink if [`deliver`](Self::deliver) is called. For what is worth a span only if it ends in
/// some way, such as a health check that fails.
///
/// Its trace begins with it. Spans inside are not sampled, because they would come without it. Log records inside have its
/// ids.
///
/// ```
/// use app_core::{prelude::*, trace::OwnSpan};
///
/// async fn probe(check: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
///     let Some(mut span) = OwnSpan::begin("probe", "my_crate") else { return check.await };
///     let result = span.context().scope(check).await;
///     if let Err(error) = &result {
///         span.fail(error);
///         span.deliver();
///     }
///     result
/// }
/// ```
#[derive(Debug)]
#[must_use = "it reaches the sink only by `deliver`"]
pub struct OwnSpan(Box<SpanData>);

impl OwnSpan {
    /// A span that begins now, of level INFO. `None` if no sink wants spans of this target.
    pub fn begin(name: impl Into<Cow<'static, str>>, target: &'static str) -> Option<Self> {
        if !super::in_use() || !sink::admits(target, super::Level::INFO) {
            return None;
        }
        let context = new_context(TraceId::random(), ContextFlags::default());
        Some(Self::new(name, target, context, None, Instant::now()))
    }

    fn new(
        name: impl Into<Cow<'static, str>>,
        target: &'static str,
        context: TraceContext,
        parent: Option<SpanParent>,
        begun: Instant,
    ) -> Self {
        let (now, at) = clock::now();
        let start = now.checked_sub(at.saturating_duration_since(begun)).unwrap_or(now);
        Self(Box::new(SpanData::new(name, target, context, parent, (start, begun))))
    }

    /// Its context, for the code inside.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        self.0.context().clone()
    }

    /// Sets an attribute. A later value of a key replaces the earlier one.
    pub fn set<'a>(&mut self, key: &'static str, value: impl Into<AttributeValue<'a>>) {
        self.0.set(key, value);
    }

    /// Says that it failed, and why: as its status, with id, type and severity as attributes, and with the stack as an event.
    pub fn fail(&mut self, error: &Error) {
        self.0.set_error(error);
    }

    /// Says that it failed, without an error of the platform.
    pub fn fail_because(&mut self, kind: &str, reason: &str) {
        self.0.set("error.type", kind);
        self.0.set_failed(reason);
    }

    /// It ends now, and goes to the sink if its trace is to be sampled.
    pub fn deliver(mut self) {
        let data = &self.0;
        if sink::samples_new(data.context().trace_id(), data.name(), data.target()) {
            self.0.set_sampled();
            self.0.end_now();
            sink::deliver(self.0);
        }
    }
}

fn new_context(trace_id: TraceId, flags: ContextFlags) -> TraceContext {
    TraceContext { trace_id, span_id: SpanId::random(), flags, state: None }
}

/// The target of the kernel's spans.
const KERNEL: &str = "app_core";

/// The start or the stop of an app: a span with one span inside for each service.
///
/// The sink is a service itself, so it is there only for a part of the time. What ends before it is there goes to it later.
pub(crate) struct Timeline {
    context: TraceContext,
    state: parking_lot::Mutex<TimelineState>,
}

struct TimelineState {
    /// `None` after the end.
    root: Option<OwnSpan>,
    /// Whether the trace is sampled, once there is a sink that says so.
    sampled: Option<bool>,
    /// Spans that ended before there was a sink. At most one for each service.
    early: Vec<OwnSpan>,
}

impl Timeline {
    /// A timeline that began at this moment.
    pub(crate) fn begin(name: impl Into<Cow<'static, str>>, begun: Instant) -> Self {
        let context = new_context(TraceId::random(), ContextFlags(ContextFlags::NOT_FOR_TASKS));
        let root = OwnSpan::new(name, KERNEL, context.clone(), None, begun);
        let state = TimelineState { root: Some(root), sampled: None, early: Vec::new() };
        Self { context, state: parking_lot::Mutex::new(state) }
    }

    /// A span inside that begins now.
    pub(crate) fn span(&self, name: impl Into<Cow<'static, str>>) -> OwnSpan {
        let parent = SpanParent { id: self.context.span_id, is_remote: false };
        let context = new_context(self.context.trace_id, self.context.flags);
        OwnSpan::new(name, KERNEL, context, Some(parent), Instant::now())
    }

    /// The context for the code of a span inside. `None` as long as there is no sink: then nothing else has a context, either.
    pub(crate) fn context_of(&self, span: &OwnSpan) -> Option<TraceContext> {
        let sampled = self.state.lock().is_sampled(&self.context)?;
        let mut context = span.context();
        context.flags = context.flags.with(ContextFlags::SAMPLED, sampled);
        Some(context)
    }

    /// A span inside has ended.
    pub(crate) fn ended(&self, mut span: OwnSpan) {
        span.0.end_now();
        let sampled = {
            let mut state = self.state.lock();
            if state.is_sampled(&self.context).is_none() {
                return state.early.push(span);
            }
            state.sampled
        };
        give(span, sampled);
    }

    /// Sets an attribute of the whole.
    pub(crate) fn change(&self, change: impl FnOnce(&mut OwnSpan)) {
        if let Some(root) = &mut self.state.lock().root {
            change(root);
        }
    }

    /// The whole has ended. Spans inside may still end. Later calls change nothing.
    pub(crate) fn finish(&self) {
        let (spans, sampled) = {
            let mut state = self.state.lock();
            let sampled = state.is_sampled(&self.context);
            let mut spans = std::mem::take(&mut state.early);
            spans.extend(state.root.take().map(|mut root| {
                root.0.end_now();
                root
            }));
            (spans, sampled)
        };
        spans.into_iter().for_each(|span| give(span, sampled));
    }
}

impl TimelineState {
    fn is_sampled(&mut self, context: &TraceContext) -> Option<bool> {
        if self.sampled.is_none() && super::in_use() && sink::is_installed() {
            let name = self.root.as_ref().map_or("", |root| root.0.name());
            let is_sampled = || sink::samples_new(context.trace_id, name, KERNEL);
            self.sampled = Some(sink::admits(KERNEL, super::Level::INFO) && is_sampled());
        }
        self.sampled
    }
}

fn give(mut span: OwnSpan, sampled: Option<bool>) {
    if sampled == Some(true) {
        span.0.set_sampled();
        sink::deliver(span.0);
    }
}
