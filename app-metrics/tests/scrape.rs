//! Scrapes over real sockets: what clients request, and what they get.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use app_core::prelude::*;
use app_core::testing::TestApp;
use app_metrics::testing::TestMetrics as _;
use app_metrics::{GaugeVectorSpec, METRICS_SERVICE_ID, Metrics, SCRAPE_DURATION, SCRAPE_SIZE};
use flate2::read::GzDecoder;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SERVICE: ServiceId = ServiceId::new(0xa);
const GAUGES: MetricId = MetricId::new(0xb);

async fn app(series: usize) -> TestApp {
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    let spec = GaugeVectorSpec::new(SERVICE, GAUGES, "Gauges.", ["key"]).max_series(series);
    let gauges = app.get::<Metrics>().gauge_vector(spec).unwrap();
    for key in 0..series {
        gauges.with([&key.to_string()]).unwrap().set(key as f64);
    }
    app
}

#[derive(Debug)]
struct Answer {
    status: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The decoded body.
    fn text(&self) -> String {
        let body = match self.header("transfer-encoding") {
            Some("chunked") => unchunked(&self.body),
            other => {
                assert_eq!(other, None);
                self.body.clone()
            }
        };
        if self.header("content-encoding") == Some("gzip") {
            let mut text = String::new();
            GzDecoder::new(body.as_slice()).read_to_string(&mut text).unwrap();
            return text;
        }
        String::from_utf8(body).unwrap()
    }

    /// The values of the gauges, in the order of the body.
    fn gauges(&self) -> Vec<f64> {
        let text = self.text();
        let lines = text.lines().filter(|line| line.starts_with("op_a_b{"));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").expect("a length");
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        let chunk = &body[end + 2..];
        if length == 0 {
            assert_eq!(chunk, b"\r\n");
            return whole;
        }
        whole.extend_from_slice(&chunk[..length]);
        body = chunk[length..].strip_prefix(b"\r\n").expect("an end");
    }
}

/// `head` is the request without the header `Host` and the final empty line.
async fn ask(app: &TestApp, head: &str) -> Answer {
    let port = app.get::<Metrics>().bound_address().expect("it listens").port();
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let request = format!("{head}\r\nhost: x\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), client.read_to_end(&mut answer)).await;
    read.expect("an answer in time").unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an end of the header");
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    let headers = headers.lines().map(|line| line.split_once(": ").unwrap());
    Answer {
        status: status.to_owned(),
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
        body: answer[end + 4..].to_vec(),
    }
}

#[tokio::test]
async fn formats_and_codings_are_what_the_client_likes() {
    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let app = app(3).await;
    for (accept, content_type) in
        [("", TEXT), ("accept: application/openmetrics-text;version=1.0.0\r\n", OPEN_METRICS)]
    {
        for (coding, content_encoding) in [("", None), ("accept-encoding: gzip\r\n", Some("gzip"))] {
            let answer = ask(&app, &format!("GET /metrics HTTP/1.1\r\n{accept}{coding}x: y")).await;
            assert_eq!(answer.status, "HTTP/1.1 200 OK");
            assert_eq!(answer.header("content-type"), Some(content_type));
            assert_eq!(answer.header("content-encoding"), content_encoding);
            assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding"));
            assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
            assert_eq!(answer.gauges(), [0.0, 1.0, 2.0]);
            assert_eq!(answer.text().ends_with("\n# EOF\n"), content_type == OPEN_METRICS);

            let head = ask(&app, &format!("HEAD /metrics HTTP/1.1\r\n{accept}{coding}x: y")).await;
            assert!(head.body.is_empty());
            for name in ["content-type", "content-encoding", "vary"] {
                assert_eq!(head.header(name), answer.header(name), "{name}");
            }
            // The length differs, because values change between scrapes.
            assert_ne!(head.header("content-length").expect("a length"), "0");
        }
    }
    let neither = ask(&app, "GET /metrics HTTP/1.1\r\naccept-encoding: identity;q=0").await;
    assert_eq!(
        (neither.status.as_str(), neither.header("vary")),
        ("HTTP/1.1 406 Not Acceptable", Some("Accept, Accept-Encoding"))
    );
    assert_eq!(app.metric(METRICS_SERVICE_ID, SCRAPE_DURATION, []), 8.0);
    assert_eq!(app.metric(METRICS_SERVICE_ID, SCRAPE_SIZE, []), 8.0);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_long_answer_is_sent_in_pieces_and_is_complete() {
    const SERIES: usize = 20_000;
    let app = app(SERIES).await;
    let expected: Vec<f64> = (0..SERIES).map(|key| key as f64).collect();
    let answer = ask(&app, "GET /metrics HTTP/1.1\r\nx: y").await;
    assert_eq!(
        (answer.header("content-length"), answer.header("transfer-encoding")),
        (None, Some("chunked"))
    );
    assert!(answer.gauges() == expected);
    let answer = ask(&app, "GET /metrics HTTP/1.1\r\naccept-encoding: gzip").await;
    assert!(answer.gauges() == expected);
    let answer = ask(&app, "GET /metrics HTTP/1.0\r\nx: y").await;
    assert_eq!((answer.header("content-length"), answer.header("transfer-encoding")), (None, None));
    assert!(answer.gauges() == expected);
    let answer = ask(&app, "HEAD /metrics HTTP/1.1\r\nx: y").await;
    assert!(answer.status.ends_with(" 200 OK") && answer.body.is_empty());
    assert_eq!(answer.header("content-length"), None, "the header does not describe the empty body");
    app.stop().await.expect_clean();
}
