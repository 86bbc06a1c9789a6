//! Requests, read by types that prost generates from the fields of OTLP's `.proto` files.

use std::io::Read;
use std::sync::Arc;

use app_core::trace::{self, Level, LevelFilter, Sampler, SpanSink, TraceBegin};
use flate2::read::GzDecoder;
use parking_lot::Mutex;
use prost::Message;

use super::*;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Kept", tags = "1, 2, 3, 4")]
    value: Option<Kept>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kept {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Float(f64),
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "10")]
    dropped_attributes: u32,
    #[prost(message, repeated, tag = "11")]
    events: Vec<Event>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(fixed64, tag = "1")]
    time: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "3")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

impl Span {
    fn attribute(&self, key: &str) -> Option<&Kept> {
        let attribute = self.attributes.iter().find(|attribute| attribute.key == key)?;
        attribute.value.as_ref()?.value.as_ref()
    }
}

/// Keeps the spans of this test.
#[expect(clippy::vec_box, reason = "spans come in boxes")]
struct KeptSpans(Mutex<Vec<Box<SpanData>>>);

impl SpanSink for KeptSpans {
    fn admits(&self, target: &str, level: Level) -> bool {
        target.starts_with("app_tracing::encode") && level <= Level::INFO
    }

    fn max_level(&self) -> LevelFilter {
        LevelFilter::INFO
    }

    fn ended(&self, span: Box<SpanData>) {
        self.0.lock().push(span);
    }
}

struct All;

impl Sampler for All {
    fn sample(&self, _: &TraceBegin<'_>) -> bool {
        true
    }
}

/// The spans that `work` makes. One test at a time: the sink is that of the process.
#[expect(clippy::vec_box, reason = "spans come in boxes")]
fn spans_of(work: impl FnOnce()) -> Vec<Box<SpanData>> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    let kept = Arc::new(KeptSpans(Mutex::default()));
    let installed = trace::install(Arc::<KeptSpans>::clone(&kept), Arc::new(All)).unwrap();
    work();
    drop(installed);
    std::mem::take(&mut *kept.0.lock())
}

fn read(body: &Body) -> Request {
    let mut plain = Vec::new();
    if body.gzip {
        GzDecoder::new(&*body.bytes).read_to_end(&mut plain).unwrap();
    } else {
        plain.extend_from_slice(&body.bytes);
    }
    Request::decode(&*plain).unwrap()
}

fn spans_in(request: &Request) -> &[Span] {
    &request.resource_spans[0].scope_spans[0].spans
}

#[test]
fn a_request_has_all_of_its_spans() {
    let parent = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some("a=b"));
    let spans = spans_of(|| {
        parent.unwrap().run(|| {
            let outer = tracing::info_span!(
                "outer",
                otel.kind = "server",
                text = "",
                number = -7,
                float = 0.5,
                yes = true
            );
            outer.in_scope(|| {
                tracing::info_span!("inner").in_scope(|| tracing::error!(code = 9, "it broke"));
            });
        });
    });
    let resource = [
        ("service.name".to_owned(), ResourceValue::Text("shop".to_owned())),
        ("process.pid".to_owned(), ResourceValue::Int(7)),
    ];
    for gzip in [false, true] {
        let body = Encoder::new(&resource, gzip).request(&spans);
        assert_eq!(body.gzip, gzip);
        let request = read(&body);
        let all = &request.resource_spans[0];
        assert_eq!(
            (all.schema_url.as_str(), all.scope_spans[0].schema_url.as_str()),
            (SCHEMA_URL, SCHEMA_URL)
        );
        let keys: Vec<_> =
            all.resource.as_ref().unwrap().attributes.iter().map(|one| one.key.as_str()).collect();
        assert_eq!(keys, ["service.name", "process.pid"]);
        let [inner, outer] = spans_in(&request) else { panic!("{request:?}") };
        assert_eq!((outer.name.as_str(), outer.kind, outer.flags), ("outer", 2, 0x301));
        assert_eq!(outer.parent_span_id, [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
        assert_eq!((outer.trace_id[..2].to_vec(), outer.trace_state.as_str()), (vec![0x4b, 0xf9], "a=b"));
        for (key, value) in [
            ("text", Kept::Text(String::new())),
            ("number", Kept::Int(-7)),
            ("float", Kept::Float(0.5)),
            ("yes", Kept::Bool(true)),
        ] {
            assert_eq!(outer.attribute(key), Some(&value), "{key}");
        }
        assert_eq!((inner.parent_span_id.clone(), inner.flags), (outer.span_id.clone(), 0x101));
        assert_eq!((inner.trace_id.clone(), inner.kind), (outer.trace_id.clone(), 1));
        assert!(outer.start <= inner.start && inner.end <= outer.end && outer.start > 0);
        assert_eq!(inner.events[0].name, "it broke");
        assert_eq!(inner.status.as_ref().map(|status| status.code), Some(2));
    }
}

#[test]
fn many_spans_and_long_ones_keep_their_lengths() {
    let long = "x".repeat(3_000);
    let spans = spans_of(|| {
        for number in 0..600 {
            let text = if number % 50 == 0 { long.as_str() } else { "" };
            tracing::info_span!("one", number, text).in_scope(|| {});
        }
    });
    let mut encoder = Encoder::new(&[], false);
    for _ in 0..2 {
        let request = read(&encoder.request(&spans));
        let read = spans_in(&request);
        assert_eq!(read.len(), 600);
        for (number, span) in (0..).zip(read) {
            assert_eq!(span.attribute("number"), Some(&Kept::Int(number)));
        }
        assert_eq!(read[50].attribute("text"), Some(&Kept::Text(long.clone())));
    }
}
