//! Requests over sockets, to collectors that behave in every way.

use std::net::SocketAddr;
use std::sync::Arc;

use app_pki::{Authority, AuthorityOptions, ClientName, LeafOptions, Subject, Validity};
use app_tls::{Authorities, KeyPair, RpcName};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Long enough for any machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A collector that answers each connection with these bytes, again and again, and keeps what it got.
struct RawCollector {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    connections: Arc<Mutex<usize>>,
}

impl RawCollector {
    async fn start(answer: &'static [u8], closes: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, connections) = (Arc::default(), Arc::default());
        let collector = Self { address, requests, connections };
        let (requests, connections) = (Arc::clone(&collector.requests), Arc::clone(&collector.connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock() += 1;
                tokio::spawn(serve(stream, answer, closes, Arc::clone(&requests)));
            }
        });
        collector
    }

    fn transport(&self) -> HttpTransport {
        let endpoint = Endpoint::of_base(&format!("http://{}", self.address)).unwrap();
        let headers = vec![Header::checked("x-token", b"s3cret".to_vec()).unwrap()];
        HttpTransport::new(HttpSettings { endpoint, headers, tls: None })
    }
}

async fn serve(mut stream: TcpStream, answer: &[u8], closes: bool, requests: Arc<Mutex<Vec<Vec<u8>>>>) {
    loop {
        let mut request = Vec::new();
        // The body is "spans".
        while !request.ends_with(b"\r\n\r\nspans") {
            let mut bytes = [0; 4096];
            match stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(read) => request.extend_from_slice(&bytes[..read]),
            }
        }
        requests.lock().push(request);
        if stream.write_all(answer).await.is_err() || closes {
            return;
        }
    }
}

fn body() -> Body {
    Body { bytes: Bytes::from_static(b"spans"), gzip: true }
}

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";

fn is_accepted(answer: &Answer) -> bool {
    matches!(answer, Answer::Accepted { rejected: 0, .. })
}

#[tokio::test]
async fn a_request_has_what_otlp_asks_for_and_the_connection_is_kept() {
    let collector = RawCollector::start(GOOD, false).await;
    let mut transport = collector.transport();
    for _ in 0..3 {
        let answer = transport.send(body(), PATIENCE).await;
        assert!(is_accepted(&answer), "{answer:?}");
    }
    assert_eq!(*collector.connections.lock(), 1);
    let requests = collector.requests.lock().clone();
    let request = String::from_utf8(requests[2].clone()).unwrap();
    assert!(request.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{request}");
    for header in [
        format!("host: {}", collector.address),
        "content-type: application/x-protobuf".to_owned(),
        "content-encoding: gzip".to_owned(),
        "content-length: 5".to_owned(),
        "x-token: s3cret".to_owned(),
    ] {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{header}: {request}");
    }
}

#[tokio::test]
async fn a_collector_that_closes_after_each_answer_gets_every_request_once() {
    let collector = RawCollector::start(GOOD, true).await;
    let mut transport = collector.transport();
    for _ in 0..5 {
        let answer = transport.send(body(), PATIENCE).await;
        assert!(is_accepted(&answer), "{answer:?}");
    }
    assert_eq!((collector.requests.lock().len(), *collector.connections.lock()), (5, 5));
}

#[tokio::test]
async fn what_is_no_answer_is_told_and_the_next_request_has_a_new_connection() {
    let huge = format!("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n{}", "x".repeat(100_000));
    let huge: &'static [u8] = Box::leak(huge.into_boxed_str()).as_bytes();
    for (answer, again, told) in [
        (&b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..], true, "gave no answer"),
        (b"\0\0\0\0", true, "gave no answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", true, "cut off"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-type: text/html\r\n\r\n<htm>",
            false,
            "not one of OTLP",
        ),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", true, "503"),
        (b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", false, "404"),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://x/\r\ncontent-length: 0\r\n\r\n",
            false,
            "redirects are not followed",
        ),
        (huge, false, "more than 65536 bytes"),
        (b"", true, "gave no answer"),
    ] {
        let collector = RawCollector::start(answer, true).await;
        let mut transport = collector.transport();
        for _ in 0..2 {
            let answer = transport.send(body(), PATIENCE).await;
            let (is_again, why) = match &answer {
                Answer::Later { why, .. } => (true, why),
                Answer::Refused(why) => (false, why),
                Answer::Accepted { .. } => panic!("{told}"),
            };
            assert!(why.contains(told) && is_again == again, "{told}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_head_without_an_end_is_cut_off() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = Endpoint::of_base(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while stream.write_all(&[b'a'; 1024]).await.is_ok() {}
    });
    let mut transport = HttpTransport::new(HttpSettings { endpoint, headers: Vec::new(), tls: None });
    let answer = transport.send(body(), PATIENCE).await;
    assert!(matches!(&answer, Answer::Later { why, .. } if why.contains("gave no answer: ")), "{answer:?}");
}

#[tokio::test]
async fn a_collector_that_is_away_or_silent_costs_the_timeout_at_most() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let silent = listener.local_addr().unwrap();
    let of = |address: SocketAddr| {
        let endpoint = Endpoint::of_base(&format!("http://{address}")).unwrap();
        HttpTransport::new(HttpSettings { endpoint, headers: Vec::new(), tls: None })
    };
    let answer = of(silent).send(body(), Duration::from_millis(50)).await;
    assert!(matches!(&answer, Answer::Later { why, .. } if why.contains("within 50ms")), "{answer:?}");
    drop(listener);
    let answer = of(silent).send(body(), PATIENCE).await;
    assert!(
        matches!(&answer, Answer::Later { why, .. } if why.contains("can't be reached: 127.0.0.1:")),
        "{answer:?}"
    );
}

