//! What the sink gets of a span.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use app_core::{
    prelude::*,
    trace::{self, AttributeValue, Level, SpanKind, SpanStatus, TraceContext},
};
use tracing::{Instrument, debug_span, field, info_span, instrument};

use crate::sink::{UNSAMPLED, assert_nested, ended, here, named, on, spans_of};

#[test]
fn nested_spans_are_children_and_end_inside_out() {
    let before = SystemTime::now();
    let spans = spans_of(|| {
        let _outer = info_span!("outer").entered();
        info_span!("first").in_scope(|| {});
        info_span!("second").in_scope(|| info_span!("inner").in_scope(|| {}));
    });
    let names: Vec<_> = spans.iter().map(|span| span.name().to_owned()).collect();
    assert_eq!(names, ["first", "inner", "second", "outer", "root"]);
    assert_nested(&spans, &["root", "outer", "second", "inner"]);
    assert_nested(&spans, &["outer", "first"]);
    assert_eq!(named(&spans, "root").parent(), None);
    let slack = Duration::from_secs(60);
    for span in &spans {
        assert!(span.start() <= span.end());
        assert!(span.start() + slack > before && span.end() < SystemTime::now() + slack);
        assert_eq!((span.level(), span.kind()), (Level::INFO, SpanKind::Internal));
        assert_eq!(span.status(), &SpanStatus::Unset);
    }
    let (outer, inner) = (named(&spans, "outer"), named(&spans, "inner"));
    assert!(outer.start() <= inner.start() && inner.end() <= outer.end());
    assert_eq!(outer.target(), "trace::data");
    assert!(outer.location().unwrap().0.ends_with("data.rs"), "{:?}", outer.location());
}

#[test]
fn fields_are_attributes_with_their_types() {
    struct Panics;
    impl fmt::Debug for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("on purpose")
        }
    }
    let spans = spans_of(|| {
        let span = info_span!(
            "with fields", text = "t", int = -1_i64, large = u64::MAX, float = 0.5, yes = true, shown = ?Some(1),
            printed = %"p", later = field::Empty, panics = ?Panics, huge = u128::MAX, small = 7_u128,
        );
        span.record("later", 5);
        span.record("text", "replaced");
        span.record("unknown", 1);
    });
    let attributes = named(&spans, "with fields").attributes();
    let expected = [
        ("int", AttributeValue::Int(-1)),
        ("large", AttributeValue::Text("18446744073709551615")),
        ("float", AttributeValue::Float(0.5)),
        ("yes", AttributeValue::Bool(true)),
        ("shown", AttributeValue::Text("Some(1)")),
        ("printed", AttributeValue::Text("p")),
        ("panics", AttributeValue::Text("<panicked>")),
        ("huge", AttributeValue::Text("340282366920938463463374607431768211455")),
        ("small", AttributeValue::Int(7)),
        ("later", AttributeValue::Int(5)),
        ("text", AttributeValue::Text("replaced")),
    ];
    assert_eq!(attributes.iter().collect::<Vec<_>>(), expected);
    assert_eq!(attributes.dropped(), 0);
}

#[test]
fn fields_of_opentelemetry_say_more_about_the_span() {
    let spans = spans_of(|| {
        info_span!(
            "named",
            otel.name = "GET /users",
            otel.kind = "SERVER",
            otel.status_code = "OK",
            otel.other = 1
        );
        let span = info_span!(
            "fails",
            otel.kind = "client",
            otel.status_code = field::Empty,
            otel.status_description = field::Empty
        );
        span.record("otel.status_code", "error");
        span.record("otel.status_description", "no route");
    });
    let span = named(&spans, "GET /users");
    assert_eq!((span.kind(), span.status()), (SpanKind::Server, &SpanStatus::Ok));
    assert_eq!(span.attributes().iter().collect::<Vec<_>>(), [("otel.other", AttributeValue::Int(1))]);
    let span = named(&spans, "fails");
    assert_eq!((span.kind(), span.status()), (SpanKind::Client, &SpanStatus::Error("no route".into())));
    assert!(span.attributes().is_empty());
}

