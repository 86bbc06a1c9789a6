//! The server as a browser and as an attacker meet it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep};

#[path = "server/client.rs"]
mod client;
#[path = "server/fake.rs"]
mod fake;

use client::{Served, serve};
use fake::{EVIL, Fake};

const PATHS: [(&str, &str); 9] = [
    ("GET", "/api"),
    ("GET", "/api/fleet"),
    ("GET", "/api/stream?topics=summary"),
    ("GET", "/api/apps/one/points?names=a"),
    ("GET", "/api/apps/one/operation?service=0x1&name=a"),
    ("POST", "/api/apps/one/change"),
    ("POST", "/api/apps/one/call"),
    ("POST", "/api/apps/one/stacks"),
    ("DELETE", "/api/no/such/path"),
];

#[tokio::test]
async fn everything_under_api_answers_401_without_the_session() {
    let served = serve(Fake::with(1)).await;
    let session = served.session().await;
    for (method, path) in PATHS {
        for header in [
            String::new(),
            "authorization: Bearer \r\n".to_owned(),
            format!("authorization: Bearer {}\r\n", "0".repeat(64)),
            format!("authorization: Basic {session}\r\n"),
            format!("authorization: Bearer {session}0\r\n"),
            format!("authorization: {session}\r\n"),
            format!("cookie: session={session}\r\n"),
            format!("authorization: Bearer {session}\r\nauthorization: Bearer {session}\r\n"),
        ] {
            let answer = served.send(method, path, &header, "").await;
            assert_eq!(answer.status, 401, "{method} {path} with {header:?}: {answer:?}");
            assert!(answer.body.contains("no session"), "{answer:?}");
        }
    }
    assert_eq!(served.fake.questions(), 0, "no app was asked");
}

