//! Clients that ask all the time, and what became of their requests.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use app_core::{prelude::*, testing::TestApp};
use app_rpc::{Authorities, KeyPair, RpcClient, RpcClientConfig, RpcName};
use quota_client::QUOTA_RPC;
use quota_schema::quota_capnp::quota;
use tokio::runtime::Runtime;

use crate::{
    endpoints::Pki,
    program::{PATIENCE, pass, poll},
};

/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(1);

const CALLER: ServiceId = ServiceId::new(0x10ad);

/// What a client saw.
#[derive(Debug)]
pub(super) struct Waits {
    pub(super) kind: &'static str,
    pub(super) answered: usize,
    /// Requests on a connection that had answered before and was closed without a byte of an answer. Clients send such a request
    /// again.
    pub(super) repeated: usize,
    pub(super) lost: Vec<String>,
    pub(super) longest: Duration,
}

struct Client {
    asked: Arc<AtomicUsize>,
    thread: JoinHandle<Waits>,
}

/// Clients of all kinds, each on a thread.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<Client>,
    // The runtime of the RPC client, and the app that it belongs to.
    runtime: Runtime,
    app: TestApp,
}

/// How a request ended that has an answer.
enum Answer {
    First,
    Repeated,
}

impl Load {
    pub(super) fn start(pki: &Pki, http: SocketAddr, rpc: SocketAddr) -> Self {
        let runtime = Runtime::new().unwrap();
        let (app, rpc) = runtime.block_on(rpc_client(pki, rpc));
        let mut load = Self { stop: Arc::default(), clients: Vec::new(), runtime, app };
        load.client("HTTP, one connection for each request", move || one_shot(http));
        let mut connection = None;
        load.client("HTTP, keep-alive", move || keep_alive(&mut connection, http));
        let (handle, requests) = (load.runtime.handle().clone(), rpc.clone());
        load.client("RPC, request", move || {
            let read = |rules: quota::rules_results::Reader<'_>| Ok(rules.get_rules()?.len());
            let asked = handle.block_on(requests.request(quota::Client::rules_request, read));
            asked.map(|_| Answer::First).map_err(io::Error::other)
        });
        let handle = load.runtime.handle().clone();
        load.client("RPC, call", move || {
            let call = |quota: quota::Client| async move {
                let answer = quota.rules_request().send().promise.await?;
                Ok(answer.get()?.get_rules()?.len())
            };
            handle.block_on(rpc.call(call)).map(|_| Answer::First).map_err(io::Error::other)
        });
        load
    }

    fn client(&mut self, kind: &'static str, mut ask: impl FnMut() -> io::Result<Answer> + Send + 'static) {
        let (stop, asked) = (Arc::clone(&self.stop), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&asked);
        let thread = thread::spawn(move || {
            let (mut answered, mut repeated) = (0, 0);
            let (mut lost, mut longest) = (Vec::new(), Duration::ZERO);
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                match ask() {
                    Ok(Answer::First) => answered += 1,
                    Ok(Answer::Repeated) => {
                        answered += 1;
                        repeated += 1;
                    }
                    Err(error) => lost.push(error.to_string()),
                }
                longest = longest.max(begun.elapsed());
                count.fetch_add(1, Ordering::Relaxed);
                pass(PAUSE);
            }
            Waits { kind, answered, repeated, lost, longest }
        });
        self.clients.push(Client { asked, thread });
    }

    /// Waits until each client has had so many more answers.
    pub(super) fn passes(&self, requests: usize) {
        let asked = |client: &Client| client.asked.load(Ordering::Relaxed);
        let wanted: Vec<_> = self.clients.iter().map(|client| asked(client) + requests).collect();
        poll("answers for each client", || {
            self.clients.iter().zip(&wanted).all(|(client, wanted)| asked(client) >= *wanted).then_some(())
        });
    }

    pub(super) fn stop(self) -> Vec<Waits> {
        self.stop.store(true, Ordering::Relaxed);
        let waits = self.clients.into_iter().map(|client| client.thread.join().unwrap()).collect();
        self.runtime.block_on(self.app.stop()).expect_clean();
        waits
    }
}

/// A client of the quota service, and the app that it belongs to.
async fn rpc_client(pki: &Pki, address: SocketAddr) -> (TestApp, RpcClient<quota::Client>) {
    let read = |name: &str| fs::read(pki.folder().join(name)).unwrap();
    let pair = KeyPair::from_pem(&read("client-quota-client.key"), &read("client-quota-client.pem")).unwrap();
    let servers = Authorities::from_pem(&read("ca.pem"), &read("crl.pem")).unwrap();
    let name = RpcName { domain: 0xd0_u64.into(), app: 0xa0_u64.into(), service: QUOTA_RPC };
    let mut config = RpcClientConfig::new(name, address.port(), pair, servers);
    config.addresses = vec![address.to_string()];
    config.call_timeout = PATIENCE;
    let app = TestApp::builder().linked([app_metrics::METRICS_SERVICE_ID]).start().await;
    let service = app.new_service(CALLER, "caller");
    let client = RpcClient::start(&service, config).unwrap();
    (app, client)
}

fn request(address: SocketAddr, connection: &str) -> String {
    format!("GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: {connection}\r\n\r\n")
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A process that has just begun says that it starts.
fn is_answer(head: &str) -> bool {
    head.starts_with("HTTP/1.1 200 ") || (head.starts_with("HTTP/1.1 503 ") && head.contains("health+json"))
}

fn one_shot(address: SocketAddr) -> io::Result<Answer> {
    let mut stream = connect(address)?;
    stream.write_all(request(address, "close").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if is_answer(&answer) { Ok(Answer::First) } else { Err(io::Error::other(format!("answered {answer:?}"))) }
}

fn keep_alive(connection: &mut Option<TcpStream>, address: SocketAddr) -> io::Result<Answer> {
    if let Some(mut stream) = connection.take() {
        match ask(&mut stream, address) {
            Ok(stays) => {
                *connection = stays.then_some(stream);
                return Ok(Answer::First);
            }
            // Closed while it was idle, without a byte of an answer.
            Err(Lost::NothingRead) => {}
            Err(Lost::Broken(error)) => return Err(error),
        }
        let mut again = connect(address)?;
        let stays = ask(&mut again, address).map_err(Lost::into_error)?;
        *connection = stays.then_some(again);
        return Ok(Answer::Repeated);
    }
    let mut stream = connect(address)?;
    let stays = ask(&mut stream, address).map_err(Lost::into_error)?;
    *connection = stays.then_some(stream);
    Ok(Answer::First)
}

/// Why there is no answer.
enum Lost {
    NothingRead,
    Broken(io::Error),
}

impl Lost {
    fn into_error(self) -> io::Error {
        match self {
            Self::NothingRead => io::Error::other("a new connection was closed without an answer"),
            Self::Broken(error) => error,
        }
    }
}

/// Asks on a connection that stays. Returns whether it may be used again.
fn ask(stream: &mut TcpStream, address: SocketAddr) -> Result<bool, Lost> {
    if stream.write_all(request(address, "keep-alive").as_bytes()).is_err() {
        return Err(Lost::NothingRead);
    }
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) if answer.is_empty() => return Err(Lost::NothingRead),
            Ok(0) => return Err(Lost::Broken(io::Error::other("the answer is cut off"))),
            Ok(read) => answer.extend_from_slice(&chunk[..read]),
            Err(error) => return Err(Lost::Broken(error)),
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0_usize) {
            if !is_answer(head) {
                return Err(Lost::Broken(io::Error::other(format!("answered {head:?}"))));
            }
            return Ok(!head.contains("connection: close"));
        }
    }
}