#[test]
fn events_inside_are_events_of_the_span_and_an_error_is_its_status() {
    let spans = spans_of(|| {
        let _span = info_span!("busy").entered();
        tracing::info!(tries = 3, "tried");
        tracing::debug!("below the filter");
        tracing::error!(error = "no disk", "gave up");
    });
    let span = named(&spans, "busy");
    let names: Vec<_> = span.events().iter().map(trace::SpanEvent::name).collect();
    assert_eq!(names, ["tried", "gave up"]);
    let attributes: Vec<_> = span.events()[0].attributes().iter().collect();
    let expected = [
        ("level", AttributeValue::Text("INFO")),
        ("target", AttributeValue::Text("trace::data")),
        ("tries", AttributeValue::Int(3)),
    ];
    assert_eq!(attributes, expected);
    assert_eq!(span.status(), &SpanStatus::Error("no disk".into()));
    assert!(named(&spans, "root").events().is_empty(), "events are of the innermost span");
}

#[test]
fn values_of_an_event_have_the_types_of_those_of_a_span() {
    let spans = spans_of(|| {
        let _entered = info_span!("with values").entered();
        tracing::info!(small = 7_u128, below = -7_i128, huge = u128::MAX, "told");
    });
    let event = &named(&spans, "with values").events()[0];
    let expected = [
        ("small", AttributeValue::Int(7)),
        ("below", AttributeValue::Int(-7)),
        ("huge", AttributeValue::Text("340282366920938463463374607431768211455")),
    ];
    for (name, value) in expected {
        assert_eq!(event.attributes().get(name), Some(value), "{name}");
    }
}

#[test]
fn events_and_links_are_bounded_and_counted() {
    let spans = spans_of(|| {
        let span = info_span!("many");
        let _inside = span.enter();
        (0..200).for_each(|_| tracing::info!("again"));
        let other = info_span!("other");
        for _ in 0..200 {
            span.follows_from(&other);
        }
    });
    let span = named(&spans, "many");
    assert_eq!((span.events().len(), span.dropped_events()), (128, 72));
    assert_eq!((span.links().len(), span.dropped_links()), (128, 72));
    assert_eq!(span.links()[0].span_id(), named(&spans, "other").context().span_id());

    let long = "x".repeat(3_000);
    let spans = spans_of(|| (0..20).for_each(|_| tracing::info!(long, "long")));
    let root = named(&spans, "root");
    assert!(root.events().len() < 6, "{}", root.events().len());
    assert_eq!(root.events().len() as u32 + root.dropped_events(), 20);
}

#[test]
fn an_error_has_its_id_type_and_severity_and_its_stack() {
    let error = errors::CONFIG_FAILURE.error(ServiceId::new(7)).message("no rule").build();
    let spans = spans_of(|| {
        info_span!("by function").in_scope(|| trace::record_error(&error));
        info_span!("by event")
            .in_scope(|| tracing::error!(error = &error as &dyn std::error::Error, "failed"));
        info_span!("by field", err = &error as &dyn std::error::Error);
    });
    for name in ["by function", "by event", "by field"] {
        let span = named(&spans, name);
        assert_eq!(span.status(), &SpanStatus::Error("no rule".into()), "{name}");
        let id = errors::CONFIG_FAILURE.id.hex();
        assert_eq!(span.attributes().get("error.id"), Some(AttributeValue::Text(&id)), "{name}");
        assert!(matches!(span.attributes().get("error.type"), Some(AttributeValue::Text(_))), "{name}");
        let severity = errors::CONFIG_FAILURE.severity.to_string();
        assert_eq!(span.attributes().get("error.severity"), Some(AttributeValue::Text(&severity)), "{name}");
        let uid = error.uid().to_string();
        assert_eq!(span.attributes().get("error.uid"), Some(AttributeValue::Text(&uid)), "{name}");
        assert_eq!(span.attributes().get("error.category"), Some(AttributeValue::Text("config")), "{name}");
        let event = span.events().iter().find(|event| event.name() == "exception").unwrap();
        assert_eq!(event.attributes().get("exception.message"), Some(AttributeValue::Text("no rule")));
        assert_eq!(event.stacktrace().is_some(), error.stack().is_some());
    }
}

#[tokio::test]
async fn a_function_with_the_attribute_is_a_span_and_its_error_the_status() {
    #[instrument(skip_all, fields(permits), err)]
    async fn acquire(secret: &str, permits: u32) -> Result<(), Error> {
        tokio::task::yield_now().await;
        tracing::Span::current().record("permits", permits);
        inner(secret);
        Err(errors::CONFIG_FAILURE.error(ServiceId::new(7)).message("no rule").build())
    }

    #[instrument(skip_all)]
    fn inner(_: &str) {}

    on();
    let root = info_span!(parent: None, "root");
    let id = root.in_scope(|| here().trace_id());
    acquire("secret", 3).instrument(root).await.unwrap_err();
    let spans = ended(id);
    assert_nested(&spans, &["root", "acquire", "inner"]);
    let acquire = named(&spans, "acquire");
    assert_eq!(acquire.attributes().iter().collect::<Vec<_>>(), [("permits", AttributeValue::Int(3))]);
    assert_eq!(acquire.status(), &SpanStatus::Error("no rule".into()));
    assert!(!format!("{spans:?}").contains("secret"));
}

