//! The handler of a route runs within the trace of its client.

use app_core::App;
use app_core::testing::TestApp;
use app_core::trace::TraceContext;

use super::*;
use crate::http::router::answered_by;
use crate::route::{Handler, RouteFuture, RouteRequest, RouteResponse};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Says the headers that the handler would send with a request of its own.
async fn said() -> RouteResponse {
    tokio::task::yield_now().await;
    let context = TraceContext::current();
    let state = context.as_ref().and_then(TraceContext::tracestate).unwrap_or("-");
    let parent = context.as_ref().map_or_else(|| "none".to_owned(), TraceContext::traceparent);
    RouteResponse::text(200, format!("{parent} {state}"))
}

fn exact(_: App) -> RouteFuture {
    Box::pin(said())
}

fn with_parameters(_: App, _: RouteRequest) -> RouteFuture {
    Box::pin(said())
}

#[tokio::test]
async fn a_route_runs_in_the_trace_of_its_client_and_a_malformed_header_is_no_error() {
    let app = TestApp::empty().await;
    let routes = Router::new()
        .route("/exact", answered_by(app.app().clone(), Handler::Exact(exact)))
        .route("/with/{name}", answered_by(app.app().clone(), Handler::Parameters(with_parameters)));
    let server = Running::start(routes, Limits::default());
    let sent = format!("traceparent: {PARENT}\r\n");
    let inside = format!("{PARENT} -");
    let table = [
        (String::new(), "none -"),
        (sent.clone(), &*inside),
        (format!("TraceParent:   {PARENT}  \r\n"), &*inside),
        (format!("{sent}tracestate: a=1\r\ntracestate: b=2\r\n"), &*format!("{PARENT} a=1,b=2")),
        (format!("{sent}tracestate: =\r\n"), &*inside),
        (format!("{sent}{sent}"), "none -"),
        ("traceparent: 00-0-0-01\r\n".to_owned(), "none -"),
        (format!("traceparent: {}\r\n", PARENT.to_uppercase()), "none -"),
    ];
    for path in ["/exact", "/with/x"] {
        for (headers, expected) in &table {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\n\r\n");
            let answer = server.ask(&request).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{headers:?}: {answer}");
        }
    }
    server.stop().await;
    app.stop().await.expect_clean();
}
