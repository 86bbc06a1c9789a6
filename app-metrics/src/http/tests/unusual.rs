//! Unusual clients: each gets a correct answer or a clean close, and none causes a warning.

use super::*;

const HEAD: &str = "GET /hello HTTP/1.1\r\nhost: x\r\n";

/// The whole answer to this text. The client then closes its sending side.
async fn half_closed(server: &Running, request: &str) -> String {
    let mut client = server.send(request).await;
    client.shutdown().await.unwrap();
    rest(client).await
}

/// The statuses of the answers in a text.
fn statuses(answers: &str) -> Vec<&str> {
    let heads = answers.match_indices("HTTP/1.").map(|(at, _)| &answers[at..]);
    heads.filter_map(|head| head.split(' ').nth(1)).collect()
}

#[track_caller]
fn no_warning(log: &str) {
    assert!(!log.contains("\"warn\"") && !log.contains("\"error\""), "{log}");
}

#[tokio::test]
async fn what_is_http_gets_its_answers() {
    let server = Running::start(hello(), Limits::default());
    let with = |lines: &str| format!("{HEAD}{lines}\r\n");
    let last = with("connection: close\r\n");
    for (request, expected) in [
        // The client has closed its sending side, and still gets an answer.
        (with(""), vec!["200"]),
        ("GET /hello HTTP/1.0\r\n\r\n".to_owned(), vec!["200"]),
        ("GET /hello HTTP/1.0\r\nconnection: keep-alive\r\n\r\n".to_owned(), vec!["200"]),
        (with("") + &with("") + &last, vec!["200", "200", "200"]),
        ("GET http://other:1/hello HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), vec!["200"]),
        ("GET /hello?a=b#c HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), vec!["200"]),
        (with("expect: 100-continue\r\ncontent-length: 4\r\n"), vec!["200"]),
        (with("expect: 100-continue\r\n"), vec!["200"]),
        (with("expect: a miracle\r\n"), vec!["200"]),
        (with("content-length: 4\r\n") + "body" + &last, vec!["200", "200"]),
        (with("transfer-encoding: chunked\r\n") + "4\r\nbody\r\n0\r\n\r\n" + &last, vec!["200", "200"]),
        (with("transfer-encoding: chunked\r\n") + "no chunk at all\r\n\r\n", vec!["200"]),
        (with("connection: upgrade\r\nupgrade: websocket\r\n"), vec!["200"]),
        (with("connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: x\r\n"), vec!["200"]),
        (with("content-length: 4\r\n").replace("GET", "POST") + "body" + &last, vec!["405", "200"]),
        ("OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), vec!["404"]),
        ("CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), vec!["404"]),
        (format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(7_000)), vec!["404"]),
    ] {
        let answers = half_closed(&server, &request).await;
        assert_eq!(statuses(&answers), expected, "{request}\n{answers}");
    }
    no_warning(&server.log.text());
    server.stop().await;
}

#[tokio::test]
async fn a_head_request_leaves_the_connection_for_the_next() {
    let server = Running::start(hello(), Limits::default());
    let head = HEAD.replace("GET", "HEAD");
    let answers = half_closed(&server, &format!("{head}\r\n{HEAD}\r\n")).await;
    assert_eq!(statuses(&answers), ["200", "200"]);
    assert_eq!(answers.matches("hello").count(), 1, "{answers}");
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_counted_without_a_warning() {
    let server = Running::start(hello(), Limits::default());
    let long = format!("{HEAD}x: {}\r\n\r\n", "y".repeat(8 * 1024 + 1 - HEAD.len() - "x: \r\n\r\n".len()));
    assert_eq!(long.len(), 8 * 1024 + 1);
    let many = format!("{HEAD}{}\r\n", "x: y\r\n".repeat(200));
    let malformed = [
        ("GET /hello HTTP/9.9\r\n\r\n", "400"),
        ("GET /hello\r\n\r\n", "400"),
        ("GET /he llo HTTP/1.1\r\n\r\n", "400"),
        ("GET /hello HTTP/1.1\r\nno colon\r\n\r\n", "400"),
        ("GET /hello HTTP/1.1\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nbody", "400"),
        ("GET /hello HTTP/1.1\r\ncontent-length: -1\r\n\r\n", "400"),
        ("GET /hello HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", "400"),
        (&long, "431"),
        (&many, "431"),
    ];
    for (request, status) in malformed {
        let answers = half_closed(&server, request).await;
        assert_eq!(statuses(&answers), [status], "{request}\n{answers}");
    }
    assert_eq!(server.connections("malformed"), malformed.len() as f64);
    for (left, broken_off) in [("", 0.0), ("GET /hel", 1.0)] {
        assert_eq!(half_closed(&server, left).await, "");
        assert_eq!(server.connections("broken_off"), broken_off, "{left:?}");
    }
    let log = server.log.text();
    no_warning(&log);
    assert!(log.contains("\"debug\"") && log.contains("\"outcome\":\"malformed\""), "{log}");
    server.stop().await;
}