#[test]
fn the_filter_of_the_sink_decides_which_spans_begin() {
    let spans = spans_of(|| {
        debug_span!("too low").in_scope(|| info_span!("inside").in_scope(|| {}));
        debug_span!(target: "detailed", "low").in_scope(|| {});
    });
    assert!(spans.iter().all(|span| span.name() != "too low"), "{spans:?}");
    assert_nested(&spans, &["root", "inside"]);
    named(&spans, "low");
}

#[test]
fn an_unsampled_trace_has_ids_and_goes_to_no_sink() {
    on();
    let outer = info_span!(target: UNSAMPLED, parent: None, "outer", text = "t");
    let trace = outer.in_scope(|| {
        let outer = here();
        assert!(!outer.sampled());
        assert_eq!(TraceContext::current_sampled(), None);
        info_span!("inner").in_scope(|| {
            assert_eq!(here().trace_id(), outer.trace_id());
            assert_ne!(here().span_id(), outer.span_id());
            assert!(!here().sampled(), "as the trace");
            // `tracing` knows the span, too.
            assert_eq!(tracing::Span::current().metadata().unwrap().name(), "inner");
        });
        outer.trace_id()
    });
    drop(outer);
    assert!(ended(trace).is_empty());
}

#[test]
fn parents_may_be_chosen_and_spans_exited_in_any_order() {
    let spans = spans_of(|| {
        let (first, second) = (info_span!("first"), info_span!("second"));
        let (in_first, in_second) = (first.enter(), second.enter());
        info_span!(parent: &first, "of first").in_scope(|| {});
        drop(in_first);
        info_span!("of second").in_scope(|| {});
        drop(in_second);
        info_span!("of root").in_scope(|| {});
        assert_eq!(tracing::Span::current().metadata().unwrap().name(), "root");
    });
    assert_nested(&spans, &["root", "first", "of first"]);
    assert_nested(&spans, &["second", "of second"]);
    assert_nested(&spans, &["root", "of root"]);
}

#[test]
fn a_remote_parent_continues_its_trace_and_only_a_verified_one_decides_about_sampling() {
    on();
    let span = |context: TraceContext| {
        context.run(|| {
            info_span!("child")
                .in_scope(|| (here().trace_id(), here().sampled(), here().tracestate().map(str::to_owned)))
        })
    };
    let remote = |id: char, sampled: &str| {
        let text = format!("00-{}-00f067aa0ba902b7-{sampled}", id.to_string().repeat(32));
        TraceContext::parse(&text, Some("a=1")).unwrap()
    };
    for (id, sampled, verified, expected) in [
        ('1', "01", true, true),
        ('2', "00", true, false),
        ('3', "01", false, true),
        ('4', "00", false, true),
    ] {
        let parent = remote(id, sampled);
        let parent = if verified { parent.verified() } else { parent };
        let trusted = parent.clone().run(TraceContext::current_sampled);
        assert_eq!(trusted.is_some(), verified && sampled == "01", "{id}");
        let (trace, is_sampled, state) = span(parent.clone());
        assert_eq!((trace, is_sampled), (parent.trace_id(), expected), "{id}");
        assert_eq!(state.as_deref(), Some("a=1"));
        let spans = ended(trace);
        assert_eq!(spans.len(), usize::from(expected), "{id}");
        if let Some(child) = spans.first() {
            let parent_of = child.parent().unwrap();
            assert_eq!((parent_of.id, parent_of.is_remote), (parent.span_id(), true));
        }
    }
}

#[test]
fn a_million_spans_leave_nothing_behind() {
    on();
    let trace = info_span!(target: UNSAMPLED, parent: None, "root").in_scope(|| {
        for _ in 0..1_000_000 {
            info_span!("again", number = 1).in_scope(|| {});
        }
        here().trace_id()
    });
    assert!(ended(trace).is_empty());
    // The table has room for 261,120.
    assert_eq!(trace::lost_spans(), 0);
}
