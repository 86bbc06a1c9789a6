//! Clients of several instances, over real sockets: how calls are spread, and how soon they work again.

use std::net::SocketAddr;
use std::time::Duration;

use app_metrics::Metrics;
use app_rpc::{CallFailure, InstanceState, RpcClient};
use quota_schema::quota_capnp::quota;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::pki::AUTHORITY;
use crate::stand::{PATIENCE, Stand, ask, client_of, config, eventually};

/// Lets so many callers make calls one after another, by `call` or by `request`. Returns the calls of each server.
async fn calls_of(
    stands: &[Stand],
    client: &RpcClient<quota::Client>,
    callers: u32,
    requests: bool,
) -> Vec<usize> {
    let before: Vec<_> = stands.iter().map(|stand| stand.seen.begun()).collect();
    let mut running = JoinSet::new();
    for caller in 0..callers {
        let client = client.clone();
        running.spawn(async move {
            for _ in 0..240 / callers {
                let answer = if requests {
                    let build = move |quota: &quota::Client| {
                        let mut request = quota.acquire_request();
                        request.get().set_permits(caller);
                        request
                    };
                    client.request(build, |results| Ok(results.get_remaining())).await
                } else {
                    client.call(move |quota| ask(quota, "echo", caller)).await
                };
                assert_eq!(answer, Ok(caller));
            }
        });
    }
    running.join_all().await;
    stands.iter().zip(before).map(|(stand, before)| stand.seen.begun() - before).collect()
}

async fn connected(client: &RpcClient<quota::Client>, count: usize) {
    let connected = || client.instances().iter().filter(|one| one.state == InstanceState::Connected).count();
    eventually("connected to all", || connected() == count).await;
}

#[tokio::test]
async fn callers_that_call_one_at_a_time_reach_every_instance() {
    let stands = [Stand::new().await, Stand::new().await, Stand::new().await];
    let addresses: Vec<_> = stands.iter().map(Stand::address).collect();
    let client = client_of(&stands[0].app, "client", config(&addresses, &AUTHORITY));
    connected(&client, 3).await;
    for requests in [false, true] {
        for callers in [1, 8] {
            // Requests get their own connections after the first ones.
            calls_of(&stands, &client, callers, requests).await;
            // A busy machine may make one of them slow for a while, and a slow one rightly gets fewer calls.
            let mut rounds = Vec::new();
            let is_even = |calls: &Vec<usize>| calls.iter().all(|calls| (40..=160).contains(calls));
            while !rounds.last().is_some_and(is_even) {
                assert!(rounds.len() < 5, "{callers}, {requests}: {rounds:?}");
                rounds.push(calls_of(&stands, &client, callers, requests).await);
            }
        }
    }
    let statuses = client.instances();
    assert!(statuses.iter().all(|one| one.latency.is_some() && one.calls_in_flight == 0), "{statuses:?}");
    let metrics = stands[0].app.get::<Metrics>().encode();
    let instances = app_rpc::CLIENT_METRICS[0].prometheus_name();
    let connected =
        metrics.lines().find(|line| line.starts_with(&instances) && line.contains("=\"connected\""));
    assert!(connected.is_some_and(|line| line.ends_with(" 3")), "{connected:?}");
    for stand in stands {
        stand.app.stop().await.expect_clean();
    }
}

/// Forwards connections to a server, until it is dropped. Then they break, and the port is closed.
struct Door {
    address: SocketAddr,
    open: JoinHandle<()>,
}

impl Door {
    async fn open(at: SocketAddr, server: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let open = tokio::spawn(async move {
            let mut passing = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                passing.spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, open }
    }

    async fn close(self) {
        self.open.abort();
        let _ = self.open.await;
    }
}

#[tokio::test]
async fn a_waiting_caller_is_served_when_the_server_listens_again() {
    let stand = Stand::new().await;
    let door = Door::open(([127, 0, 0, 1], 0).into(), stand.address()).await;
    let address = door.address;
    let client = client_of(&stand.app, "client", config(&[address], &AUTHORITY));
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    door.close().await;
    eventually("the outage is noticed", || client.instances()[0].failure.is_some()).await;
    let calling = client.clone();
    let deadline = Instant::now() + PATIENCE;
    let waiting = tokio::spawn(async move {
        let answer = calling.call_by(deadline, |quota| ask(quota, "echo", 2)).await;
        (answer, Instant::now())
    });
    // Long enough for the pauses to become long.
    let mut ticks = tokio::time::interval(Duration::from_secs(4));
    ticks.tick().await;
    ticks.tick().await;
    let door = Door::open(address, stand.address()).await;
    let listens = Instant::now();
    let (answer, answered) = waiting.await.unwrap();
    assert_eq!(answer, Ok(2));
    // 0.3 s where nothing else runs; the simulation checks that.
    assert!(answered - listens < Duration::from_secs(3), "{:?}", answered - listens);
    door.close().await;
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn only_an_idempotent_call_is_made_again_when_its_connection_breaks() {
    let stand = Stand::new().await;
    let mut door = Door::open(([127, 0, 0, 1], 0).into(), stand.address()).await;
    let address = door.address;
    let client = client_of(&stand.app, "client", config(&[address], &AUTHORITY));
    for idempotent in [false, true] {
        let begun = stand.seen.begun();
        let calling = if idempotent { client.idempotent() } else { client.clone() };
        let call = tokio::spawn(async move { calling.call(|quota| ask(quota, "wait", 3)).await });
        eventually("the call runs", || stand.seen.begun() == begun + 1).await;
        door.close().await;
        door = Door::open(address, stand.address()).await;
        if idempotent {
            eventually("the call runs again", || stand.seen.begun() == begun + 2).await;
            stand.seen.go_on.notify_waiters();
            assert_eq!(call.await.unwrap(), Ok(3));
        } else {
            let failed = call.await.unwrap().unwrap_err();
            assert_eq!(failed.failure(), CallFailure::MaybeExecuted, "{failed}");
        }
    }
    door.close().await;
    stand.app.stop().await.expect_clean();
}
