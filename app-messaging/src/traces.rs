//! Spans of messages on both sides, with the names and attributes of OpenTelemetry's semantic conventions, version 1.45.0.
//!
//! Sending is one span, whatever its attempts. The headers `traceparent` and `tracestate` carry its context. Handling a message is a
//! span too, a child of the sender's, and each delivery has one of its own. Who may publish in this domain is decided by the servers
//! and their accounts, so the sender's decision about sampling holds.

use app_core::prelude::Error;
use app_core::trace::{self, TraceContext};
use app_ids::MessageId;
use tracing::{Instrument, Span, field, info_span};

use crate::types::MessageInfo;
use crate::wire::{Headers, header};

/// The target of these spans, for filters.
const TARGET: &str = "app_messaging";

/// The most bytes of a header with a context.
const MAX_HEADER_BYTES: usize = 1024;

/// What a span of a sender does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// A stored message.
    Send,
    /// An event.
    Publish,
}

/// A span in which a message is made and sent.
pub(crate) fn sending(what: Sending, message: &MessageInfo, id: Option<&str>) -> Span {
    let word = match what {
        Sending::Send => "send",
        Sending::Publish => "publish",
    };
    let name = message.name();
    info_span!(
        target: TARGET,
        "send",
        otel.kind = "producer",
        otel.name = %format_args!("{word} {name}"),
        messaging.system = "nats",
        messaging.operation.name = word,
        messaging.operation.type = "send",
        messaging.destination.name = name,
        messaging.message.id = id,
        "error.type" = field::Empty,
        otel.status_code = field::Empty,
        otel.status_description = field::Empty,
    )
}

/// Says on the span of the running code why a message was not sent.
pub(crate) fn failed(span: &Span, kind: &str, reason: &dyn std::fmt::Display) {
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", field::display(reason));
}

/// The context of the running code, for the headers of a message.
pub(crate) fn context() -> (Option<String>, Option<String>) {
    let context = TraceContext::current();
    let state = context.as_ref().and_then(|context| context.tracestate().map(str::to_owned));
    (context.map(|context| context.traceparent()), state)
}

/// A message that is being handled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handling<'a> {
    pub(crate) message: MessageId,
    pub(crate) headers: &'a Headers,
    /// The consumer, a subscriber or a responder.
    pub(crate) consumer: &'a str,
    /// How many times it was delivered, this one included.
    pub(crate) deliveries: Option<u64>,
}

/// Why the handler of a message failed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HandlerFailure<'a> {
    /// The error that it returned.
    Error(&'a Error),
    /// A kind in one word, and the reason.
    Other(&'static str, &'a str),
}

/// Runs the handler of a message in a span, a child of the sender's. `failure` says why it failed, if it did.
pub(crate) async fn handled<T>(
    of: Handling<'_>,
    handler: impl Future<Output = T>,
    failure: impl FnOnce(&T) -> Option<HandlerFailure<'_>>,
) -> T {
    let sender = sender(of.headers);
    let span = within(sender.clone(), || processing(&of));
    if span.is_disabled() {
        // Without spans of its own, this process passes the sender's on.
        return match sender {
            Some(sender) => sender.scope(handler).await,
            None => handler.await,
        };
    }
    let result = handler.instrument(span.clone()).await;
    match failure(&result) {
        Some(HandlerFailure::Error(error)) => span.in_scope(|| trace::record_error(error)),
        Some(HandlerFailure::Other(kind, reason)) => failed(&span, kind, &reason),
        None => {}
    }
    result
}

fn processing(of: &Handling<'_>) -> Span {
    let hex;
    let name = match of.message.name() {
        Some(name) => name,
        None => {
            hex = of.message.hex();
            &hex
        }
    };
    info_span!(
        target: TARGET,
        "process",
        otel.kind = "consumer",
        otel.name = %format_args!("process {name}"),
        messaging.system = "nats",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = name,
        messaging.consumer.group.name = of.consumer,
        messaging.nats.delivery_count = of.deliveries,
        "error.type" = field::Empty,
        otel.status_code = field::Empty,
        otel.status_description = field::Empty,
    )
}

/// The context of the sender. `None` if there is none, or a malformed one: then a new trace begins.
fn sender(headers: &Headers) -> Option<TraceContext> {
    let value = |name| headers.get(name).filter(|value| value.len() <= MAX_HEADER_BYTES);
    let parent = value(header::TRACE_PARENT)?;
    TraceContext::parse(parent, value(header::TRACE_STATE)).map(TraceContext::verified)
}

/// Calls a function within the context of a sender, or without any.
fn within<T>(sender: Option<TraceContext>, make: impl FnOnce() -> T) -> T {
    match sender {
        Some(sender) => sender.run(make),
        None => trace::without(make),
    }
}
