//! Two hosts, each a network namespace, and a bad network between them. Linux provides both, with its own timeouts.
//!
//! Needs root and iproute2; loss and delay need the kernel's netem as well. Where the machine does not let it, the test says that it
//! was skipped. It starts itself again in the namespaces.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use app_core::testing::TestApp;
use app_rpc::{RpcClient, RpcClientConfig};
use quota_schema::quota_capnp::quota;
use tokio::time::Instant;

use crate::pki::{AUTHORITY, Issued, Leaf};
use crate::stand::{NAME, PATIENCE, Spec, Stand, ask, builder, client_of};

const TEST: &str = "hosts::calls_over_a_bad_network_end_by_their_deadline_and_go_on_when_it_is_good_again";
const ROLE: &str = "APP_RPC_TEST_HOST";
const SERVER: &str = "10.213.7.1";
const CLIENT: &str = "10.213.7.2";
const CALL: Duration = Duration::from_millis(500);

fn ip(arguments: &str) -> bool {
    Command::new("ip")
        .args(arguments.split(' '))
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Two namespaces and the link between them, until this is dropped.
struct Hosts {
    server: String,
    client: String,
}

impl Hosts {
    fn new() -> Option<Self> {
        // The names are global on the machine.
        let number = app_ids::random_u64();
        let of = |host: &str| format!("app-rpc-{host}-{number:x}");
        let hosts = Self { server: of("s"), client: of("c") };
        let Self { server, client } = &hosts;
        let made = ip(&format!("netns add {server}"))
            && ip(&format!("netns add {client}"))
            && ip(&format!("-n {server} link add wire type veth peer name wire netns {client}"))
            && ip(&format!("-n {server} addr add {SERVER}/24 dev wire"))
            && ip(&format!("-n {client} addr add {CLIENT}/24 dev wire"))
            && ip(&format!("-n {server} link set wire up"))
            && ip(&format!("-n {client} link set wire up"))
            && ip(&format!("-n {server} link set lo up"))
            && ip(&format!("-n {client} link set lo up"));
        made.then_some(hosts)
    }

    /// Runs this test in one of them.
    fn start(&self, namespace: &str, role: &str, dir: &Path) -> Host {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(std::env::current_exe().unwrap());
        command.args(["--exact", TEST, "--nocapture"]).env(ROLE, role).env("APP_RPC_TEST_DIR", dir);
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Host { child, lines }
    }

    /// Cuts the network, or restores it.
    fn cut(&self, is_cut: bool) {
        let state = if is_cut { "down" } else { "up" };
        assert!(ip(&format!("-n {} link set wire {state}", self.server)));
    }

    /// Sets loss and delay on both sides. `false` if the kernel can't.
    fn netem(&self, what: &str) -> bool {
        [&self.server, &self.client].into_iter().all(|host| {
            let arguments = format!("-n {host} qdisc replace dev wire root netem {what}");
            let set = Command::new("tc").args(arguments.split(' ')).stderr(Stdio::null()).status();
            set.is_ok_and(|status| status.success())
        })
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in [&self.server, &self.client] {
            ip(&format!("netns del {host}"));
        }
    }
}

/// This test in a namespace, until this is dropped.
struct Host {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Host {
    /// The next line of output for the test.
    fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "it has ended");
            if let Some(said) = line.trim_end().split("host: ").nth(1) {
                return said.to_owned();
            }
        }
    }

    /// Waits for this many answers of one kind in a row. Returns the number of lines before them.
    fn until(&mut self, like: &str, count: usize) -> usize {
        let (mut in_a_row, mut lines, began) = (0, 0, std::time::Instant::now());
        while in_a_row < count {
            let line = self.line();
            in_a_row = if line.starts_with(like) { in_a_row + 1 } else { 0 };
            lines += 1;
            // The pipe can hold many answers of calls before the cut.
            assert!(began.elapsed() < PATIENCE, "{line}");
        }
        lines - count
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two hosts, and a server on one of them.
fn two_hosts() -> Option<(Hosts, tempfile::TempDir, Host)> {
    let Some(hosts) = Hosts::new() else {
        eprintln!("SKIPPED: no network namespaces can be made here (root and iproute2 are needed)");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let issue = |name: &str, issued: Issued| {
        std::fs::write(dir.path().join(format!("{name}.cert")), issued.cert).unwrap();
        std::fs::write(dir.path().join(format!("{name}.key")), issued.key).unwrap();
    };
    issue("server", AUTHORITY.issue(Leaf::server(&NAME.to_string())));
    issue("client", AUTHORITY.issue(Leaf::client("client.test")));
    std::fs::write(dir.path().join("ca"), AUTHORITY.pem()).unwrap();
    let mut server = hosts.start(&hosts.server, "server", dir.path());
    std::fs::write(dir.path().join("port"), server.line()).unwrap();
    Some((hosts, dir, server))
}

#[test]
fn calls_over_a_bad_network_end_by_their_deadline_and_go_on_when_it_is_good_again() {
    match std::env::var(ROLE).as_deref() {
        Ok("server") => return run(serve()),
        Ok("hang") => return run(hang()),
        Ok(_) => return run(call()),
        Err(_) => {}
    }
    let Some((hosts, dir, _server)) = two_hosts() else { return };
    let mut client = hosts.start(&hosts.client, "client", dir.path());
    client.until("answered", 20);
    // Both ends probe each other on a silent connection.
    for host in [&hosts.server, &hosts.client] {
        let sockets =
            Command::new("ip").args(["netns", "exec", host, "ss", "-tnoH", "state", "established"]).output();
        let sockets = String::from_utf8(sockets.unwrap().stdout).unwrap();
        if !sockets.is_empty() {
            assert!(sockets.lines().any(|socket| socket.contains("timer:")), "{sockets}");
        }
    }

    if hosts.netem("loss 10% delay 10ms 5ms") {
        // TCP repairs the loss, and takes time for it.
        client.until("answered", 20);
        assert!(hosts.netem("loss 0%"));
    } else {
        eprintln!("SKIPPED in part: this kernel has no netem, so nothing is lost or delayed");
    }
    for _ in 0..2 {
        hosts.cut(true);
        client.until("failed", 3);
        hosts.cut(false);
        let before = client.until("answered", 20);
        assert!(before < 40, "{before} calls failed after the network was there again");
    }
}

#[test]
#[ignore = "takes half a minute, which is what it shows"]
fn a_host_that_vanishes_with_a_call_in_flight_is_noticed_by_both_sides() {
    let Some((hosts, dir, mut server)) = two_hosts() else { return };
    let mut client = hosts.start(&hosts.client, "hang", dir.path());
    server.until("running 1", 1);
    hosts.cut(true);
    let began = std::time::Instant::now();
    server.until("running 0", 1);
    let server_took = began.elapsed();
    let said = client.line();
    assert!(said.starts_with("failed MaybeExecuted"), "{said}");
    let both_took = began.elapsed();
    assert!(both_took < Duration::from_secs(45), "{server_took:?}, {both_took:?}");
    eprintln!("the server noticed after {server_took:?}, both had after {both_took:?}: {said}");
}

fn run(host: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(host);
}

fn read(name: &str) -> String {
    let dir = std::env::var("APP_RPC_TEST_DIR").unwrap();
    std::fs::read_to_string(Path::new(&dir).join(name)).unwrap()
}

fn issued(name: &str) -> Issued {
    Issued { cert: read(&format!("{name}.cert")), key: read(&format!("{name}.key")) }
}

/// Reports to the test that started this.
#[allow(clippy::print_stdout, reason = "that is how it hears of it")]
fn tell(line: &str) {
    println!("host: {line}");
}

async fn serve() {
    let (builder, seen) = builder();
    let (server, ca) = (issued("server"), read("ca"));
    let change = |mut spec: schema::rpc_capnp::rpc_server_spec::Builder<'_>| spec.set_bind_address(SERVER);
    Spec { server: &server, ca: &ca, crl: "", change: &change }.put(builder.config_dir());
    let stand = Stand { app: builder.start().await, seen };
    tell(&stand.address().port().to_string());
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    loop {
        ticks.tick().await;
        tell(&format!("running {}", stand.seen.running()));
    }
}

fn client(app: &TestApp) -> RpcClient<quota::Client> {
    let trust = app_rpc::Authorities::from_pem(read("ca").as_bytes(), b"").unwrap();
    let mut config = RpcClientConfig::new(NAME, 1, issued("client").pair(), trust);
    config.addresses = vec![format!("{SERVER}:{}", read("port"))];
    config.connect_timeout = CALL;
    config.call_timeout = CALL;
    client_of(app, "client", config)
}

/// Makes calls one after another, and prints each result. Each call ends within its limit.
async fn call() {
    let (builder, _) = builder();
    let app = builder.start().await;
    let client = client(&app);
    for number in 0.. {
        let began = Instant::now();
        let answer = client.call(move |quota| ask(quota, "echo", number)).await;
        let took = began.elapsed();
        assert!(took < CALL + Duration::from_secs(1), "a call took {took:?}");
        match answer {
            Ok(answer) => tell(&format!("answered {}", answer == number)),
            Err(failed) => tell(&format!("failed {:?} {}", failed.failure(), failed.reason())),
        }
        tokio::task::yield_now().await;
    }
}

/// Makes one call without a deadline, which is never answered.
async fn hang() {
    let (builder, _) = builder();
    let app = builder.start().await;
    let failed =
        client(&app).call_by(Instant::now() + Duration::from_secs(300), |quota| ask(quota, "hang", 1)).await;
    let failed = failed.unwrap_err();
    tell(&format!("failed {:?} {}", failed.failure(), failed.reason()));
}
