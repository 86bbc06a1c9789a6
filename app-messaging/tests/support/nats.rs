//! Real NATS servers for tests: found, started with JetStream in a temporary folder, killed with the test.
//!
//! `app-messaging` and `e2e` compile this file, each for its own tests. It installs nothing. The programs come from `NATS_SERVERS`, a
//! list of paths with `:` between them. Without it, they are every `nats-server` in `target/ci-nats/*/` and on the path. A test
//! without servers says that it was skipped; with `REQUIRE_TOOLS=1` it fails.
//!
//! A server has to find its port free again after a restart. So ports come from below the range that systems give to outgoing
//! connections, at random. A server that finds its port taken gets another one at its first start.
//!
//! Waits block their thread. A test on one thread must not wait for a server that needs the test's own tasks.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use app_core::testing::{Process, Program, Signal};
use tempfile::TempDir;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ports that no system gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// An installed server program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NatsProgram {
    /// Major, minor and patch number.
    pub(crate) version: (u32, u32, u32),
    pub(crate) path: PathBuf,
}

impl NatsProgram {
    /// All programs of this machine, oldest first, one of each version. Says so when there are none.
    pub(crate) fn all() -> Vec<Self> {
        let found = match env::var("NATS_SERVERS") {
            Ok(list) if !list.is_empty() => list
                .split(':')
                .map(|path| Self::at(Path::new(path)).unwrap_or_else(|why| panic!("NATS_SERVERS: {why}")))
                .collect(),
            _ => default_paths().iter().filter_map(|path| Self::at(path).ok()).collect::<Vec<_>>(),
        };
        let mut versions = BTreeSet::new();
        let mut all: Vec<_> = found.into_iter().filter(|program| versions.insert(program.version)).collect();
        all.sort();
        if all.is_empty() {
            let skipped = "SKIPPED: no nats-server was found (install nats-server, or set NATS_SERVERS)";
            assert!(
                env::var("REQUIRE_TOOLS").as_deref() != Ok("1"),
                "{skipped}, and REQUIRE_TOOLS=1 asks for it"
            );
            // Not `eprintln`: the test harness hides its output if the test passes.
            let _ = writeln!(io::stderr(), "{skipped}");
        }
        all
    }

    /// The newest program. `None` when there is none; then the test says that it was skipped.
    pub(crate) fn newest() -> Option<Self> {
        Self::all().pop()
    }

