//! The receiver of the crate `tracing` for the process: its events go to the log, its spans into the trace.
//!
//! The level of the log and the filter of the sink decide which call sites are on. `tracing` keeps that for each call site
//! until [`rebuild_interest_cache`], so a span that nothing wants costs one load and one comparison.
//!
//! [`rebuild_interest_cache`]: tracing_core::callsite::rebuild_interest_cache

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, OnceLock};

use app_errors::{Error, errors};
use tracing_core::span::{Attributes as NewSpan, Current as CurrentSpan, Id, Record};
use tracing_core::subscriber::Interest;
use tracing_core::{Event, Level, LevelFilter, Metadata, Subscriber};

use super::attributes::{AttributeValue, Attributes, MOST_BYTES};
use super::context::{ContextFlags, TraceContext};
use super::ids::{SpanId, TraceId};
use super::sink;
use super::span::{SpanData, SpanEvent, SpanParent};
use super::table::{self, NOTHING};
use super::thread::{self, Current};
use super::visit::{EventFieldsOf, SpanFields};

/// Gets the events of the crate `tracing`.
pub(crate) trait EventReceiver: Sync {
    /// Whether it takes events of this call site. The answer is kept, until the interest cache is rebuilt.
    fn admits(&self, metadata: &Metadata<'_>) -> bool;

    /// The lowest level that it takes.
    fn max_level(&self) -> LevelFilter;

    /// Takes an event, if it wants it.
    fn event(&self, event: &Event<'_>);
}

static RECEIVER: OnceLock<&'static dyn EventReceiver> = OnceLock::new();
static INSTALL: Once = Once::new();
static IS_SUBSCRIBER: AtomicBool = AtomicBool::new(false);

/// Passes events to this receiver from now on. Fails without an effect when the program has a subscriber of its own.
pub(crate) fn receive_events(receiver: &'static dyn EventReceiver) {
    // Set once: there is one log for the process.
    let _ = RECEIVER.set(receiver);
    become_subscriber();
}

fn become_subscriber() {
    INSTALL.call_once(|| {
        let dispatch = tracing_core::Dispatch::new(Dispatcher);
        let is_set = tracing_core::dispatcher::set_global_default(dispatch).is_ok();
        IS_SUBSCRIBER.store(is_set, Ordering::Release);
    });
}

pub(super) fn ensure_is_subscriber() -> Result<(), Error> {
    become_subscriber();
    if IS_SUBSCRIBER.load(Ordering::Acquire) {
        return Ok(());
    }
    let message = "spans cannot be collected: the program has set a subscriber of its own for the crate \"tracing\"; remove the call of `set_global_default` or of `init`";
    Err(errors::SERVICE_NOT_AVAILABLE.error(crate::APP_SERVICE).message(message).build())
}

struct Dispatcher;

impl Dispatcher {
    fn wants(metadata: &Metadata<'_>) -> bool {
        let is_span = metadata.is_span();
        let by_log = || RECEIVER.get().is_some_and(|receiver| receiver.admits(metadata));
        (!is_span && by_log()) || sink::admits(metadata.target(), *metadata.level())
    }
}

impl Subscriber for Dispatcher {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::wants(metadata) { Interest::always() } else { Interest::never() }
    }

    /// Only asked if the program has another subscriber beside this one.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Self::wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let log = RECEIVER.get().map_or(LevelFilter::OFF, |receiver| receiver.max_level());
        Some(log.max(sink::max_level()))
    }

    fn new_span(&self, new: &NewSpan<'_>) -> Id {
        if thread::is_left_out() {
            return Id::from_u64(NOTHING);
        }
        let parent = match new.parent() {
            Some(parent) => table::context(parent.into_u64()),
            None if new.is_root() => None,
            None => thread::current(),
        };
        let metadata = new.metadata();
        let context = child_of(parent.as_ref(), metadata.name(), metadata.target());
        let id = if context.sampled() {
            begin_sampled(new, context, parent.as_ref())
        } else {
            table::begin(metadata, &context, None)
        };
        if id == NOTHING {
            sink::lost();
        }
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let id = id.into_u64();
        if table::is_recorded(id) {
            // Values are printed without the lock: their code may use spans, too.
            let mut attributes = Attributes::new(MOST_BYTES);
            let mut fields = SpanFields::of_later(&mut attributes);
            values.record(&mut fields);
            let special = fields.special();
            table::change(id, |span| {
                span.attributes.set_all(&attributes);
                special.apply(span);
            });
        }
    }

