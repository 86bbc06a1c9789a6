//! Spans of calls and of requests.

use app_core::trace::{AttributeValue, SpanData, SpanKind, SpanStatus, TraceContext};
use app_errors::errors::ILLEGAL_ARGUMENT;
use app_rpc::{CallFailure, RpcClient};
use quota_schema::quota_capnp::quota;
use tracing::{Instrument, info_span};

use crate::pki::AUTHORITY;
use crate::request::{self, connected};
use crate::sink::{on, spans};
use crate::stand::{self, NAME, Stand, client_of, config, eventually};

/// Makes a call in one of the two ways.
async fn ask(
    client: &RpcClient<quota::Client>,
    way: &str,
    rule: &'static str,
) -> Result<u32, app_rpc::CallError> {
    match way {
        "request" => request::ask(client, rule).await,
        _ => client.call(move |quota| stand::ask(quota, rule, 7)).await,
    }
}

fn of_kind(spans: &[SpanData], kind: SpanKind) -> &SpanData {
    let found: Vec<_> = spans.iter().filter(|span| span.kind() == kind).collect();
    assert_eq!(found.len(), 1, "{kind:?} in {spans:?}");
    found[0]
}

fn text<'a>(span: &'a SpanData, key: &str) -> &'a str {
    match span.attributes().get(key) {
        Some(AttributeValue::Text(text)) => text,
        other => panic!("{key} is {other:?} in {:?}", span.attributes()),
    }
}