    fn at(path: &Path) -> Result<Self, String> {
        let output = Command::new(path).arg("--version").output();
        let output = output.map_err(|error| format!("{}: {error}", path.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.rsplit('v').next().map(|digits| digits.trim().split('.').map(str::parse::<u32>));
        match version.map(Iterator::collect::<Vec<_>>).as_deref() {
            Some([Ok(major), Ok(minor), Ok(patch)]) => {
                Ok(Self { version: (*major, *minor, *patch), path: path.to_owned() })
            }
            _ => Err(format!("{}: is no nats-server: it answers {text:?}", path.display())),
        }
    }

    /// A server of this program, with JetStream.
    pub(crate) fn start(&self) -> NatsServer {
        self.start_with("")
    }

    /// A server of this program with JetStream and this text in its config.
    pub(crate) fn start_with(&self, config: &str) -> NatsServer {
        let mut last = String::new();
        for _ in 0..5 {
            let mut server = NatsServer::new(self, "n1", config);
            match server.try_launch() {
                Ok(()) => return server,
                Err(why) => last = why,
            }
        }
        panic!("{}: did not start: {last}", self.path.display());
    }

    /// A cluster of three servers, which has a leader.
    pub(crate) fn start_cluster(&self) -> NatsCluster {
        self.start_cluster_with("")
    }

    /// A cluster of three servers with this text in each config.
    pub(crate) fn start_cluster_with(&self, config: &str) -> NatsCluster {
        let mut last = String::new();
        for _ in 0..5 {
            let mut servers: Vec<_> =
                ["n1", "n2", "n3"].map(|name| NatsServer::new(self, name, config)).into();
            let routes: Vec<_> = servers.iter().map(|server| server.route).collect();
            for server in &mut servers {
                server.routes.clone_from(&routes);
                server.launch();
            }
            match servers.iter().try_for_each(NatsServer::wait) {
                Ok(()) => return NatsCluster { servers },
                Err(why) => last = why,
            }
        }
        panic!("{}: no cluster came up: {last}", self.path.display());
    }
}

fn default_paths() -> Vec<PathBuf> {
    // The test is in `target/PROFILE/deps`.
    let test = env::current_exe().unwrap();
    let target = test.ancestors().find(|folder| folder.join("deps").is_dir()).and_then(Path::parent);
    let installed = target.and_then(|target| fs::read_dir(target.join("ci-nats")).ok());
    let installed = installed.into_iter().flatten().flatten().map(|entry| entry.path().join("nats-server"));
    let on_path = env::var_os("PATH").unwrap_or_default();
    // Where Debian has it. The paths of users other than root have no such folder.
    let folders = env::split_paths(&on_path).chain([PathBuf::from("/usr/sbin")]);
    installed.chain(folders.map(|folder| folder.join("nats-server"))).filter(|path| path.is_file()).collect()
}

/// A running server. It ends with this value, and so do its files.
#[derive(Debug)]
pub(crate) struct NatsServer {
    program: NatsProgram,
    name: String,
    config: String,
    pub(crate) port: u16,
    /// The port of its monitoring pages.
    http: u16,
    route: u16,
    /// The ports of the routes of its cluster, if it is part of one.
    routes: Vec<u16>,
    folder: TempDir,
    process: Option<Process>,
}

impl NatsServer {
    fn new(program: &NatsProgram, name: &str, config: &str) -> Self {
        Self {
            program: program.clone(),
            name: name.to_owned(),
            config: config.to_owned(),
            port: free_port(),
            http: free_port(),
            route: free_port(),
            routes: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
            process: None,
        }
    }

    /// The address for clients.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// The address for clients.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The folder of its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces the text of its config. It counts from the next start on, or from [`reload`](Self::reload).
    pub(crate) fn set_config(&mut self, config: &str) {
        config.clone_into(&mut self.config);
        self.write_config();
    }

    /// Makes it read its config again.
    pub(crate) fn reload(&self) {
        self.signal(Signal::SIGHUP);
    }

    /// Sends a signal to the process, such as SIGSTOP and SIGCONT.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// Ends it at once, as a crash does. Its files stay.
    pub(crate) fn kill(&mut self) {
        // Dropping kills and reaps.
        self.process = None;
    }

    /// Ends it as an operator does.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        if let Some(process) = self.process.take() {
            process.ended();
        }
    }

    /// Starts it without waiting until it is ready.
    pub(crate) fn launch(&mut self) {
        self.kill();
        self.write_config();
        let program =
            Program::new(&self.program.path).args(["--config".as_ref(), self.config_file().as_os_str()]);
        self.process = Some(program.patience(PATIENCE).start());
    }

    /// Starts it again, on the same port with the same files, and waits until it is ready.
    pub(crate) fn restart(&mut self) {
        self.try_launch().unwrap_or_else(|why| panic!("{}: did not start again: {why}", self.name));
    }

    /// Deletes what it stored. It has to be down.
    pub(crate) fn wipe(&self) {
        assert!(self.process.is_none(), "{} runs", self.name);
        let stored = self.folder.path().join("jetstream");
        if stored.exists() {
            fs::remove_dir_all(stored).unwrap();
        }
    }

    /// Waits until it is ready: with JetStream, and in a cluster with a leader.
    pub(crate) fn ready(&self) {
        self.wait().unwrap_or_else(|why| panic!("{}: {why}", self.name));
    }

    /// Whether it is ready at this moment.
    pub(crate) fn is_ready(&self) -> bool {
        self.page("/healthz").is_ok_and(|page| page.contains("\"ok\""))
    }

