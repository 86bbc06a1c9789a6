//! An operator stops the program while other clients use all resources that they can get.

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

/// Connections of one certificate that send nothing, and connections without a handshake.
const SILENT: usize = 1024;
const STRANGERS: usize = 600;
/// Connections of one client whose calls are denied, and the calls in flight on each.
const FLOODS: usize = 6;
const DENIED_AT_ONCE: usize = 200;
/// Clients that connect, do a handshake and disconnect, repeatedly.
const COMING_AND_GOING: usize = 2;

/// Longest time until the application is not ready: a second for the kill, half a second for the log, and more for a busy machine.
const ACTS: Duration = Duration::from_secs(3);

/// Longest time until the process has ended. Clients that do not close get a second, and so does the last flush of the log.
const IN_TIME: Duration = Duration::from_secs(8);

/// An authority, and the program with an admin interface for clients of the authority.
struct Fixture {
    authority: Authority,
    process: Process,
    address: SocketAddr,
    /// Address of the HTTP server.
    http: SocketAddr,
    /// The log up to the start.
    started: String,
    /// The reading end of the log. After the start, the test reads nothing from it.
    _log: BufReader<std::io::PipeReader>,
    _configs: Configs,
}

impl Fixture {
    fn new() -> Self {
        Self::of(Program::service())
    }

    /// Starts the program with this command.
    fn of(program: Program) -> Self {
        let options = AuthorityOptions::new("an authority", Validity::days(30));
        let authority = Authority::root(&options).unwrap();
        // A port that is free now.
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
        let http = started
            .lines()
            .find(|line| line.contains(&app_metrics::log_events::METRICS_HTTP_SERVER_STARTED.hex()));
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

    /// A connection with this certificate, after the handshake.
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

    /// A connection with this certificate that stops after the first message of the handshake.
    fn hello(&self, tls: &Arc<ClientConfig>) -> Option<TcpStream> {
        let mut socket = TcpStream::connect(self.address).ok()?;
        let name = ServerName::try_from(NAME.to_string()).unwrap();
        let mut session = ClientConnection::new(Arc::clone(tls), name).unwrap();
        session.write_tls(&mut socket).ok()?;
        Some(socket)
    }

    /// Waits until the application is not ready. Returns the moment.
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

/// The config of the admin interface: one thread for readers, and one client with the role `admin`.
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

/// Raises the limit of descriptors of this process and its children. Returns whether that worked.
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
    let fixture = Arc::new(Fixture::new());
    let elsewhere = TestApp::empty().await;
    let reader = fixture.issue("reader.example");
    // Other connections never finish their handshake, or never begin it.
    let strangers: Vec<_> = (0..STRANGERS).filter_map(|_| TcpStream::connect(fixture.address).ok()).collect();
    let (tls, own) = (fixture.tls(&reader), Arc::clone(&fixture));
    let silent =
        tokio::task::spawn_blocking(move || (0..SILENT).filter_map(|_| own.silent(&tls)).collect::<Vec<_>>());
    let silent = silent.await.unwrap();
    let (mut floods, denied) = (JoinSet::new(), Arc::<AtomicU64>::default());
    // A second certificate, because that of the silent connections has no places left.
    let flooding = fixture.issue("flood.example");
    for _ in 0..FLOODS {
        let client = fixture.client(&elsewhere, &flooding);
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
            let (fixture, over) = (Arc::clone(&fixture), Arc::clone(&over));
            let tls = fixture.tls(&flooding);
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    drop(fixture.silent(&tls))
                }
            })
        })
        .collect();
    let operator = fixture.client(&elsewhere, &fixture.issue("admin.example"));
    let (begun, own) = (Instant::now(), Arc::clone(&fixture));
    let acts = tokio::task::spawn_blocking(move || own.not_ready());
    // The application may end before it answers.
    let _ = operator.call(kill).await;
    let answered = begun.elapsed();
    let acts = acts.await.unwrap() - begun;
    let own = Arc::clone(&fixture);
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

/// When descriptors run out, clients that have sent nothing lose theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_do_not_use_up_the_descriptors() {
    if !tools::installed("prlimit", &["--nofile=160", "true"], "util-linux") {
        return;
    }
    let program = Program::new("prlimit").without_environment();
    let program = program.args(["--nofile=160:160", e2e::svc_example()]);
    let fixture = Fixture::of(program);
    let strangers: Vec<_> = (0..400).filter_map(|_| TcpStream::connect(fixture.address).ok()).collect();
    assert!(strangers.len() > 200, "{}", strangers.len());
    let elsewhere = TestApp::empty().await;
    let operator = fixture.client(&elsewhere, &fixture.issue("admin.example"));
    let _ = operator.call(kill).await;
    let ended = tokio::task::spawn_blocking(move || fixture.process.ended()).await.unwrap();
    ended.expect_code(0);
    elsewhere.stop().await;
}

/// Connections, handshakes and HTTP have shares of the descriptors. The rest is enough for an operator.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_gets_in_where_clients_take_all_descriptors_that_they_can_get() {
    if !tools::installed("prlimit", &["--nofile=160", "true"], "util-linux") {
        return;
    }
    let program = Program::new("prlimit").without_environment();
    let program = program.args(["--nofile=160:160", e2e::svc_example()]);
    let fixture = Arc::new(Fixture::of(program));
    assert!(
        fixture.started.contains("since the limit RLIMIT_NOFILE (ulimit -n) is 160"),
        "{}",
        fixture.started
    );
    let own = Arc::clone(&fixture);
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
    let operator = fixture.client(&elsewhere, &fixture.issue("admin.example"));
    let _ = operator.call(kill).await;
    let own = Arc::clone(&fixture);
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
    let fixture = Fixture::of(program.args(["--nofile=64:4096", e2e::svc_example()]));
    let limits = fs::read_to_string(format!("/proc/{}/limits", fixture.process.pid())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("4096"), "{files}");
    assert!(!fixture.started.contains("RLIMIT_NOFILE"), "{}", fixture.started);
}