#[tokio::test]
async fn a_call_is_a_span_of_the_client_and_one_of_the_server_in_the_trace_of_the_caller() {
    let _on = on().await;
    let stand = Stand::new().await;
    let client = stand.client();
    connected(&client).await;
    for way in ["call", "request"] {
        let caller = info_span!(parent: None, "caller");
        let context = caller.in_scope(|| TraceContext::current().unwrap());
        stand.seen.contexts.lock().unwrap().clear();
        assert_eq!(ask(&client, way, "echo").instrument(caller).await, Ok(7));
        let spans = spans(context.trace_id(), 3).await;
        assert_eq!(spans.len(), 3, "{way}: {spans:?}");
        let (in_client, in_server) = (of_kind(&spans, SpanKind::Client), of_kind(&spans, SpanKind::Server));
        assert_eq!(in_client.parent().map(|parent| parent.id), Some(context.span_id()), "{way}");
        let parent = in_server.parent().unwrap();
        assert_eq!((parent.id, parent.is_remote), (in_client.context().span_id(), true), "{way}");
        for span in [in_client, in_server] {
            assert_eq!(span.name(), "Quota/acquire", "{way}");
            assert_eq!(text(span, "rpc.method"), "Quota/acquire");
            assert_eq!(text(span, "rpc.system.name"), "capnproto");
            assert_eq!(text(span, "network.peer.address"), "127.0.0.1");
            assert_eq!((span.status(), span.attributes().get("error.type")), (&SpanStatus::Unset, None));
            assert_eq!(span.target(), "app_rpc");
        }
        assert_eq!(text(in_client, "server.address"), NAME.host());
        let port = i64::from(stand.address().port());
        assert_eq!(in_client.attributes().get("network.peer.port"), Some(AttributeValue::Int(port)));
        // The handler runs inside of the server's span.
        let seen = stand.seen.contexts.lock().unwrap().clone();
        assert_eq!(seen.len(), 1, "{way}");
        assert_eq!(seen[0].span_id(), in_server.context().span_id());
    }
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_outside_of_any_span_begins_a_trace() {
    let _on = on().await;
    let stand = Stand::new().await;
    let client = stand.client();
    assert_eq!(ask(&client, "call", "echo").await, Ok(7));
    let seen = stand.seen.contexts.lock().unwrap().clone();
    let spans = spans(seen[0].trace_id(), 2).await;
    assert_eq!(of_kind(&spans, SpanKind::Client).parent(), None);
    assert_eq!(spans.len(), 2);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn the_context_is_passed_on_with_its_state_and_its_decision_about_sampling() {
    let _on = on().await;
    let stand = Stand::new().await;
    let client = stand.client();
    connected(&client).await;
    for (way, flags) in [("call", "00"), ("call", "01"), ("request", "00"), ("request", "01")] {
        let id = app_ids::random_u64();
        let parent = format!("00-{id:016x}{id:016x}-b7ad6b7169203331-{flags}");
        let caller = TraceContext::parse(&parent, Some("vendor=value,other=2")).unwrap().verified();
        stand.seen.contexts.lock().unwrap().clear();
        assert_eq!(caller.clone().scope(ask(&client, way, "echo")).await, Ok(7));
        let seen = stand.seen.contexts.lock().unwrap().clone();
        assert_eq!(seen.len(), 1, "{way} {flags}");
        assert_eq!(seen[0].trace_id(), caller.trace_id());
        assert_ne!(seen[0].span_id(), caller.span_id());
        assert_eq!(seen[0].tracestate(), Some("vendor=value,other=2"));
        assert_eq!(seen[0].sampled(), flags == "01", "{way} {flags}");
    }
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_that_fails_says_why_on_both_sides() {
    let _on = on().await;
    let stand = Stand::new().await;
    let client = stand.client();
    connected(&client).await;
    for way in ["call", "request"] {
        let caller = info_span!(parent: None, "caller");
        let id = caller.in_scope(|| TraceContext::current().unwrap().trace_id());
        let failed = ask(&client, way, "illegal").instrument(caller).await.unwrap_err();
        assert!(failed.is(&ILLEGAL_ARGUMENT));
        let of_call = spans(id, 3).await;
        for kind in [SpanKind::Client, SpanKind::Server] {
            let span = of_kind(&of_call, kind);
            let SpanStatus::Error(reason) = span.status() else { panic!("{way} {span:?}") };
            assert!(reason.contains("permits: found 7; ask for fewer"), "{reason}");
            assert_eq!(text(span, "error.type"), "IllegalArgument");
            assert_eq!(text(span, "error.id"), ILLEGAL_ARGUMENT.id.hex());
            assert!(span.events().iter().any(|event| event.name() == "exception"));
        }

        let caller = info_span!(parent: None, "caller");
        let id = caller.in_scope(|| TraceContext::current().unwrap().trace_id());
        let failed = ask(&client, way, "fail").instrument(caller).await.unwrap_err();
        assert_eq!(failed.failure(), CallFailure::Failed);
        let of_call = spans(id, 3).await;
        for kind in [SpanKind::Client, SpanKind::Server] {
            let span = of_kind(&of_call, kind);
            assert_eq!(text(span, "error.type"), "failed");
            assert!(matches!(span.status(), SpanStatus::Error(reason) if reason.contains("on purpose")));
        }
    }
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_that_is_let_go_of_says_so_on_both_sides() {
    let _on = on().await;
    let stand = Stand::new().await;
    let client = stand.client();
    let service = stand.app.new_service(app_core::prelude::ServiceId::new(app_ids::random_u64()), "caller");
    let caller = info_span!(parent: None, "caller");
    let id = caller.in_scope(|| TraceContext::current().unwrap().trace_id());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let hanging = async move {
        tokio::select! {
            _ = ask(&client, "call", "hang") => {}
            _ = stopped => {}
        }
    };
    service.spawn("caller", hanging.instrument(caller)).unwrap();
    eventually("the call runs", || stand.seen.running() == 1).await;
    drop(stop);
    let spans = spans(id, 3).await;
    assert_eq!(text(of_kind(&spans, SpanKind::Client), "error.type"), "cancelled");
    assert_eq!(text(of_kind(&spans, SpanKind::Server), "error.type"), "cancelled");
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_that_reaches_no_server_is_a_span_with_the_name_of_the_system() {
    let _on = on().await;
    let stand = Stand::new().await;
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = client_of(&stand.app, "lost", config(&[nowhere], &AUTHORITY));
    let caller = info_span!(parent: None, "caller");
    let id = caller.in_scope(|| TraceContext::current().unwrap().trace_id());
    let soon = tokio::time::Instant::now() + std::time::Duration::from_millis(300);
    let call = client.call_by(soon, |quota| stand::ask(quota, "echo", 7));
    assert_eq!(call.instrument(caller).await.unwrap_err().failure(), CallFailure::NotSent);
    let spans = spans(id, 2).await;
    let span = of_kind(&spans, SpanKind::Client);
    assert_eq!((span.name(), text(span, "error.type")), ("capnproto", "not_sent"));
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn connections_that_a_call_makes_are_not_in_its_trace() {
    let _on = on().await;
    let stand = Stand::new().await;
    let caller = info_span!(parent: None, "caller");
    let context = caller.in_scope(|| TraceContext::current().unwrap());
    let made_inside = async {
        let client = stand.client();
        connected(&client).await;
        client
    };
    let client = made_inside.instrument(caller).await;
    stand.seen.contexts.lock().unwrap().clear();
    for way in ["call", "request"] {
        assert_eq!(ask(&client, way, "echo").await, Ok(7));
    }
    let seen = stand.seen.contexts.lock().unwrap().clone();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|later| later.trace_id() != context.trace_id()), "{seen:?}");
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn many_calls_at_once_each_have_their_own_trace() {
    let _on = on().await;
    let stand = Stand::new().await;
    let client = stand.client();
    connected(&client).await;
    let service = stand.app.new_service(app_core::prelude::ServiceId::new(app_ids::random_u64()), "callers");
    let mut callers = Vec::new();
    for number in 0..64 {
        let (client, way) = (client.clone(), if number % 2 == 0 { "call" } else { "request" });
        let span = info_span!(parent: None, "caller");
        let id = span.in_scope(|| TraceContext::current().unwrap().trace_id());
        let (done, answer) = tokio::sync::oneshot::channel();
        let call = async move { drop(done.send(ask(&client, way, "echo").await)) };
        service.spawn("caller", call.instrument(span)).unwrap();
        callers.push((id, answer));
    }
    for (id, answer) in callers {
        assert_eq!(answer.await.unwrap(), Ok(7));
        let of_call = spans(id, 3).await;
        let (in_client, in_server) =
            (of_kind(&of_call, SpanKind::Client), of_kind(&of_call, SpanKind::Server));
        assert_eq!(in_server.parent().unwrap().id, in_client.context().span_id());
    }
    stand.app.stop().await.expect_clean();
}
