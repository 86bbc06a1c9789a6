//! Resources that one client can't take from the others.

use std::time::Duration;

use app_metrics::testing::TestMetrics as _;
use app_rpc::{CallFailure, End, RPC_CONNECTIONS_ACTIVE, RPC_CONNECTIONS_REFUSED, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::pki::{AUTHORITY, Leaf};
use crate::raw::{self, connected};
use crate::stand::{ENDPOINT, PATIENCE, Stand, ask, client_of, config, eventually};

#[tokio::test]
async fn connections_beyond_the_limit_are_refused_and_the_listener_stays() {
    let stand = Stand::with(&|mut spec| spec.set_max_conns(2)).await;
    let one = connected(stand.address()).await;
    let _other = connected(stand.address()).await;
    eventually("two", || stand.counts().active == 2).await;
    // The refusal comes before the handshake, and saves its cost.
    let issued = AUTHORITY.issue(Leaf::client("raw.test"));
    assert!(raw::connect(stand.address(), &raw::tls(Some(&issued), rustls::ALL_VERSIONS)).await.is_err());
    let mut config = config(&[stand.address()], &AUTHORITY);
    config.call_timeout = Duration::from_millis(300);
    let client = client_of(&stand.app, "client", config);
    let failed = client.call(|quota| ask(quota, "echo", 1)).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::NotSent, "{failed}");
    assert!(stand.counts().refused(Refusal::TooManyConnections) > 0);
    let metric = |labels| stand.app.metric(ENDPOINT, RPC_CONNECTIONS_REFUSED, labels);
    assert!(metric(["too_many_connections"]) > 0.0);
    assert!(metric(["expired"]).abs() < f64::EPSILON);
    assert!((stand.app.metric(ENDPOINT, RPC_CONNECTIONS_ACTIVE, []) - 2.0).abs() < f64::EPSILON);
    drop(one);
    eventually("room", || stand.counts().active == 1).await;
    let answered = async { while client.call(|quota| ask(quota, "echo", 1)).await.is_err() {} };
    tokio::time::timeout(PATIENCE, answered).await.unwrap();
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn connections_that_race_for_the_last_places_get_no_more_than_there_are() {
    let stand = Stand::with(&|mut spec| spec.set_max_conns(3)).await;
    let to = stand.address();
    let issued = AUTHORITY.issue(Leaf::client("raw.test"));
    let tls = raw::tls(Some(&issued), rustls::ALL_VERSIONS);
    let racing = (0..30).map(|_| {
        let tls = tls.clone();
        tokio::spawn(async move { raw::connect(to, &tls).await })
    });
    let mut open = Vec::new();
    for connection in racing.collect::<Vec<_>>() {
        open.push(connection.await.unwrap());
    }
    let settled = || {
        let counts = stand.counts();
        counts.established + counts.refused(Refusal::TooManyConnections) == 30
    };
    eventually("all are let in or refused", settled).await;
    assert_eq!((stand.counts().established, stand.counts().active), (3, 3));
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn silent_strangers_keep_nobody_out_and_are_put_out_in_time() {
    let stand = Stand::with(&|spec| spec.init_limits().set_handshake_millis(2000)).await;
    let mut silent = Vec::new();
    for _ in 0..30 {
        silent.push(tokio::net::TcpStream::connect(stand.address()).await.unwrap());
    }
    // Half a record of a handshake.
    silent[0].write_all(&[22, 3, 1, 2, 0, 1, 0]).await.unwrap();
    assert_eq!(stand.client().call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    eventually("put out", || stand.counts().refused(Refusal::HandshakeTimeout) == 30).await;
    for mut stranger in silent {
        let mut byte = [0];
        assert!(matches!(stranger.read(&mut byte).await, Ok(0) | Err(_)));
    }
    assert_eq!(stand.counts().connecting, 0);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_connection_that_does_nothing_is_closed_in_time() {
    let stand = Stand::with(&|spec| spec.init_limits().set_idle_seconds(1)).await;
    let mut idle = connected(stand.address()).await;
    let mut said = Vec::new();
    tokio::time::timeout(PATIENCE, idle.read_to_end(&mut said)).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("the connection was idle"), "{said}");
    eventually("counted", || stand.counts().ended(End::Idle) == 1).await;
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_that_is_answered_with_too_much_fails_and_its_connection_stays() {
    let stand = Stand::new().await;
    let client = stand.client();
    let rules = |quota: quota_schema::quota_capnp::quota::Client| async move {
        Ok(quota.rules_request().send().promise.await?.get()?.get_rules()?.len())
    };
    let failed = client.call(rules).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::Failed);
    assert!(failed.reason().contains("where at most 1048576 are sent"), "{failed}");
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    assert_eq!(stand.counts().established, 1);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_larger_answer_is_accepted_where_the_configs_say_so() {
    let stand = Stand::with(&|spec| spec.init_limits().set_max_message_bytes(4 << 20)).await;
    let mut config = config(&[stand.address()], &AUTHORITY);
    let rules = |quota: quota_schema::quota_capnp::quota::Client| async move {
        Ok(quota.rules_request().send().promise.await?.get()?.get_rules()?.len())
    };
    let small = client_of(&stand.app, "small", config.clone());
    let failed = small.call(rules).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::MaybeExecuted, "{failed}");
    config.limits.message_bytes = 4 << 20;
    let large = client_of(&stand.app, "large", config);
    assert_eq!(large.call(rules).await, Ok(1536));
    stand.app.stop().await.expect_clean();
}
