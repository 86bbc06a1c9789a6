//! A span with all that a sink gets to know of it.

use std::borrow::Cow;
use std::fmt;
use std::time::{Instant, SystemTime};

use app_errors::Error;
use tracing_core::{Level, Metadata};

use super::attributes::{AttributeValue, Attributes, MOST_BYTES, head};
use super::clock;
use super::context::{ContextFlags, TraceContext};
use super::ids::SpanId;

/// The most events of a span, and the most links.
pub(super) const MOST_EVENTS: usize = 128;
/// The most bytes of the attributes of all events of a span.
const MOST_EVENT_BYTES: usize = 16 * 1024;
/// The longest name, and the longest description of a status, in bytes.
const MOST_NAME_BYTES: usize = 256;

/// Which part of a request a span is, as OpenTelemetry names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SpanKind {
    /// Work inside of the process.
    #[default]
    Internal,
    /// Handles a request of another process.
    Server,
    /// Makes a request of another process, and waits for the answer.
    Client,
    /// Sends a message.
    Producer,
    /// Handles a message.
    Consumer,
}

/// How the work of a span ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SpanStatus {
    /// Nothing was said about it.
    #[default]
    Unset,
    /// It was said that it ended well.
    Ok,
    /// It failed, for this reason.
    Error(String),
}

/// Something that happened during a span.
#[derive(Clone)]
pub struct SpanEvent {
    name: Cow<'static, str>,
    at: SystemTime,
    attributes: Attributes,
    error: Option<Error>,
}

/// The span that a span belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanParent {
    /// Its id. It is of the same trace.
    pub id: SpanId,
    /// Whether it is of another process.
    pub is_remote: bool,
}

/// A span that has ended, for a [`SpanSink`](super::SpanSink).
#[derive(Clone)]
pub struct SpanData {
    pub(super) name: Cow<'static, str>,
    target: &'static str,
    level: Level,
    metadata: Option<&'static Metadata<'static>>,
    context: TraceContext,
    parent: Option<SpanParent>,
    pub(super) kind: SpanKind,
    start: SystemTime,
    begun: Instant,
    end: SystemTime,
    pub(super) attributes: Attributes,
    events: Vec<SpanEvent>,
    event_bytes: usize,
    dropped_events: u32,
    links: Vec<TraceContext>,
    dropped_links: u32,
    pub(super) status: SpanStatus,
}

impl SpanData {
    /// A span that begins now.
    pub(super) fn begin(
        metadata: &'static Metadata<'static>,
        context: TraceContext,
        parent: Option<SpanParent>,
    ) -> Self {
        let (start, begun) = clock::now();
        let attributes = Attributes::with_room(MOST_BYTES, metadata.fields().len());
        Self {
            name: Cow::Borrowed(metadata.name()),
            target: metadata.target(),
            level: *metadata.level(),
            metadata: Some(metadata),
            attributes,
            ..Self::new(metadata.name(), metadata.target(), context, parent, (start, begun))
        }
    }

    /// A span of the platform, of level INFO.
    pub(super) fn new(
        name: impl Into<Cow<'static, str>>,
        target: &'static str,
        context: TraceContext,
        parent: Option<SpanParent>,
        (start, begun): (SystemTime, Instant),
    ) -> Self {
        Self {
            name: name.into(),
            target,
            level: Level::INFO,
            metadata: None,
            context,
            parent,
            kind: SpanKind::Internal,
            start,
            begun,
            end: start,
            attributes: Attributes::new(MOST_BYTES),
            events: Vec::new(),
            event_bytes: 0,
            dropped_events: 0,
            links: Vec::new(),
            dropped_links: 0,
            status: SpanStatus::Unset,
        }
    }

    /// The span ends now.
    pub(super) fn end_now(&mut self) {
        self.end_at(Instant::now());
    }

    pub(super) fn end_at(&mut self, end: Instant) {
        self.end = self.start + end.saturating_duration_since(self.begun);
    }

