//! A client that sends what it is told, byte by byte, as no browser would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::ServiceId;
use app_core::testing::TestApp;
use app_dashboard::{Bound, Tokens, loopback};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::fake::{Fake, Shared};

/// Longest wait for anything, by the clock of the test.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server with its apps.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) tokens: Tokens,
    pub(crate) fake: Arc<Fake>,
    _app: TestApp,
}

/// Serves on a free port.
pub(crate) async fn serve(fake: Arc<Fake>) -> Served {
    let app = TestApp::empty().await;
    let service = app.new_service(ServiceId::new(7), "dashboard");
    let bound = Bound::to(loopback("127.0.0.1:0").unwrap()).await.unwrap();
    let (address, tokens, apps) = (bound.address(), bound.tokens(), Arc::new(Shared(Arc::clone(&fake))));
    let serving = service.clone();
    service.spawn("serves", async move { bound.serve(&serving, apps).await }).unwrap();
    Served { address, tokens, fake, _app: app }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    /// The value of a header; empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        });
        found.unwrap_or_default()
    }
}

impl Served {
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn session(&self) -> String {
        let body = json!({ "token": self.tokens.renew().unwrap() }).to_string();
        let answer = self.send("POST", "/session", "content-type: application/json\r\n", &body).await;
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        answer["session"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        self.send_to(&self.address.to_string(), method, path, headers, body).await
    }

    pub(crate) async fn send_to(
        &self,
        host: &str,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Reply {
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}{length}\r\n{body}"
        );
        let mut socket = self.connect().await;
        // The server may answer and close before it has read all.
        let _ = socket.write_all(request.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = timeout(PATIENCE, socket.read_to_end(&mut bytes)).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer to {method} {path}: {text:?}"));
        Reply { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) async fn get(&self, session: &str, path: &str) -> Value {
        let answer = self.send("GET", path, &format!("authorization: Bearer {session}\r\n"), "").await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// The status alone. An endless answer is not read.
    pub(crate) async fn get_status(&self, session: &str, path: &str) -> u16 {
        let mut stream = Stream::begin(self.address, session, path).await;
        stream.status().await
    }

    pub(crate) async fn post(&self, session: &str, path: &str, body: &str) -> Reply {
        let headers = format!("authorization: Bearer {session}\r\ncontent-type: application/json\r\n");
        self.send("POST", path, &headers, body).await
    }

    pub(crate) async fn stream(&self, session: &str, query: &str) -> Stream {
        Stream::open(self.address, session, query).await.unwrap()
    }
}

/// An event stream.
pub(crate) struct Stream {
    reader: BufReader<TcpStream>,
}

impl Stream {
    async fn begin(address: SocketAddr, session: &str, path: &str) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {session}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        Self { reader: BufReader::new(socket) }
    }

    pub(crate) async fn open(address: SocketAddr, session: &str, query: &str) -> Option<Self> {
        let mut stream = Self::begin(address, session, &format!("/api/stream?{query}")).await;
        (stream.status().await == 200).then_some(stream)
    }

    async fn status(&mut self) -> u16 {
        let line = self.line().await;
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.reader.read_line(&mut line)).await.unwrap().unwrap();
        assert!(!line.is_empty(), "the stream has ended");
        line
    }

    /// The data of the next event of a topic.
    pub(crate) async fn event(&mut self, topic: &str) -> Value {
        self.whole(topic).await["data"].clone()
    }

    /// The next event of a name, with all that it has.
    pub(crate) async fn whole(&mut self, topic: &str) -> Value {
        loop {
            if self.line().await.trim() != format!("event: {topic}") {
                continue;
            }
            let line = self.line().await;
            return serde_json::from_str(line.trim().strip_prefix("data: ").unwrap()).unwrap();
        }
    }

    /// Waits for a row with this state.
    pub(crate) async fn summary_until(&mut self, state: &str) -> Value {
        loop {
            let row = self.event("summary").await;
            if row["state"] == state {
                return row;
            }
        }
    }
}
