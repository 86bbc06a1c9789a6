//! An operator ends the program while other clients take all that they can get.

use std::{
    fs,
    io::{BufRead, BufReader, pipe},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use app_core::{events, prelude::ServiceId, testing::TestApp};
use app_ids::{AppId, DomainId};
use app_pki::{Authority, AuthorityOptions, ClientName, Issued, LeafOptions, Subject, Validity};
use app_rpc::{Authorities, KeyPair, RpcClient, RpcClientConfig, RpcName, admin::APP_RPC_SERVICE_ID};
use nix::{
    fcntl::{FcntlArg, fcntl},
    sys::resource::{Resource, getrlimit, setrlimit},
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use schema::{
    admin_capnp::app,
    rpc_capnp::{RpcRole, rpc_server_spec},
};
use tokio::task::JoinSet;

use crate::{
    files::Configs,
    http::try_get,
    program::{Process, Program, poll},
    tools,
};

const NAME: RpcName =
    RpcName { domain: DomainId::new(0xd0), app: AppId::new(0xa0), service: APP_RPC_SERVICE_ID };
const IDS: [&str; 4] = ["--domain-id", "0xd0", "--app-id", "0xa0"];

/// Connections of one certificate that say nothing, and connections that do not even shake hands.
const SILENT: usize = 1024;
const STRANGERS: usize = 600;
/// Connections of one client whose calls are denied, and how many calls each has in flight.
const FLOODS: usize = 6;
const DENIED_AT_ONCE: usize = 200;
/// Clients that connect, shake hands and leave, again and again.
const COMING_AND_GOING: usize = 2;

/// When the application is no longer ready: a second for the kill, half a second for the log, and patience with a busy machine.
const ACTS: Duration = Duration::from_secs(3);

/// When the process has ended: clients that do not close have a second, and so has the log's last flush.
const IN_TIME: Duration = Duration::from_secs(8);

/// An authority, and the program with an admin interface for its clients.
struct Stand {
    authority: Authority,
    process: Process,
    address: SocketAddr,
    /// Where HTTP listens.
    http: SocketAddr,
    /// What it logged until it had started.
    started: String,
    /// The other end of its log, which nobody reads from then on.
    _log: BufReader<std::io::PipeReader>,
    _configs: Configs,
}

impl Stand {
    fn new() -> Self {
        Self::of(Program::service())
    }

    /// The program as this command starts it.
    fn of(program: Program) -> Self {
        let options = AuthorityOptions::new("an authority", Validity::days(30));
        let authority = Authority::root(&options).unwrap();
        // Free at this moment.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let content = config(&authority, free.port());
        let configs = Configs::any_port().file(APP_RPC_SERVICE_ID, &content);
        let (reader, writer) = pipe().unwrap();
        fcntl(writer.as_fd(), FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        let program = program.args([Path::new("--config-dir"), configs.path()]).args(IDS);
        let process = program.args(["--log-level=debug"]).stderr(writer).start();
        let mut log = BufReader::new(reader);
        let mut started = String::new();
        while !started.contains(&events::APP_STARTED.hex()) {
            assert!(log.read_line(&mut started).unwrap() > 0, "it ended before it had started");
        }
        let http = started.lines().find(|line| line.contains(&events::METRICS_HTTP_SERVER_STARTED.hex()));
        let http: serde_json::Value = serde_json::from_str(http.unwrap()).unwrap();
        let http = http["addr"].as_str().unwrap().parse().unwrap();
        Self { authority, process, address: free, http, started, _log: log, _configs: configs }
    }

    fn issue(&self, name: &str) -> Issued {
        let subject = Subject::Client(ClientName::new(name).unwrap());
        self.authority.issue(&subject, &LeafOptions::days(2)).unwrap()
    }

    fn client(&self, elsewhere: &TestApp, issued: &Issued) -> RpcClient<app::Client> {
        let pair = KeyPair::from_pem(&issued.key, issued.certificate.as_bytes()).unwrap();
        let root = self.authority.root_pem().unwrap();
        let trusted = Authorities::from_pem(root.as_bytes(), b"").unwrap();
        let mut config = RpcClientConfig::new(NAME, 1, pair, trusted);
        config.addresses = vec![self.address.to_string()];
        config.call_timeout = Duration::from_secs(60);
        let service = elsewhere.new_service(ServiceId::new(app_ids::random_u64()), "client");
        RpcClient::start(&service, config).unwrap()
    }

    /// A connection of this certificate, after the handshake.
    fn silent(&self, tls: &Arc<ClientConfig>) -> Option<(TcpStream, ClientConnection)> {
        let mut socket = TcpStream::connect(self.address).ok()?;
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let name = ServerName::try_from(NAME.to_string()).unwrap();
        let mut session = ClientConnection::new(Arc::clone(tls), name).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket).ok()?;
        }
        Some((socket, session))
    }

    /// A connection of this certificate that says hello and no more.
    fn hello(&self, tls: &Arc<ClientConfig>) -> Option<TcpStream> {
        let mut socket = TcpStream::connect(self.address).ok()?;
        let name = ServerName::try_from(NAME.to_string()).unwrap();
        let mut session = ClientConnection::new(Arc::clone(tls), name).unwrap();
        session.write_tls(&mut socket).ok()?;
        Some(socket)
    }

    /// Waits until it is not ready, and tells when.
    fn not_ready(&self) -> Instant {
        poll("an application that is not ready", || {
            let ready = try_get(self.http, "/readyz").is_ok_and(|answer| answer.status == 200);
            (!ready).then(Instant::now)
        })
    }

    fn tls(&self, issued: &Issued) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let root = self.authority.root_pem().unwrap();
        roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
        let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes());
        let chain = chain.collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(&issued.key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = versions.unwrap().with_root_certificates(roots).with_client_auth_cert(chain, key);
        Arc::new(config.unwrap())
    }
}