    /// A page of its monitoring, such as `/jsz?streams=true`.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) fn page(&self, path: &str) -> io::Result<String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.http));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: test\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .ok_or_else(|| io::Error::other("no body"))
    }

    /// A page of its monitoring as JSON. `None` when it does not answer.
    pub(crate) fn json(&self, path: &str) -> Option<serde_json::Value> {
        serde_json::from_str(&self.page(path).ok()?).ok()
    }

    /// The name of the server that leads a stream, as this server knows it.
    pub(crate) fn leader_of(&self, stream: &str) -> Option<String> {
        self.stream_detail(stream)?["cluster"]["leader"].as_str().map(str::to_owned)
    }

    fn stream_detail(&self, stream: &str) -> Option<serde_json::Value> {
        let page = self.json("/jsz?accounts=true&streams=true&consumers=true")?;
        let accounts = page["account_details"].as_array()?;
        let streams = accounts.iter().filter_map(|account| account["stream_detail"].as_array()).flatten();
        streams.into_iter().find(|detail| detail["name"] == stream).cloned()
    }

    /// How many messages a stream holds. `None` while there is no such stream.
    pub(crate) fn messages_of(&self, stream: &str) -> Option<u64> {
        self.stream_detail(stream)?["state"]["messages"].as_u64()
    }

    /// How many messages of a consumer were delivered and not acknowledged. `None` while there is no such consumer.
    pub(crate) fn ack_pending(&self, stream: &str, consumer: &str) -> Option<u64> {
        let detail = self.stream_detail(stream)?;
        let all = detail["consumer_detail"].as_array()?;
        all.iter().find(|one| one["name"] == consumer)?["num_ack_pending"].as_u64()
    }

    /// How many deliveries a consumer made, those of one message included. `None` while there is no such consumer.
    pub(crate) fn deliveries(&self, stream: &str, consumer: &str) -> Option<u64> {
        let detail = self.stream_detail(stream)?;
        let all = detail["consumer_detail"].as_array()?;
        all.iter().find(|one| one["name"] == consumer)?["delivered"]["consumer_seq"].as_u64()
    }

    /// Whether a client listens on exactly this subject, or on one with wildcards in the last two places.
    pub(crate) fn has_subscription(&self, subject: &str) -> bool {
        let wild = subject.rsplitn(3, '.').last().map(|begin| format!("{begin}.*.*"));
        let page = self.page("/connz?subs=true").unwrap_or_default();
        page.contains(&format!("\"{subject}\""))
            || wild.is_some_and(|wild| page.contains(&format!("\"{wild}\"")))
    }

    fn try_launch(&mut self) -> Result<(), String> {
        self.launch();
        self.wait()
    }

    fn wait(&self) -> Result<(), String> {
        let process = self.process.as_ref().ok_or("it was not started")?;
        let until = Instant::now() + PATIENCE;
        loop {
            if self.is_ready() && TcpStream::connect(self.address()).is_ok() {
                return Ok(());
            }
            if process.is_over() {
                return Err(format!("it ended: {}", process.ended().stderr));
            }
            if Instant::now() > until {
                return Err(format!("not ready within {PATIENCE:?}: {:?}", self.page("/healthz")));
            }
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn config_file(&self) -> PathBuf {
        self.folder.path().join("server.conf")
    }

    fn write_config(&self) {
        let (name, port, http) = (&self.name, self.port, self.http);
        let store = self.folder.path().join("jetstream");
        let mut text = format!(
            "server_name: {name:?}\nlisten: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{http}\"\n\
             jetstream {{ store_dir: {store:?}, max_memory_store: 1GB, max_file_store: 100GB }}\n{}\n",
            self.config
        );
        if !self.routes.is_empty() {
            let routes: Vec<_> =
                self.routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
            let (route, routes) = (self.route, routes.join(", "));
            text.push_str(&format!(
                "cluster {{ name: \"test\", listen: \"127.0.0.1:{route}\", no_advertise: true, routes: [{routes}] }}\n"
            ));
        }
        fs::write(self.config_file(), text).unwrap();
    }
}

/// Three servers that share what they store.
#[derive(Debug)]
pub(crate) struct NatsCluster {
    pub(crate) servers: Vec<NatsServer>,
}

impl NatsCluster {
    /// The addresses for clients, with commas between them.
    pub(crate) fn url(&self) -> String {
        self.servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",")
    }

    /// The place of the server that leads a stream in the list. `None` while none does.
    pub(crate) fn leader_of(&self, stream: &str) -> Option<usize> {
        let leader = self.servers.iter().find_map(|server| server.leader_of(stream))?;
        self.servers.iter().position(|server| server.name == leader)
    }
}

/// A port that nothing listens on at the moment.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(PORTS);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