/// An authority, and the certificate of a collector with this name.
fn authority() -> (Authority, Authorities) {
    let authority = Authority::root(&AuthorityOptions::new("an authority", Validity::days(30))).unwrap();
    let trusted = Authorities::from_pem(authority.root_pem().unwrap().as_bytes(), b"").unwrap();
    (authority, trusted)
}

fn pair(authority: &Authority, subject: &Subject) -> KeyPair {
    let issued = authority.issue(subject, &LeafOptions::days(1)).unwrap();
    KeyPair::from_pem(&issued.key, issued.certificate.as_bytes()).unwrap()
}

/// Sends a request over TLS to a collector that asks for a certificate of `authority`.
async fn over_tls(
    authority: &Authority,
    trusted: &Authorities,
    host: &str,
    shows: bool,
    trusts: &Authorities,
) -> Answer {
    let name = RpcName { domain: 0xa_u64.into(), app: 0xb_u64.into(), service: 0xc_u64.into() };
    let own = pair(authority, &Subject::Server(name));
    let client = pair(authority, &Subject::Client(ClientName::new("exporter").unwrap()));
    let acceptor = tokio_rustls::TlsAcceptor::from(app_tls::server_config(&own, trusted).unwrap());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"spans") {
                let Ok(byte) = stream.read_u8().await else { return };
                request.push(byte);
            }
            stream.write_all(GOOD).await.unwrap();
            stream.flush().await.unwrap();
        }
    });
    let config = app_tls::collector_config(shows.then_some(&client), trusts).unwrap();
    let endpoint = Endpoint::of_base(&format!("https://{host}:{}", address.port())).unwrap();
    let mut transport = HttpTransport::new(HttpSettings { endpoint, headers: Vec::new(), tls: Some(config) });
    transport.resolver.answer_with(address);
    transport.send(body(), PATIENCE).await
}

#[tokio::test]
async fn over_tls_the_collector_has_to_show_who_it_is_and_so_has_the_exporter() {
    let (own, trusted) = authority();
    let (_, foreign) = authority();
    let answer = over_tls(&own, &trusted, "a_b_c", true, &trusted).await;
    assert!(is_accepted(&answer), "{answer:?}");
    for (host, shows, trusts, told) in [
        ("a_b_c", true, &foreign, "its certificate is refused: "),
        ("a_b_d", true, &trusted, "its certificate is refused: "),
        ("a_b_c", false, &trusted, "the collector "),
    ] {
        let answer = over_tls(&own, &trusted, host, shows, trusts).await;
        assert!(matches!(&answer, Answer::Later { why, .. } if why.contains(told)), "{answer:?}");
    }
}