/// The config of the admin interface: one thread for readers, and one client that may do all.
fn config(authority: &Authority, port: u16) -> Vec<u8> {
    let server = authority.issue(&Subject::Server(NAME), &LeafOptions::days(2)).unwrap();
    let mut message = capnp::message::Builder::new_default();
    let mut spec = message.init_root::<rpc_server_spec::Builder<'_>>();
    let mut name = spec.reborrow().init_rpc_service_spec();
    name.set_domain_id(NAME.domain.as_u64());
    name.set_app_id(NAME.app.as_u64());
    name.set_service_id(NAME.service.as_u64());
    name.set_port(port);
    let mut pair = spec.reborrow().init_server_cert();
    pair.set_key(&server.key);
    pair.set_cert(server.certificate.as_bytes());
    spec.set_ca_cert(authority.root_pem().unwrap().as_bytes());
    spec.set_bind_address("127.0.0.1");
    spec.set_threads(1);
    let mut grant = spec.init_grants(1).get(0);
    grant.set_name("admin.example");
    grant.set_role(RpcRole::Admin);
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content).unwrap();
    content
}

async fn kill(app: app::Client) -> Result<(), capnp::Error> {
    app.kill_request().send().promise.await.map(drop)
}

/// Whether this process, and the program that it starts, may have so many descriptors.
fn may_have(descriptors: u64) -> bool {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < descriptors {
        eprintln!("SKIPPED: the hard limit of file descriptors is {hard}, {descriptors} are needed");
        return false;
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(descriptors), hard).unwrap();
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_ends_it_in_time_whatever_readers_do_and_with_a_stuck_log() {
    if !may_have(8192) {
        return;
    }
    let stand = Arc::new(Stand::new());
    let elsewhere = TestApp::empty().await;
    let reader = stand.issue("reader.example");
    // Others shake hands for ever, or not at all.
    let strangers: Vec<_> = (0..STRANGERS).filter_map(|_| TcpStream::connect(stand.address).ok()).collect();
    let (tls, own) = (stand.tls(&reader), Arc::clone(&stand));
    let silent =
        tokio::task::spawn_blocking(move || (0..SILENT).filter_map(|_| own.silent(&tls)).collect::<Vec<_>>());
    let silent = silent.await.unwrap();
    let (mut floods, denied) = (JoinSet::new(), Arc::<AtomicU64>::default());
    // A certificate of its own: that of the silent ones has no places left.
    let flooding = stand.issue("flood.example");
    for _ in 0..FLOODS {
        let client = stand.client(&elsewhere, &flooding);
        for _ in 0..DENIED_AT_ONCE {
            let (client, denied) = (client.clone(), Arc::clone(&denied));
            floods.spawn(async move {
                while let Err(error) = client.call(kill).await {
                    denied.fetch_add(u64::from(error.to_string().contains("denied")), Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            });
        }
    }
    let seen = Arc::clone(&denied);
    let wait = move || poll("calls that are denied", || (seen.load(Ordering::Relaxed) >= 20).then_some(()));
    tokio::task::spawn_blocking(wait).await.unwrap();

    let over = Arc::<AtomicBool>::default();
    let coming_and_going: Vec<_> = (0..COMING_AND_GOING)
        .map(|_| {
            let (stand, over) = (Arc::clone(&stand), Arc::clone(&over));
            let tls = stand.tls(&flooding);
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    drop(stand.silent(&tls))
                }
            })
        })
        .collect();
    let operator = stand.client(&elsewhere, &stand.issue("admin.example"));
    let (begun, own) = (Instant::now(), Arc::clone(&stand));
    let acts = tokio::task::spawn_blocking(move || own.not_ready());
    // It may end before it answers.
    let _ = operator.call(kill).await;
    let answered = begun.elapsed();
    let acts = acts.await.unwrap() - begun;
    let own = Arc::clone(&stand);
    let ended = tokio::task::spawn_blocking(move || own.process.ended()).await.unwrap();
    let took = begun.elapsed();
    over.store(true, Ordering::Relaxed);
    coming_and_going.into_iter().for_each(|thread| thread.join().unwrap());
    eprintln!(
        "killed: not ready after {acts:?}, answered in {answered:?}, ended in {took:?}; {denied:?} calls had been denied"
    );
    ended.expect_code(0);
    assert!(acts < ACTS && took < IN_TIME, "not ready after {acts:?}, ended in {took:?}");
    drop((silent, strangers, floods));
    elsewhere.stop().await;
}