    /// The name: that of the span's macro, or its field `otel.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The part of the program that the span is of: the path of its module, unless its macro says otherwise.
    #[must_use]
    pub fn target(&self) -> &'static str {
        self.target
    }

    /// The level.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The file and the line of the span's macro.
    #[must_use]
    pub fn location(&self) -> Option<(&'static str, u32)> {
        let metadata = self.metadata?;
        Some((metadata.file()?, metadata.line()?))
    }

    /// The ids of the trace and of the span, and the tracestate.
    #[must_use]
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// The span that it belongs to. `None` if it is the first one of its trace.
    #[must_use]
    pub fn parent(&self) -> Option<SpanParent> {
        self.parent
    }

    /// Which part of a request it is: its field `otel.kind`.
    #[must_use]
    pub fn kind(&self) -> SpanKind {
        self.kind
    }

    /// When it began.
    #[must_use]
    pub fn start(&self) -> SystemTime {
        self.start
    }

    /// When it ended. Not before [`start`](Self::start): a change of the system's clock in between does not count.
    #[must_use]
    pub fn end(&self) -> SystemTime {
        self.end
    }

    /// The attributes: the fields of its macro, and those that were recorded later.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// What happened during the span, at most 128 events.
    #[must_use]
    pub fn events(&self) -> &[SpanEvent] {
        &self.events
    }

    /// How many events were left out, because there were too many.
    #[must_use]
    pub fn dropped_events(&self) -> u32 {
        self.dropped_events
    }

    /// Spans that it follows from, at most 128.
    #[must_use]
    pub fn links(&self) -> &[TraceContext] {
        &self.links
    }

    /// How many links were left out, because there were too many.
    #[must_use]
    pub fn dropped_links(&self) -> u32 {
        self.dropped_links
    }

    /// How it ended: the fields `otel.status_code` and `otel.status_description`, or an error that was recorded.
    #[must_use]
    pub fn status(&self) -> &SpanStatus {
        &self.status
    }

    /// Sets an attribute. A later value of a key replaces the earlier one.
    pub(super) fn set<'a>(
        &mut self,
        key: impl Into<Cow<'static, str>>,
        value: impl Into<AttributeValue<'a>>,
    ) {
        self.attributes.set(key, value.into());
    }

    pub(super) fn set_sampled(&mut self) {
        self.context.flags = self.context.flags.with(ContextFlags::SAMPLED, true);
    }

    pub(super) fn set_name(&mut self, name: &str) {
        self.name = Cow::Owned(head(name, MOST_NAME_BYTES).to_owned());
    }

    /// Says that it failed, unless an earlier status says how it ended.
    pub(super) fn set_failed(&mut self, reason: &str) {
        if self.status == SpanStatus::Unset {
            self.status = SpanStatus::Error(head(reason, MOST_NAME_BYTES).to_owned());
        }
    }

    /// Says that it failed, and why.
    pub(super) fn set_error(&mut self, error: &Error) {
        self.set_failed(&error.to_string());
        self.set("error.type", &*error_type(error));
        self.set("error.id", &*error.id().hex());
        self.set("error.category", &*error.error_type().to_string());
        self.set("error.severity", &*error.severity().to_string());
        self.set("error.uid", &*error.uid().to_string());
        self.add_event(SpanEvent::of_error(error));
    }

    /// How many bytes the attributes of one more event may have.
    pub(super) fn room_for_event(&self) -> usize {
        MOST_EVENT_BYTES.saturating_sub(self.event_bytes)
    }

    pub(super) fn add_event(&mut self, event: SpanEvent) {
        let bytes = event.attributes.bytes() + event.name.len();
        if self.events.len() >= MOST_EVENTS || bytes > self.room_for_event() {
            self.dropped_events = self.dropped_events.saturating_add(1);
            return;
        }
        self.event_bytes += bytes;
        self.events.push(event);
    }

    pub(super) fn add_link(&mut self, to: TraceContext) {
        if self.links.len() >= MOST_EVENTS {
            self.dropped_links = self.dropped_links.saturating_add(1);
        } else {
            self.links.push(to);
        }
    }
}

/// The kind of an error, for the attribute `error.type`: the name of its id, or the id.
fn error_type(error: &Error) -> String {
    error.id().name().map_or_else(|| error.id().hex(), str::to_owned)
}

impl SpanEvent {
    /// An event of now.
    pub(super) fn new(name: impl Into<Cow<'static, str>>, attributes: Attributes) -> Self {
        Self { name: name.into(), at: clock::now().0, attributes, error: None }
    }

    fn of_error(error: &Error) -> Self {
        let mut attributes = Attributes::new(MOST_BYTES);
        attributes.set("exception.type", AttributeValue::Text(&error_type(error)));
        attributes.set("exception.message", AttributeValue::Text(&error.to_string()));
        Self { error: Some(error.clone()), ..Self::new("exception", attributes) }
    }

    /// Its name: the message of a record, or `exception`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it happened.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// Its attributes, as OpenTelemetry names them.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The stack of the error, for the attribute `exception.stacktrace`. Slow: it finds the names of the functions.
    #[must_use]
    pub fn stacktrace(&self) -> Option<String> {
        let stack = self.error.as_ref()?.stack()?;
        let stack = stack.to_string();
        Some(head(&stack, MOST_EVENT_BYTES).to_owned())
    }
}

impl fmt::Debug for SpanData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanData")
            .field("name", &self.name)
            .field("context", &self.context)
            .field("parent", &self.parent)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SpanEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanEvent")
            .field("name", &self.name)
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}
