//! Writes requests: `ExportTraceServiceRequest` of OTLP 1, from `opentelemetry/proto/trace/v1/trace.proto`.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use app_core::trace::{AttributeValue, Attributes, SpanData, SpanEvent, SpanKind, SpanStatus, TraceContext};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::exporter::Encode;
use crate::transport::Body;
use crate::wire::Writer;

/// The version of OpenTelemetry's semantic conventions that names of attributes follow.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.45.0";

/// The memory that is kept for the next request.
const KEPT_BYTES: usize = 256 << 10;

/// How long parts usually are, so that their lengths need no second place.
const SPAN_BYTES: usize = 200;
const SMALL_BYTES: usize = 100;
const LARGE_BYTES: usize = 20_000;

/// Flags of a span: what is known of its parent.
const PARENT_IS_KNOWN: u32 = 0x100;
const PARENT_IS_REMOTE: u32 = 0x200;

/// Writes requests of one resource.
pub(crate) struct Encoder {
    resource: Vec<u8>,
    gzip: bool,
    writer: Writer,
}

impl Encoder {
    /// `resource` are the attributes of this process.
    pub(crate) fn new(resource: &[(String, ResourceValue)], gzip: bool) -> Self {
        let mut writer = Writer::default();
        for (key, value) in resource {
            let value = match value {
                ResourceValue::Text(text) => AttributeValue::Text(text),
                ResourceValue::Int(number) => AttributeValue::Int(*number),
            };
            attribute(&mut writer, 1, key, value);
        }
        Self { resource: writer.as_bytes().to_vec(), gzip, writer: Writer::default() }
    }

    fn write<'a>(&mut self, spans: impl Iterator<Item = &'a SpanData>) {
        let Self { resource, writer, .. } = self;
        writer.clear();
        // ResourceSpans
        writer.inside(1, LARGE_BYTES, |out| {
            out.bytes(1, resource);
            // ScopeSpans
            out.inside(2, LARGE_BYTES, |out| {
                // InstrumentationScope
                out.inside(1, SMALL_BYTES, |out| {
                    out.text(1, "app-core");
                    out.text(2, env!("CARGO_PKG_VERSION"));
                });
                for one in spans {
                    out.inside(2, SPAN_BYTES, |out| span(out, one));
                }
                out.text(3, SCHEMA_URL);
            });
            out.text(3, SCHEMA_URL);
        });
    }
}

impl Encode for Encoder {
    type Span = Box<SpanData>;

    fn request(&mut self, spans: &[Box<SpanData>]) -> Body {
        self.write(spans.iter().map(|span| &**span));
        let plain = self.writer.as_bytes();
        let compressed = self.gzip.then(|| compressed(plain)).flatten();
        let body = match compressed {
            Some(compressed) => Body { bytes: Bytes::from(compressed), gzip: true },
            None => Body { bytes: Bytes::copy_from_slice(plain), gzip: false },
        };
        if self.writer.len() > KEPT_BYTES {
            self.writer.clear();
            self.writer.shrink_to(KEPT_BYTES);
        }
        body
    }
}

/// A value of an attribute of the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResourceValue {
    Text(String),
    Int(i64),
}

/// `None` if it can't be compressed, which writing to memory does not allow for.
fn compressed(plain: &[u8]) -> Option<Vec<u8>> {
    // The fastest: a request is on its way within the machine or the data centre.
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4 + 64), Compression::fast());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok()
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn span(out: &mut Writer, span: &SpanData) {
    let context = span.context();
    out.bytes(1, &context.trace_id().to_bytes());
    out.bytes(2, &context.span_id().to_bytes());
    out.text(3, context.tracestate().unwrap_or_default());
    let parent = span.parent();
    if let Some(parent) = parent {
        out.bytes(4, &parent.id.to_bytes());
    }
    out.text(5, span.name());
    out.number(6, kind(span.kind()));
    out.fixed64(7, nanos(span.start()));
    out.fixed64(8, nanos(span.end()));
    attributes(out, 9, 10, span.attributes());
    attribute(out, 9, "target", AttributeValue::Text(span.target()));
    for one in span.events() {
        out.inside(11, SPAN_BYTES, |out| event(out, one));
    }
    if span.dropped_events() > 0 {
        out.number(12, span.dropped_events().into());
    }
    for to in span.links() {
        out.inside(13, SMALL_BYTES, |out| link(out, to));
    }
    if span.dropped_links() > 0 {
        out.number(14, span.dropped_links().into());
    }
    match span.status() {
        SpanStatus::Error(reason) => out.inside(15, SMALL_BYTES, |out| {
            out.text(2, reason);
            out.number(3, 2);
        }),
        SpanStatus::Ok => out.inside(15, SMALL_BYTES, |out| out.number(3, 1)),
        _ => {}
    }
    let remote = if parent.is_some_and(|parent| parent.is_remote) { PARENT_IS_REMOTE } else { 0 };
    out.fixed32(16, u32::from(context.sampled()) | PARENT_IS_KNOWN | remote);
}

fn kind(kind: SpanKind) -> u64 {
    match kind {
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
        _ => 1,
    }
}

fn event(out: &mut Writer, event: &SpanEvent) {
    out.fixed64(1, nanos(event.at()));
    out.text(2, event.name());
    attributes(out, 3, 4, event.attributes());
    if let Some(stack) = event.stacktrace() {
        attribute(out, 3, "exception.stacktrace", AttributeValue::Text(&stack));
    }
}

fn link(out: &mut Writer, to: &TraceContext) {
    out.bytes(1, &to.trace_id().to_bytes());
    out.bytes(2, &to.span_id().to_bytes());
    out.text(3, to.tracestate().unwrap_or_default());
    let remote = if to.is_remote() { PARENT_IS_REMOTE } else { 0 };
    out.fixed32(6, u32::from(to.sampled()) | PARENT_IS_KNOWN | remote);
}

fn attributes(out: &mut Writer, field: u32, dropped_field: u32, attributes: &Attributes) {
    for (key, value) in attributes.iter() {
        attribute(out, field, key, value);
    }
    if attributes.dropped() > 0 {
        out.number(dropped_field, attributes.dropped().into());
    }
}

/// `KeyValue` with its `AnyValue`.
fn attribute(out: &mut Writer, field: u32, key: &str, value: AttributeValue<'_>) {
    out.inside(field, SMALL_BYTES, |out| {
        out.text(1, key);
        out.inside(2, SMALL_BYTES, |out| match value {
            // An empty text is a value too.
            AttributeValue::Text(text) => out.bytes(1, text.as_bytes()),
            AttributeValue::Bool(value) => out.number(2, value.into()),
            AttributeValue::Int(number) => out.number(3, number as u64),
            AttributeValue::Float(number) => out.float(4, number),
            _ => {}
        });
    });
}

#[cfg(test)]
mod tests;