/// Clients that have said nothing give their descriptors back when there are no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_do_not_use_up_the_descriptors() {
    if !tools::installed("prlimit", &["--nofile=160", "true"], "util-linux") {
        return;
    }
    let program = Program::new("prlimit").without_environment();
    let program = program.args(["--nofile=160:160", env!("CARGO_BIN_EXE_svc-example")]);
    let stand = Stand::of(program);
    let strangers: Vec<_> = (0..400).filter_map(|_| TcpStream::connect(stand.address).ok()).collect();
    assert!(strangers.len() > 200, "{}", strangers.len());
    let elsewhere = TestApp::empty().await;
    let operator = stand.client(&elsewhere, &stand.issue("admin.example"));
    let _ = operator.call(kill).await;
    let ended = tokio::task::spawn_blocking(move || stand.process.ended()).await.unwrap();
    ended.expect_code(0);
    elsewhere.stop().await;
}

/// Connections, handshakes and HTTP have their parts of the descriptors, and an operator has one of what is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_gets_in_where_clients_take_all_descriptors_that_they_can_get() {
    if !tools::installed("prlimit", &["--nofile=160", "true"], "util-linux") {
        return;
    }
    let program = Program::new("prlimit").without_environment();
    let program = program.args(["--nofile=160:160", env!("CARGO_BIN_EXE_svc-example")]);
    let stand = Arc::new(Stand::of(program));
    assert!(stand.started.contains("since the limit RLIMIT_NOFILE (ulimit -n) is 160"), "{}", stand.started);
    let own = Arc::clone(&stand);
    let taken = tokio::task::spawn_blocking(move || {
        let http: Vec<_> = (0..100).filter_map(|_| TcpStream::connect(own.http).ok()).collect();
        let readers: Vec<_> =
            (0..5).map(|number| own.tls(&own.issue(&format!("reader-{number}.example")))).collect();
        let silent: Vec<_> = readers.iter().flat_map(|tls| (0..30).filter_map(|_| own.silent(tls))).collect();
        let hellos: Vec<_> = (0..100).filter_map(|_| own.hello(&readers[0])).collect();
        let strangers: Vec<_> = (0..100).filter_map(|_| TcpStream::connect(own.address).ok()).collect();
        (http, silent, hellos, strangers)
    });
    let taken = taken.await.unwrap();
    let elsewhere = TestApp::empty().await;
    let operator = stand.client(&elsewhere, &stand.issue("admin.example"));
    let _ = operator.call(kill).await;
    let own = Arc::clone(&stand);
    let ended = tokio::task::spawn_blocking(move || own.process.ended()).await.unwrap();
    ended.expect_code(0);
    drop(taken);
    elsewhere.stop().await;
}

#[test]
fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    if !tools::installed("prlimit", &["--nofile=64:4096", "true"], "util-linux") {
        return;
    }
    let program = Program::new("prlimit").without_environment();
    let stand = Stand::of(program.args(["--nofile=64:4096", env!("CARGO_BIN_EXE_svc-example")]));
    let limits = fs::read_to_string(format!("/proc/{}/limits", stand.process.pid())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("4096"), "{files}");
    assert!(!stand.started.contains("RLIMIT_NOFILE"), "{}", stand.started);
}