#[tokio::test]
async fn the_page_is_static_and_strict() {
    let served = serve(Fake::with(1)).await;
    for path in ["/", "/app.js", "/style.css", "/vendor/uPlot.js", "/icon.svg"] {
        let answer = served.send("GET", path, "", "").await;
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self';",
            "style-src 'self';",
            "connect-src 'self';",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
    }
    assert_eq!(served.send("POST", "/", "", "").await.status, 405);
    assert_eq!(served.send("GET", "/../Cargo.toml", "", "").await.status, 404);
    assert_eq!(served.send("GET", "/metrics.js", "", "").await.status, 404, "it is a part of app.js");
    let head = served.send("HEAD", "/", "", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_page_of_another_site_is_refused() {
    let served = serve(Fake::with(1)).await;
    let session = served.session().await;
    let port = served.address.port();
    let token = format!("authorization: Bearer {session}\r\n");
    // DNS rebinding: the browser believes that this server is the attacker's, and says so.
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "127.0.0.1",
        &format!("127.0.0.1.evil.example:{port}"),
        &format!("127.0.0.2:{port}"),
        "",
    ] {
        for path in ["/", "/api/fleet"] {
            let answer = served.send_to(host, "GET", path, &token, "").await;
            assert!([421, 400].contains(&answer.status), "{host}{path}: {answer:?}");
        }
    }
    for host in [format!("localhost:{port}"), format!("LOCALHOST:{port}"), format!("127.0.0.1:{port}")] {
        assert_eq!(served.send_to(&host, "GET", "/api/fleet", &token, "").await.status, 200, "{host}");
    }
    let two = format!("{token}host: evil.example\r\n");
    assert!([421, 400].contains(&served.send("GET", "/api/fleet", &two, "").await.status));
    assert_eq!(served.send("GET", "http://evil.example/api/fleet", &token, "").await.status, 421);
    // Requests across sites.
    let body = r#"{"change":"reload","reason":"r"}"#;
    for origin in [
        "http://evil.example",
        "null",
        "https://127.0.0.1",
        "http://127.0.0.1",
        &format!("http://127.0.0.1:{}", port ^ 1),
        "",
    ] {
        let headers = format!("{token}origin: {origin}\r\ncontent-type: application/json\r\n");
        let answer = served.send("POST", "/api/apps/one/change", &headers, body).await;
        assert_eq!(answer.status, 403, "{origin}: {answer:?}");
        let answer = served.send("POST", "/session", &headers, "{}").await;
        assert_eq!(answer.status, 403, "{origin}: {answer:?}");
    }
    for site in ["cross-site", "same-site"] {
        let headers = format!("{token}sec-fetch-site: {site}\r\n");
        assert_eq!(served.send("GET", "/api/fleet", &headers, "").await.status, 403, "{site}");
    }
    assert_eq!(served.fake.changes(), 0);
    let headers = format!("{token}origin: http://127.0.0.1:{port}\r\ncontent-type: application/json\r\n");
    assert_eq!(served.send("POST", "/api/apps/one/change", &headers, body).await.status, 200);
    assert_eq!(served.fake.changes(), 1);
}

#[tokio::test]
async fn a_token_is_good_once() {
    let served = serve(Fake::with(1)).await;
    let token = served.tokens.renew().unwrap();
    let body = json!({ "token": token }).to_string();
    let json = "content-type: application/json\r\n";
    assert_eq!(served.send("POST", "/session", "", &body).await.status, 415, "a form of another site");
    assert_eq!(served.send("POST", "/session", json, "{}").await.status, 400);
    assert_eq!(served.send("POST", "/session", json, r#"{"token":"0"}"#).await.status, 401);
    assert_eq!(served.send("GET", "/session", json, "").await.status, 405);
    let first = served.send("POST", "/session", json, &body).await;
    assert_eq!(first.status, 200, "{first:?}");
    let second = served.send("POST", "/session", json, &body).await;
    assert_eq!(second.status, 401);
    assert!(second.body.contains("press Enter"), "{second:?}");
    assert_eq!(second.header("cache-control"), "no-store");
}

#[tokio::test]
async fn the_fleet_is_what_the_apps_say() {
    let served = serve(Fake::with(3)).await;
    let session = served.session().await;
    let fleet = served.get(&session, "/api/fleet").await;
    let apps = fleet["apps"].as_array().unwrap();
    assert_eq!(apps.len(), 3);
    assert_eq!(apps[0]["key"], "one");
    assert_eq!(apps[0]["state"], "ready");
    assert_eq!(apps[0]["services"]["total"], 2);
    assert_eq!(apps[0]["checks"]["unhealthy"], 1);
}

#[tokio::test]
async fn what_apps_say_stays_text() {
    let served = serve(Fake::evil()).await;
    let session = served.session().await;
    let answer = served.send("GET", "/api/fleet", &format!("authorization: Bearer {session}\r\n"), "").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let fleet: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(fleet["apps"][0]["name"], EVIL);
    let mut stream = served.stream(&session, "app=one&topics=summary,services,checks,events").await;
    for topic in ["services", "checks", "events_items"] {
        let data = stream.event(topic).await;
        assert!(data.to_string().contains("<script>"), "{topic}: {data}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_app_is_asked_while_nobody_looks() {
    let served = serve(Fake::with(5)).await;
    let session = served.session().await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!((served.fake.questions(), served.fake.connections()), (0, 0));
    let stream = served.stream(&session, "topics=summary").await;
    sleep(Duration::from_secs(10)).await;
    assert!(served.fake.questions() > 5 * 10, "each is asked each second: {}", served.fake.questions());
    assert_eq!(served.fake.connections(), 5);
    drop(stream);
    // The server notices when it writes, at the latest with its next heartbeat.
    sleep(Duration::from_secs(40)).await;
    let asked = served.fake.questions();
    assert_eq!(served.fake.connections(), 0, "the connections are closed");
    sleep(Duration::from_secs(600)).await;
    assert_eq!(served.fake.questions(), asked);
}

#[tokio::test(start_paused = true)]
async fn only_what_the_page_shows_is_asked() {
    let served = serve(Fake::with(2)).await;
    let session = served.session().await;
    let _stream = served.stream(&session, "app=two&topics=summary,levels").await;
    sleep(Duration::from_secs(5)).await;
    assert!(served.fake.asked("two", "Levels") >= 4);
    for (key, question) in [("two", "Configs"), ("two", "Stacks"), ("two", "Check("), ("one", "")] {
        assert_eq!(served.fake.asked(key, question), 0, "{key}: {question}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_role_does_not_allow_is_told_and_not_asked() {
    let served = serve(Fake::with(1)).await;
    let session = served.session().await;
    let mut stream = served.stream(&session, "app=one&topics=summary,config").await;
    let config = stream.event("config").await;
    assert_eq!(config["effective"]["kind"], "denied", "{config}");
    assert!(config["effective"]["error"].as_str().unwrap().contains("needs the role operate"), "{config}");
    sleep(Duration::from_secs(10)).await;
    assert!(served.fake.asked("one", "Configs") > 1);
    assert_eq!(served.fake.asked("one", "name: \"show\""), 0);
    assert!(served.fake.asked("one", "name: \"whoami\"") > 0);
}

#[tokio::test(start_paused = true)]
async fn an_app_that_dies_and_comes_back_is_shown_as_such() {
    let served = serve(Fake::with(1)).await;
    let session = served.session().await;
    let mut stream = served.stream(&session, "topics=summary").await;
    stream.summary_until("ready").await;
    served.fake.die("one");
    let gone = stream.summary_until("unreachable").await;
    assert!(gone["problem"].as_str().unwrap().contains("connection refused"), "{gone}");
    served.fake.live("one");
    stream.summary_until("ready").await;
}

#[tokio::test(start_paused = true)]
async fn a_page_is_told_when_its_instance_is_no_longer_listed_and_when_it_is_again() {
    let served = serve(Fake::with(2)).await;
    let session = served.session().await;
    let mut stream = served.stream(&session, "app=one&topics=summary").await;
    assert_eq!(stream.whole("fleet").await["keys"], json!(["one"]));
    served.fake.unlist("one");
    assert_eq!(stream.whole("fleet").await, json!({ "keys": [], "problem": null }));
    served.fake.list_again("one");
    assert_eq!(stream.whole("fleet").await["keys"], json!(["one"]));
    stream.summary_until("ready").await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_cannot_be_read_is_told_while_the_known_instances_stay() {
    let served = serve(Fake::with(2)).await;
    let session = served.session().await;
    let mut stream = served.stream(&session, "topics=summary").await;
    assert_eq!(stream.whole("fleet").await, json!({ "keys": ["one", "two"], "problem": null }));
    served.fake.cannot_list(Some("contexts.json: expected a comma"));
    let told = stream.whole("fleet").await;
    assert_eq!((&told["keys"], &told["problem"]["kind"]), (&json!(["one", "two"]), &json!("unusable")));
    let fleet = served.get(&session, "/api/fleet").await;
    assert_eq!(fleet["apps"].as_array().unwrap().len(), 2);
    assert_eq!(fleet["problem"]["error"], "contexts.json: expected a comma");
    served.fake.cannot_list(None);
    assert_eq!(stream.whole("fleet").await["problem"], Value::Null);
    assert!(served.get(&session, "/api/fleet").await.get("problem").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_page_gets_all_events_and_all_records_in_whichever_order_it_asks() {
    let served = serve(Fake::with(1)).await;
    let session = served.session().await;
    for topics in ["logs,events", "events,logs"] {
        let mut stream = served.stream(&session, &format!("app=one&topics=summary,{topics}")).await;
        for topic in topics.split(',') {
            let items = stream.whole(&format!("{topic}_items")).await;
            assert_eq!((&items["data"][0]["number"], &items["first"]), (&json!(1), &json!(true)), "{topics}");
        }
    }
}

#[tokio::test]
async fn a_change_reaches_the_app_with_its_reason_and_a_denial_is_told() {
    let served = serve(Fake::with(2)).await;
    let session = served.session().await;
    let post = async |path: &str, body: Value| served.post(&session, path, &body.to_string()).await;
    let restart = json!({ "change": "restart", "service": "0x10", "reason": "stuck" });
    assert_eq!(post("/api/apps/one/change", restart.clone()).await.status, 200);
    assert_eq!(
        served.fake.last_change(),
        "Change(Change { what: Restart { service: 16 }, reason: \"stuck\" })"
    );
    served.fake.deny();
    let denied = post("/api/apps/one/change", restart.clone()).await;
    assert_eq!(denied.status, 403);
    let denied: Value = serde_json::from_str(&denied.body).unwrap();
    assert_eq!(denied["kind"], "denied");
    assert!(denied["error"].as_str().unwrap().contains("role operate"), "{denied}");
    assert_eq!(post("/api/apps/none/change", restart).await.status, 404);
    assert_eq!(post("/api/apps/one/change", json!({ "change": "reload" })).await.status, 400, "no reason");
    assert_eq!(served.get_status(&session, "/api/apps/one/change").await, 405, "a change is a POST");
    let before = served.fake.changes();
    let stop = json!({ "change": "stop", "reason": "r" });
    assert_eq!(post("/api/apps/one/change", stop).await.status, 400, "not confirmed");
    assert_eq!(served.fake.changes(), before);
    let call = json!({ "service": "0x10", "name": "forget", "arguments": { "rule": "a" }, "reason": "r" });
    assert_eq!(post("/api/apps/two/call", call).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_too_slowly_or_too_much_is_cut_off() {
    let served = serve(Fake::with(1)).await;
    let session = served.session().await;
    for begun in ["", "GET /api/fl", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut socket = served.connect().await;
        socket.write_all(begun.as_bytes()).await.unwrap();
        let began = Instant::now();
        let _ = socket.read_to_end(&mut Vec::new()).await;
        assert!(began.elapsed() < Duration::from_secs(30), "{begun:?}: {:?}", began.elapsed());
    }
    let mut socket = served.connect().await;
    let host = served.address;
    let head = format!(
        "POST /api/apps/one/call HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {session}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 100];
    let length = socket.read(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer[..length]).contains(" 408 "), "the body is late");
    let long = format!("x-long: {}\r\n", "x".repeat(20_000));
    assert_eq!(served.send("GET", "/", &long, "").await.status, 431);
    let large = " ".repeat(2 * 1024 * 1024);
    assert_eq!(served.post(&session, "/api/apps/one/call", &large).await.status, 413);
}

#[tokio::test]
async fn streams_are_bounded_and_a_closed_one_makes_room() {
    let served = serve(Fake::with(1)).await;
    let session = served.session().await;
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(served.stream(&session, "topics=summary").await);
    }
    assert_eq!(served.get_status(&session, "/api/stream?topics=summary").await, 503);
    streams.pop();
    let room = async {
        while served.get_status(&session, "/api/stream?topics=nothing").await != 400
            || served.try_stream(&session).await.is_none()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), room).await.unwrap();
    for query in [
        "",
        "topics=",
        "topics=services",
        "topics=summary,x",
        "app=none&topics=summary",
        "topics=summary&x=1",
    ] {
        let status = served.get_status(&session, &format!("/api/stream?{query}")).await;
        assert!([400, 404].contains(&status), "{query}: {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_app_that_answers_too_late_is_an_error_and_holds_up_no_other() {
    let served = serve(Fake::with(2)).await;
    let session = served.session().await;
    served.fake.hang("one");
    let began = Instant::now();
    let fleet = served.get(&session, "/api/fleet").await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(fleet["apps"][1]["state"], "ready");
    assert_ne!(fleet["apps"][0]["state"], "ready");
    let mut stream = served.stream(&session, "topics=summary").await;
    let gone = stream.summary_until("unreachable").await;
    assert!(gone["problem"].as_str().unwrap().contains("in time"), "{gone}");
}

#[tokio::test]
async fn metrics_are_kept_for_the_charts() {
    let served = serve(Fake::with(1)).await;
    let session = served.session().await;
    let mut stream = served.stream(&session, "app=one&topics=summary,metrics").await;
    let list = stream.event("metrics").await;
    let names: Vec<_> = list["families"]
        .as_array()
        .unwrap()
        .iter()
        .map(|family| family["readable"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"process_resident_memory_bytes"), "{names:?}");
    let points = served.get(&session, "/api/apps/one/points?names=process_resident_memory_bytes,none").await;
    let line = &points["families"]["process_resident_memory_bytes"][0];
    assert_eq!(line["values"], json!([1024]));
    assert_eq!(points["times"].as_array().unwrap().len(), 1);
}

/// A server, and what the tests need of it.
impl Served {
    async fn try_stream(&self, session: &str) -> Option<client::Stream> {
        client::Stream::open(self.address, session, "topics=summary").await
    }
}
