//! Certificates, authorities, revocation lists and grants change while calls go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use app_rpc::{Authorities, End, Refusal, Role, RpcClient};
use quota_schema::quota_capnp::quota;
use schema::rpc_capnp::{RpcRole, rpc_server_spec};
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use crate::pki::{AUTHORITY, Authority, Issued, Leaf};
use crate::raw::{self, is_let_in};
use crate::stand::{NAME, PATIENCE, Spec, Stand, ask, client_of, config, eventually};

type Change<'a> = &'a dyn Fn(rpc_server_spec::Builder<'_>);

/// Puts a config in place, and waits until the endpoint uses it.
async fn reload(stand: &Stand, spec: Spec<'_>) {
    let taken = || stand.app.captured().text().matches("goes on with its new config").count();
    let before = taken();
    spec.put(stand.app.config_dir());
    stand.app.reload();
    eventually("reloaded", || taken() == before + 1).await;
}

fn server() -> Issued {
    AUTHORITY.issue(Leaf::server(&NAME.to_string()))
}

fn trust(certificates: &str, crls: &str) -> Authorities {
    Authorities::from_pem(certificates.as_bytes(), crls.as_bytes()).unwrap()
}

/// Callers at full speed: this many tasks of each client, each with a call in flight. Every fourth call waits a while.
struct Load {
    callers: JoinSet<()>,
    stop: Arc<AtomicBool>,
    answered: Vec<Arc<AtomicUsize>>,
}

impl Load {
    fn of(clients: &[RpcClient<quota::Client>], callers_of_each: u32) -> Self {
        let mut load = Self { callers: JoinSet::new(), stop: Arc::default(), answered: Vec::new() };
        for client in clients {
            let answered = Arc::<AtomicUsize>::default();
            for caller in 0..callers_of_each {
                let (client, stop) = (client.clone(), Arc::clone(&load.stop));
                let answered = Arc::clone(&answered);
                load.callers.spawn(async move {
                    let rule = if caller % 4 == 0 { "wait" } else { "echo" };
                    while !stop.load(Ordering::Relaxed) {
                        let answer = match caller % 3 {
                            0 => request(&client, rule, caller).await,
                            _ => client.call(move |quota| ask(quota, rule, caller)).await,
                        };
                        assert_eq!(answer, Ok(caller), "{:?}", client.instances());
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            load.answered.push(answered);
        }
        load
    }

    fn answered(&self) -> usize {
        self.answered.iter().map(|answered| answered.load(Ordering::Relaxed)).sum()
    }

    /// Waits until every client has many more answers.
    async fn goes_on(&self) {
        let count = || self.answered.iter().map(|answered| answered.load(Ordering::Relaxed));
        let before: Vec<_> = count().collect();
        eventually("calls go on", || count().zip(&before).all(|(now, before)| now >= before + 100)).await;
    }

    /// The number of answered calls. Every call must have been answered.
    async fn stop(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(caller) = self.callers.join_next().await {
            caller.unwrap();
        }
        self.answered()
    }
}

/// The same call without a change of threads, on a connection of its own.
async fn request(
    client: &RpcClient<quota::Client>,
    rule: &'static str,
    permits: u32,
) -> Result<u32, app_rpc::CallError> {
    let ask = move |quota: &quota::Client| {
        let mut request = quota.acquire_request();
        request.get().set_rule(rule);
        request.get().set_permits(permits);
        request
    };
    client.request(ask, |answer| Ok(answer.get_remaining())).await
}

/// Lets waiting calls continue, now and then.
fn keep_going(stand: &Stand) -> tokio::task::JoinHandle<()> {
    let seen = Arc::clone(&stand.seen);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            seen.go_on.notify_waiters();
        }
    })
}

/// Both sides move to another authority, with lists and grants: first both are trusted, then the certificates change, then one is
/// trusted. Connections are at most a second old on top of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_replaced_under_load_without_a_failed_call() {
    let grant = |role: RpcRole| {
        move |mut spec: rpc_server_spec::Builder<'_>| {
            spec.set_max_connection_age_seconds(1);
            let mut grant = spec.init_grants(1).get(0);
            grant.set_name("client.test");
            grant.set_role(role);
        }
    };
    let (reader, admin) = (grant(RpcRole::Read), grant(RpcRole::Admin));
    let next = Authority::new("the next authority");
    let (old, new) = (server(), next.issue(Leaf::server(&NAME.to_string())));
    let (both, lists) = (
        format!("{}{}", AUTHORITY.pem(), next.pem()),
        format!("{}{}", AUTHORITY.crl(&[1], 2100), next.crl(&[2], 2100)),
    );
    let stand = Stand::of(Spec { server: &old, ca: &AUTHORITY.pem(), crl: "", change: &reader }).await;
    let mut of_client = config(&[stand.address()], &AUTHORITY);
    let clients = [(); 4].map(|()| client_of(&stand.app, "caller", of_client.clone()));
    let (load, going) = (Load::of(&clients, 64), keep_going(&stand));
    load.goes_on().await;

    reload(&stand, Spec { server: &old, ca: &both, crl: &lists, change: &admin }).await;
    load.goes_on().await;
    of_client.servers = trust(&both, &lists);
    of_client.key_pair = next.issue(Leaf::client("client.test")).pair();
    for client in &clients {
        client.reconfigure(of_client.clone()).unwrap();
    }
    load.goes_on().await;
    reload(&stand, Spec { server: &new, ca: &both, crl: &lists, change: &admin }).await;
    load.goes_on().await;
    // Those that are there live on; each is replaced when it is too old, and by then both sides are at the next authority.
    let settled = stand.counts().ended(End::TooOld) + 4;
    eventually("all are new", || stand.counts().ended(End::TooOld) >= settled).await;
    reload(&stand, Spec { server: &new, ca: &next.pem(), crl: &next.crl(&[2], 2100), change: &admin }).await;
    of_client.servers = trust(&next.pem(), &next.crl(&[], 2100));
    for client in &clients {
        client.reconfigure(of_client.clone()).unwrap();
    }
    load.goes_on().await;

    // From then on both sides refuse the old authority.
    let shown = AUTHORITY.issue(Leaf::client("client.test"));
    for (trusted, why) in [(&next, Refusal::UnknownAuthority), (&*AUTHORITY, Refusal::ByPeer)] {
        let old_client = raw::tls_trusting(&trusted.pem(), Some(&shown), rustls::ALL_VERSIONS);
        assert!(!is_let_in(stand.address(), &old_client).await);
        eventually(why.label(), || stand.counts().refused(why) == 1).await;
    }
    let answered = load.stop().await;
    going.abort();
    assert_eq!(stand.seen.begun(), answered, "each was executed once");
    let counts = stand.counts();
    assert!(counts.ended(End::TooOld) >= 4 && counts.established >= 16, "{counts:?}");
    assert_eq!((counts.ended(End::Lost), counts.ended(End::Protocol), counts.ended(End::Revoked)), (0, 0, 0));
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_bad_config_is_refused_and_the_old_one_goes_on() {
    let stand = Stand::new().await;
    let client = stand.client();
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    let (good, name) = (server(), NAME.to_string());
    let wrong_name = AUTHORITY.issue(Leaf::server("another.test"));
    let mixed = Issued { key: server().key, ..good.clone() };
    let wrong_purpose = AUTHORITY.issue(Leaf::client(&name));
    let none: Change<'_> = &|_| {};
    let cut = &AUTHORITY.pem()[..100];
    for (server, ca, change, said) in [
        (&wrong_name, &*AUTHORITY.pem(), none, "serverCert.cert: must have the name"),
        (&mixed, &AUTHORITY.pem(), none, "serverCert.key: is not the key of the certificate"),
        (&wrong_purpose, &AUTHORITY.pem(), none, "may not be used by servers"),
        (&good, cut, none, "caCert: block 1 (line 1) has no END line"),
        (&good, &AUTHORITY.pem(), &|spec| spec.init_limits().set_max_calls(0), "limits.maxCalls"),
    ] {
        Spec { server, ca, crl: "", change }.put(stand.app.config_dir());
        stand.app.reload();
        let refused = || stand.app.captured().text();
        eventually(said, || {
            refused().lines().any(|line| line.contains("not reloaded") && line.contains(said))
        })
        .await;
    }
    // New calls continue too.
    let other = client_of(&stand.app, "other", config(&[stand.address()], &AUTHORITY));
    assert_eq!(other.call(|quota| ask(quota, "echo", 2)).await, Ok(2));
    assert_eq!(client.call(|quota| ask(quota, "echo", 3)).await, Ok(3));
    assert_eq!(stand.counts().established, 2);
    assert!(!stand.app.captured().text().contains("goes on with its new config"));
    reload(&stand, Spec { server: &good, ca: &AUTHORITY.pem(), crl: "", change: none }).await;
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_revocation_closes_the_connections_of_that_client_in_good_order_and_no_others() {
    let stand = Stand::new().await;
    let (good, mut revoked) = (stand.client(), config(&[stand.address()], &AUTHORITY));
    revoked.key_pair = AUTHORITY.issue(Leaf::client("lost.test").serial(0x00ab_cdef)).pair();
    // Enough time for an answer on a busy machine, and less than the 8 s of the drain limit.
    revoked.call_timeout = Duration::from_secs(2);
    let revoked = client_of(&stand.app, "lost", revoked);
    // A client with a valid certificate, and a revoked certificate between it and the root.
    let between = AUTHORITY.intermediate_of("between", 0x77);
    let chained = between.issue_with(Leaf::client("chained.test"), &[&between]);
    let mut chained =
        raw::connect(stand.address(), &raw::tls(Some(&chained), rustls::ALL_VERSIONS)).await.unwrap();
    assert_eq!(good.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    let running = revoked.clone();
    let running = tokio::spawn(async move {
        running.call_by(tokio::time::Instant::now() + PATIENCE, |quota| ask(quota, "wait", 7)).await
    });
    eventually("it runs, and all are there", || stand.seen.running() == 1 && stand.counts().active == 3)
        .await;

    let crl = format!("{}{}", AUTHORITY.crl(&[0x00ab_cdef, 0x77], 2100), between.crl(&[], 2100));
    reload(&stand, Spec { server: &server(), ca: &AUTHORITY.pem(), crl: &crl, change: &|_| {} }).await;
    let mut said = Vec::new();
    tokio::time::timeout(PATIENCE, chained.read_to_end(&mut said)).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("the client's certificate was revoked"), "{said}");
    drop(chained);
    // What is new is not executed, what runs may end. Each connection is told for itself: a call may still come before this one is,
    // which is told by the time that it answers.
    let new = || revoked.call(|quota| ask(quota, "echo", 2));
    let (mut answer, mut executed) = (new().await, 0);
    if answer == Ok(2) {
        (answer, executed) = (new().await, 1);
    }
    let failed = answer.unwrap_err();
    assert!(failed.failure().is_safe_to_retry(), "{failed}");
    assert_eq!(stand.seen.begun(), 2 + executed);
    stand.seen.go_on.notify_waiters();
    assert_eq!(running.await.unwrap(), Ok(7));
    eventually("both are closed", || stand.counts().ended(End::Revoked) == 2).await;
    eventually("and not let in again", || stand.counts().refused(Refusal::Revoked) > 0).await;
    assert_eq!(good.call(|quota| ask(quota, "echo", 3)).await, Ok(3));
    assert_eq!((stand.counts().established, stand.counts().active), (3, 1));
    let log = stand.app.captured().text();
    let record = log.lines().find(|line| line.contains("RPC connection ended") && line.contains("lost.test"));
    let record = record.unwrap();
    assert!(
        record.contains("\"reason\":\"revoked\"") && record.contains("\"serial\":\"00abcdef\""),
        "{record}"
    );
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_connection_of_an_authority_that_is_gone_lives_until_it_is_too_old() {
    let stand = Stand::with(&|mut spec| spec.set_max_connection_age_seconds(4)).await;
    let client = stand.client();
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    let next = Authority::new("the next authority");
    let spec = Spec { server: &server(), ca: &next.pem(), crl: "", change: &|_| {} };
    reload(&stand, spec).await;
    assert_eq!(client.call(|quota| ask(quota, "echo", 2)).await, Ok(2));
    assert_eq!((stand.counts().established, stand.counts().active), (1, 1));
    eventually("too old", || stand.counts().ended(End::TooOld) == 1).await;
    eventually("refused", || stand.counts().refused(Refusal::UnknownAuthority) > 0).await;
    assert_eq!(stand.counts().established, 1);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_grant_counts_from_the_next_call_on_also_on_connections_that_are_open() {
    let grant = |role: RpcRole| {
        move |spec: rpc_server_spec::Builder<'_>| {
            let mut grant = spec.init_grants(1).get(0);
            grant.set_name("client.test");
            grant.set_role(role);
        }
    };
    let (operator, admin) = (grant(RpcRole::Operate), grant(RpcRole::Admin));
    let stand = Stand::with(&operator).await;
    let client = stand.client();
    let roles = async |client: &RpcClient<quota::Client>| {
        let call = |rule: &'static str| {
            let ask = move |quota: quota::Client| async move {
                let mut request = quota.acquire_request();
                request.get().set_rule(rule);
                Ok(request.send().promise.await?.get()?.get_retry_after_millis())
            };
            client.call(ask)
        };
        (call("role").await.unwrap(), call("role now").await.unwrap())
    };
    let (read, operate, admin_role) = (Role::Read as u32, Role::Operate as u32, Role::Admin as u32);
    assert_eq!(roles(&client).await, (operate, operate));
    reload(&stand, Spec { server: &server(), ca: &AUTHORITY.pem(), crl: "", change: &admin }).await;
    assert_eq!(roles(&client).await, (operate, admin_role));
    reload(&stand, Spec { server: &server(), ca: &AUTHORITY.pem(), crl: "", change: &|_| {} }).await;
    assert_eq!(roles(&client).await, (operate, read));
    assert_eq!(stand.counts().established, 1);
    stand.app.stop().await.expect_clean();
}
