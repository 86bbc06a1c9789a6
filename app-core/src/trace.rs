//! Traces: which span the running code belongs to, in every log record and across threads, commands, tasks and processes.
//!
//! The API for spans is the crate [`tracing`](https://docs.rs/tracing) (`#[instrument]`, `info_span!`). So the spans of
//! dependencies are in the trace without further work. This module is its receiver for the process: it makes the ids, keeps
//! what the [`SpanSink`] needs, and knows the [`TraceContext`] of the running code. A sink is a plugin: a service
//! [installs](install) it. Without one spans are off, and cost nothing that can be measured.
//!
//! Inside a span:
//! - every log record has its ids, `trace_id` and `span_id`, whether the trace is sampled or not;
//! - a command of a command server runs in the span of its caller, whichever thread runs it;
//! - a task of [`Service::spawn`](crate::Service::spawn) has the context of the code that spawned it. A task that a start
//!   function spawns has none, because it outlives the start. So has one that is spawned [`without`] it.
//!
//! For work that is handed over in other ways: [`CallerSpan::here`] where it is handed over, [`CallerSpan::run`] where it runs. For
//! other processes: [`TraceContext::current`] and its headers here, [`TraceContext::parse`] and [`TraceContext::scope`] there.
//!
//! A span's fields are its attributes: at most 64, and 4 KiB. The fields `otel.name`, `otel.kind`, `otel.status_code` and
//! `otel.status_description` set what their names say, as in the crate `tracing-opentelemetry`. A `tracing` event inside is an
//! event of the span, and one of level ERROR is its status. `#[instrument]` records all arguments, secrets too: say
//! `skip_all`, and name what the span needs.

mod attributes;
mod carried;
mod clock;
mod context;
mod dispatcher;
mod ids;
mod own;
mod sink;
mod span;
mod table;
mod thread;
mod visit;
mod w3c;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};

use app_errors::Error;
pub use tracing_core::{Level, LevelFilter};

pub use self::attributes::{AttributeValue, Attributes};
pub use self::carried::CallerSpan;
pub use self::context::TraceContext;
pub use self::ids::{SpanId, TraceId};
pub use self::own::OwnSpan;
pub use self::sink::{InstalledSink, Sampler, SamplingHint, SpanSink, TraceBegin, install, lost_spans};
pub use self::span::{SpanData, SpanEvent, SpanKind, SpanParent, SpanStatus};
pub(crate) use self::{
    carried::TaskContext,
    dispatcher::{EventReceiver, receive_events},
    own::Timeline,
};

/// Whether any code of this process ever had a context. It never becomes false again.
static IN_USE: AtomicBool = AtomicBool::new(false);

/// Whether any code of this process may have a context.
#[inline]
pub(crate) fn in_use() -> bool {
    // Relaxed: a thread that is to see a context has got it from another thread, and with it this flag.
    IN_USE.load(Ordering::Relaxed)
}

fn note_use() {
    if !in_use() {
        IN_USE.store(true, Ordering::Relaxed);
    }
}

/// The ids of the running code, for a log record.
pub(crate) fn current_ids() -> Option<(TraceId, SpanId)> {
    thread::current_ids()
}

/// Calls a function without a context: spans that begin inside begin traces of their own, and tasks have no context.
///
/// For work that happens to begin in a request and outlives it, such as a connection that others will use:
///
/// ```
/// use app_core::{prelude::*, trace};
///
/// fn connect(service: &Service) -> Result<(), Error> {
///     trace::without(|| service.spawn("connection", async { /* for all who call from now on */ }))
/// }
/// ```
pub fn without<T>(function: impl FnOnce() -> T) -> T {
    if !in_use() {
        return function();
    }
    let _inside = thread::attach(thread::Current::of(None));
    function()
}

/// Runs a future within a context, if there is one.
pub(crate) async fn within<F: Future>(context: Option<TraceContext>, future: F) -> F::Output {
    match context {
        Some(context) => context.scope(future).await,
        None => future.await,
    }
}

/// Makes no spans on this thread from now on. For the thread of a sink, whose own spans would never end.
pub fn leave_out_this_thread() {
    thread::leave_out();
}

/// Records an error in the current span, if its trace is sampled: as its status, with its stack as an event, and with these
/// attributes: `error.type` (the name of its id), `error.id`, `error.category` (bug, known edge case or config),
/// `error.severity`, and `error.uid`, which its log record has, too.
///
/// A `tracing` event of level ERROR does the same with the error in its field: `tracing::error!(error = &error as &dyn
/// std::error::Error)`.
pub fn record_error(error: &Error) {
    if in_use()
        && let Some(span) = thread::top_span()
    {
        table::change(span, |span| span.set_error(error));
    }
}
