//! The HTTP server of a running app, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use app_core::testing::TestApp;
use app_core::{App, AppBuilder, ExitStatus, Flags, Log, LogLevel, StopCause, plugins::linked_services};
use app_metrics::errors::HTTP_BIND_FAILED;
use app_metrics::log_events::{
    METRICS_HTTP_SERVER_STARTED, METRICS_HTTP_SERVER_STARTING, METRICS_HTTP_SERVER_STOPPED,
};
use app_metrics::testing::TestMetrics as _;
use app_metrics::{
    HTTP_REQUESTS, METRICS_SERVICE_ID, Metrics, Route, RouteFuture, RouteRequest, RouteResponse,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn instance(app: app_core::App) -> RouteFuture {
    Box::pin(async move {
        RouteResponse::json(503, &serde_json::json!({ "instance": app.instance().hex() }))
            .header("x-test", "yes")
    })
}

app_metrics::route! { Route::new("/instance", instance) }

fn say(_: App, request: RouteRequest) -> RouteFuture {
    Box::pin(async move {
        assert_eq!(request.parameter("other"), None);
        let [a, b] = ["a", "b"].map(|name| request.parameter(name).unwrap_or("-"));
        RouteResponse::text(200, format!("{} a={a} b={b}", request.path()))
    })
}

app_metrics::route! { Route::with_parameters("/say/{a}", say) }
app_metrics::route! { Route::with_parameters("/say/{a}/{b}", say) }
app_metrics::route! { Route::with_parameters("/say/{b}/all", say) }
app_metrics::route! { Route::new("/say/exactly", instance) }

async fn start() -> (TestApp, SocketAddr) {
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    let port = app.get::<Metrics>().bound_address().expect("it listens").port();
    (app, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

async fn ask(address: SocketAddr, method: &str, path: &str) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(20), client.read_to_string(&mut answer)).await;
    read.expect("an answer in time").unwrap();
    answer
}

#[tokio::test]
async fn a_scrape_is_the_text_format_with_the_process_in_it() {
    let (app, address) = start().await;
    let answer = ask(address, "GET", "/metrics").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(body.contains("\nprocess_resident_memory_bytes{domain=\"d0\",app=\"a0\",svc=\"0\""), "{body}");
    let head_only = ask(address, "HEAD", "/metrics").await;
    assert!(head_only.starts_with("HTTP/1.1 200 OK") && head_only.ends_with("\r\n\r\n"), "{head_only}");
    let refused = ask(address, "POST", "/metrics").await;
    assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET,HEAD"), "{refused}");
    assert!(ask(address, "GET", "/").await.starts_with("HTTP/1.1 404 "));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_contributed_route_is_served() {
    let (app, address) = start().await;
    let answer = ask(address, "GET", "/instance").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.contains("content-type: application/json\r\n") && answer.contains("x-test: yes\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with(&format!("{{\"instance\":\"{}\"}}", app.instance().hex())), "{answer}");
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_route_is_told_the_parameters_of_its_path() {
    let (app, address) = start().await;
    for (path, said) in [
        ("/say/one", "/say/one a=one b=-"),
        ("/say/one/two?b=3", "/say/one/two a=one b=two"),
        ("/say/one/all", "/say/one/all a=- b=one"),
        ("/say/exactly/two", "/say/exactly/two a=exactly b=two"),
        ("/say/a%2Fb%20%C3%A9", "/say/a%2Fb%20%C3%A9 a=a/b é b=-"),
    ] {
        let answer = ask(address, "GET", path).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&format!("\r\n\r\n{said}")),
            "{answer}"
        );
    }
    assert!(
        ask(address, "GET", "/say/exactly").await.starts_with("HTTP/1.1 503 "),
        "a literal segment takes precedence"
    );
    for nothing in ["/say", "/say/", "/say//two", "/say/one/", "/say/one/two/three"] {
        assert!(ask(address, "GET", nothing).await.starts_with("HTTP/1.1 404 "), "{nothing}");
    }
    assert!(ask(address, "GET", "/say/%ff").await.starts_with("HTTP/1.1 400 "));
    let head = ask(address, "HEAD", "/say/one").await;
    assert!(head.contains("content-length: 18\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let refused = ask(address, "DELETE", "/say/one").await;
    assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET,HEAD"), "{refused}");

    let counted = |labels| app.metric(METRICS_SERVICE_ID, HTTP_REQUESTS, labels);
    assert_eq!(counted(["/say/{a}", "GET", "200"]), 2.0, "the label is the route, not the path");
    assert_eq!(counted(["/say/{a}", "GET", "400"]), 1.0);
    assert_eq!(counted(["/say/{a}", "HEAD", "200"]), 1.0);
    assert_eq!(counted(["/say/{a}", "other", "405"]), 1.0);
    assert_eq!(counted(["/say/exactly", "GET", "503"]), 1.0);
    assert_eq!(counted(["none", "GET", "404"]) + counted(["/say/{a}/{b}", "GET", "404"]), 5.0);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn the_log_tells_where_it_listens_and_when_it_stopped() {
    let (app, _) = start().await;
    let log = app.captured().clone();
    let address = app.get::<Metrics>().bound_address().unwrap().to_string();
    app.stop().await.expect_clean();
    assert_eq!(log.with_event(METRICS_HTTP_SERVER_STARTING).len(), 1);
    assert_eq!(log.with_event(METRICS_HTTP_SERVER_STARTED)[0]["addr"], address.as_str());
    assert_eq!(log.with_event(METRICS_HTTP_SERVER_STOPPED).len(), 1);
}

#[tokio::test]
async fn a_busy_port_is_one_clear_start_error() {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    write_config(dir.path(), port);
    let app = AppBuilder::new()
        .flags(Flags::with_config_dir(dir.path()))
        .services(linked_services())
        .log(Log::captured(&TestApp::empty().await.identity().clone(), LogLevel::Info).0)
        .build()
        .unwrap();
    let report = app.start().await.unwrap_err();
    assert_eq!(report.exit_status(), ExitStatus::StartFailed);
    let StopCause::StartFailed(errors) = report.cause else { panic!("{report:?}") };
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(error.chain_has(&HTTP_BIND_FAILED), "{error:#}");
    let expected = format!(
        "metrics HTTP server: address 127.0.0.1:{port} is already in use; set httpPort in config 0xe3054017c1b1d214, \
         or stop the other process"
    );
    assert!(error.to_string().contains(&expected), "{error}");
}

fn write_config(dir: &std::path::Path, port: u16) {
    let mut message = capnp::message::Builder::new_default();
    let mut spec = message.init_root::<schema::metrics_capnp::metrics_service_spec::Builder<'_>>();
    spec.set_http_port(port);
    spec.set_bind_address("127.0.0.1");
    let mut file = Vec::new();
    app_config::codec::marshal(&message, &mut file).unwrap();
    std::fs::write(dir.join(format!("{METRICS_SERVICE_ID:#x}")), file).unwrap();
}
