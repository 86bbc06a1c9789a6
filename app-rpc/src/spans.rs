//! Spans of calls on both sides, with the names and attributes of OpenTelemetry's semantic conventions, version 1.45.0.
//!
//! A call of a client is one span, whatever its attempts. The server's span is its child: the context travels [beside the
//! message](crate::extra). Every client of a server has shown its certificate, so its decision about sampling holds. A client without
//! spans decides nothing: it passes on what it got, and whether that came from a peer that showed who it is.

use std::net::SocketAddr;

use app_core::trace::{self, SpanId, TraceContext, TraceId};
use capnp::capability::Promise;
use tracing::{Instrument, Level, Span, field, info_span, span_enabled};

use crate::exception::{exception_error, exception_text};
use crate::extra::CallerTrace;
use crate::methods::SpanName;

/// The name of a span whose method is not known, as the conventions ask: the name of the system.
pub(crate) const SYSTEM: &str = "capnproto";
/// The target of these spans, for filters.
pub(crate) const TARGET: &str = "app_rpc";
/// What ended a call whose future was dropped.
const CANCELLED: &str = "cancelled";

pub(crate) fn is_sampled(span: &Span) -> bool {
    span.in_scope(|| TraceContext::current_sampled().is_some())
}

pub(crate) fn record_failure(span: &Span, kind: &str, reason: &str) {
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", reason);
}

/// The span of a client's call in which this code runs, if it is sampled.
fn of_this_call() -> Option<Span> {
    TraceContext::current_sampled()?;
    let span = Span::current();
    let is_of_call = span.metadata().is_some_and(|of| of.name() == SYSTEM && of.target() == TARGET);
    is_of_call.then_some(span)
}

/// The code here sends a message for a call of this method. Returns what goes beside the message.
pub(crate) fn client_sends(method: (u64, u16)) -> Option<CallerTrace> {
    let context = TraceContext::current()?;
    if let Some(span) = of_this_call() {
        span.record("otel.name", field::display(SpanName(method)));
        span.record("rpc.method", field::display(SpanName(method)));
    }
    Some(CallerTrace {
        trace: context.trace_id().to_bytes(),
        span: context.span_id().to_bytes(),
        sampled: context.sampled(),
        trusted: context.is_trusted(),
        state: context.tracestate().unwrap_or_default().to_owned(),
    })
}

/// The call that this code makes has a connection to this instance.
pub(crate) fn client_connected(instance: SocketAddr) {
    if let Some(span) = of_this_call() {
        record_peer(&span, instance);
    }
}

fn record_peer(span: &Span, peer: SocketAddr) {
    span.record("network.peer.address", field::display(peer.ip()));
    span.record("network.peer.port", i64::from(peer.port()));
}

/// Begins a call of a client at this address, and runs it in a span: a child of the caller's.
pub(crate) fn server_call(
    method: (u64, u16),
    client: SocketAddr,
    caller: Option<CallerTrace>,
    begin: impl FnOnce() -> Promise<(), capnp::Error>,
) -> Promise<(), capnp::Error> {
    let caller = caller.and_then(received);
    let make = || {
        info_span!(
            target: TARGET,
            "capnproto",
            otel.kind = "server",
            otel.name = %SpanName(method),
            rpc.system.name = SYSTEM,
            rpc.method = %SpanName(method),
            network.peer.address = %client.ip(),
            network.peer.port = i64::from(client.port()),
            "error.type" = field::Empty,
            otel.status_code = field::Empty,
            otel.status_description = field::Empty,
        )
    };
    if !span_enabled!(target: TARGET, Level::INFO) {
        // Without spans of its own, this process passes the caller's on.
        let Some(caller) = caller else { return begin() };
        let handler = caller.clone().run(begin);
        return Promise::from_future(caller.scope(handler));
    }
    let span = match caller {
        Some(caller) => caller.run(make),
        None => trace::without(make),
    };
    let handler = span.in_scope(begin);
    let ends = SpanEnd(span.clone());
    let handled = async move {
        let result = handler.await;
        ends.with(|span| {
            if let Err(error) = &result {
                server_failed(span, error);
            }
        });
        result
    };
    Promise::from_future(handled.instrument(span))
}

/// The context of a caller. Ids of zeros count as absent.
fn received(caller: CallerTrace) -> Option<TraceContext> {
    let CallerTrace { trace, span, sampled, trusted, state } = caller;
    let (trace, span) = (TraceId::from_bytes(trace)?, SpanId::from_bytes(span)?);
    let context = TraceContext::received(trace, span, sampled, Some(&state));
    Some(if trusted { context.verified() } else { context })
}

fn server_failed(span: &Span, error: &capnp::Error) {
    if !is_sampled(span) {
        return;
    }
    match exception_error(error) {
        Some(error) => span.in_scope(|| trace::record_error(&error)),
        None => {
            let kind = match error.kind {
                capnp::ErrorKind::Overloaded => "overloaded",
                capnp::ErrorKind::Disconnected => "disconnected",
                capnp::ErrorKind::Unimplemented => "unimplemented",
                _ => "failed",
            };
            record_failure(span, kind, exception_text(error));
        }
    }
}

/// Records in its drop that the work of a span was cancelled.
pub(crate) struct SpanEnd(pub(crate) Span);

impl SpanEnd {
    /// The work has ended.
    pub(crate) fn with(mut self, end: impl FnOnce(&Span)) {
        end(&std::mem::replace(&mut self.0, Span::none()));
    }
}

impl Drop for SpanEnd {
    fn drop(&mut self) {
        if !self.0.is_disabled() {
            self.0.record("error.type", CANCELLED);
        }
    }
}
