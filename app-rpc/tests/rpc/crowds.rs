//! Very many clients at once, and too few resources for them.

use std::fs::File;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use app_rpc::{End, Refusal};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use rustls::ClientConfig;
use rustls::version::TLS12;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::pki::{AUTHORITY, Leaf};
use crate::raw;
use crate::stand::{PATIENCE, Stand, ask, client_of, config, eventually};

/// Silent strangers, and clients among them. Both ends of each are in this process, with those of other tests.
const STRANGERS: usize = 1850;
const CLIENTS: usize = 150;
const DESCRIPTORS: u64 = 2 * (STRANGERS + CLIENTS) as u64 + 1500;

/// Raises the limit of file descriptors, if the process may.
fn may_have(descriptors: u64) -> bool {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < descriptors {
        eprintln!(
            "SKIPPED: the hard limit of file descriptors (ulimit -Hn) is {hard}, {descriptors} are needed"
        );
        return false;
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(descriptors), hard).unwrap();
    true
}

/// Connects until it is accepted, as a client does after a refusal. With TLS 1.2 it knows when it is accepted.
async fn patient(to: std::net::SocketAddr, tls: Arc<ClientConfig>) -> TlsStream<TcpStream> {
    let mut again = tokio::time::interval(Duration::from_millis(50));
    loop {
        again.tick().await;
        if let Ok(stream) = raw::connect(to, &tls).await {
            return stream;
        }
    }
}

/// There may be 512 handshakes at a time. A new one displaces the oldest, so silent clients keep no client out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_thousand_that_connect_at_once_all_clients_are_served() {
    if !may_have(DESCRIPTORS) {
        return;
    }
    // On a slow machine too, new handshakes displace old ones, and not the time limit of a handshake.
    let stand = Stand::with(&|mut spec| {
        spec.set_max_client_conns(200);
        spec.init_limits().set_handshake_millis(600_000);
    })
    .await;
    let (client, to) = (stand.client(), stand.address());
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    let issued = AUTHORITY.issue(Leaf::client("raw.test"));
    let tls = raw::tls(Some(&issued), &[&TLS12]);
    let strangers: Vec<_> = (0..STRANGERS).map(|_| tokio::spawn(TcpStream::connect(to))).collect();
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(patient(to, Arc::clone(&tls)))).collect();
    let (mut silent, mut open) = (Vec::new(), Vec::new());
    for connecting in strangers {
        silent.push(connecting.await.unwrap().unwrap());
    }
    for connecting in clients {
        open.push(tokio::time::timeout(PATIENCE, connecting).await.unwrap().unwrap());
    }
    eventually("all are there", || stand.counts().active == CLIENTS + 1).await;
    let all = u64::try_from(STRANGERS + CLIENTS).unwrap();
    eventually("all were accepted", || stand.counts().accepted > all).await;
    assert!(stand.counts().refused(Refusal::TooManyHandshakes) > 0);
    assert_eq!(stand.counts().refused(Refusal::HandshakeTimeout), 0);
    assert_eq!(client.call(|quota| ask(quota, "echo", 7)).await, Ok(7));
    drop((open, silent));
    eventually("all are gone", || stand.counts().active == 1 && stand.counts().connecting == 0).await;
    let counts = stand.counts();
    assert_eq!(counts.ended(End::PeerClosed) + counts.ended(End::Lost), counts.established - 1);
    stand.app.stop().await.expect_clean();
}

/// This test starts itself again, because it uses all file descriptors of its process.
#[test]
fn without_file_descriptors_clients_are_refused_at_once_and_the_listener_stays() {
    const INSIDE: &str = "APP_RPC_TEST_OUT_OF_DESCRIPTORS";
    const NAME: &str = "crowds::without_file_descriptors_clients_are_refused_at_once_and_the_listener_stays";
    if std::env::var_os(INSIDE).is_some() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        return runtime.block_on(run_out_of_descriptors());
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    let output = again.args(["--exact", NAME, "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Takes all file descriptors.
fn hoard() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

async fn run_out_of_descriptors() {
    let stand = Stand::new().await;
    let client = stand.client();
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 256, hard).unwrap();
    let mut all = hoard();
    assert!(!all.is_empty());
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    all.extend(hoard());
    let began = tokio::time::Instant::now();
    for count in 1..=20 {
        // One descriptor for the client's end, and none for the server's.
        drop(all.pop());
        let mut refused = TcpStream::connect(stand.address()).await.unwrap();
        let read = tokio::time::timeout(PATIENCE, refused.read(&mut [0])).await;
        assert!(matches!(read, Ok(Ok(0) | Err(_))), "it was kept waiting");
        // From the moment on that it is counted, the server gives no descriptor back, not even for a moment: it would be taken.
        let until = std::time::Instant::now() + PATIENCE;
        while stand.counts().refused(Refusal::OutOfDescriptors) < count {
            assert!(std::time::Instant::now() < until, "it was not counted");
            std::hint::spin_loop();
        }
        for _ in 0..2_000 {
            assert!(hoard().is_empty(), "the server gave its descriptor back");
        }
        drop(refused);
        all.extend(hoard());
        assert_eq!(client.call(|quota| ask(quota, "echo", 2)).await, Ok(2));
    }
    // None of them waited for a pause of the server, because those get longer and longer.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let log = stand.app.captured().text();
    assert!(log.contains("no file descriptor is left (ulimit -n)"), "{log}");
    // The server waits for clients, and does nothing else.
    let spent = || {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds()
    };
    let before = spent();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..5 {
        ticks.tick().await;
    }
    assert!(spent() - before < 200, "{} ms of processor time in 400", spent() - before);
    // The descriptors are free again.
    drop(all);
    let other = client_of(&stand.app, "other", config(&[stand.address()], &AUTHORITY));
    assert_eq!(other.call(|quota| ask(quota, "echo", 3)).await, Ok(3));
    assert!(stand.app.captured().text().contains("RPC connections are accepted again"));
    assert_eq!(stand.counts().refused(Refusal::OutOfDescriptors), 20);
    stand.app.stop().await.expect_clean();
}