    fn record_follows_from(&self, id: &Id, follows: &Id) {
        if let Some(context) = table::context(follows.into_u64()) {
            table::change(id.into_u64(), |span| span.add_link(context));
        }
    }

    fn event(&self, event: &Event<'_>) {
        if event.is_contextual() {
            if let Some(span) = thread::top_recorded() {
                add_event(span, event);
            }
            if let Some(receiver) = RECEIVER.get() {
                receiver.event(event);
            }
            return;
        }
        let parent = event.parent().map_or(0, Id::into_u64);
        if table::is_recorded(parent) {
            add_event(parent, event);
        }
        if let Some(receiver) = RECEIVER.get() {
            let _inside = thread::attach(Current { id: parent, context: table::context(parent) });
            receiver.event(event);
        }
    }

    fn enter(&self, id: &Id) {
        let id = id.into_u64();
        if let Some(slot) = table::find(id) {
            thread::push(id, slot);
        }
    }

    fn exit(&self, id: &Id) {
        thread::pop(id.into_u64());
    }

    fn clone_span(&self, id: &Id) -> Id {
        table::upgrade(id.into_u64());
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        close(id.into_u64())
    }

    fn current_span(&self) -> CurrentSpan {
        match thread::top_span().and_then(|id| Some((id, table::metadata(id)?))) {
            Some((id, metadata)) => CurrentSpan::new(Id::from_u64(id), metadata),
            None => CurrentSpan::none(),
        }
    }
}

/// Keeps a sampled span that begins, with its data for the sink.
#[inline(never)]
fn begin_sampled(new: &NewSpan<'_>, mut context: TraceContext, parent: Option<&TraceContext>) -> u64 {
    context.flags = context.flags.with(ContextFlags::RECORDED, true);
    let parent = parent.map(|parent| SpanParent { id: parent.span_id, is_remote: parent.is_remote() });
    let metadata = new.metadata();
    let mut data = Box::new(SpanData::begin(metadata, context.clone(), parent));
    let mut fields = SpanFields::of_new(&mut data.attributes);
    new.record(&mut fields);
    fields.special().apply(&mut data);
    table::begin(metadata, &context, Some(data))
}

/// The context of a span that begins.
#[inline]
fn child_of(parent: Option<&TraceContext>, name: &str, target: &str) -> TraceContext {
    let span_id = SpanId::random();
    let Some(parent) = parent else {
        let trace_id = TraceId::random();
        let sampled = sink::samples_new(trace_id, name, target);
        let flags = ContextFlags::default().with(ContextFlags::SAMPLED, sampled);
        return TraceContext { trace_id, span_id, flags, state: None };
    };
    let sampled =
        if parent.is_remote() { sink::samples_remote(parent, name, target) } else { parent.sampled() };
    let kept = ContextFlags::NOT_FOR_TASKS | ContextFlags::HAS_STATE;
    let flags = ContextFlags(parent.flags.0 & kept).with(ContextFlags::SAMPLED, sampled);
    TraceContext { trace_id: parent.trace_id, span_id, flags, state: parent.state.clone() }
}

/// Gives back a handle of a span. The last one ends the span.
pub(super) fn close(id: u64) -> bool {
    let (ended, data) = table::close(id);
    if let Some(mut data) = data {
        data.end_now();
        sink::deliver(data);
    }
    ended
}

/// Adds an event to a span, if the sink wants events like it. An error is also the status of the span.
fn add_event(id: u64, event: &Event<'_>) {
    let metadata = event.metadata();
    if !sink::admits(metadata.target(), *metadata.level()) {
        return;
    }
    let mut attributes = Attributes::new(MOST_BYTES);
    attributes.add("level", AttributeValue::Text(metadata.level().as_str()));
    attributes.add("target", AttributeValue::Text(metadata.target()));
    let mut fields = EventFieldsOf { attributes: &mut attributes, text: Default::default() };
    event.record(&mut fields);
    let text = fields.text;
    let is_error = *metadata.level() == Level::ERROR;
    let reason = text.error.clone().or_else(|| text.message.clone()).unwrap_or_default();
    let name = text.message.or(text.error).unwrap_or_else(|| metadata.name().to_owned());
    let event = SpanEvent::new(name, attributes);
    table::change(id, |span| {
        span.add_event(event);
        match text.known {
            Some(error) if is_error => span.set_error(&error),
            _ if is_error => span.set_failed(&reason),
            _ => {}
        }
    });
}
