//! Clients: where calls go, how they fail, and what the client reports.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use app_core::prelude::ServiceId;
use app_rpc::{CallFailure, End, InstanceState, RpcClient, errors};
use futures_util::FutureExt as _;
use quota_schema::quota_capnp::quota;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::pki::AUTHORITY;
use crate::stand::{NAME, PATIENCE, Stand, ask, client_of, config, eventually};

/// An address without a listener.
async fn closed_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn calls_are_answered_from_any_task() {
    let stand = Stand::new().await;
    let client = stand.client();
    let calls = (0..64).map(|permits| {
        let client = client.clone();
        tokio::spawn(async move { client.call(move |quota| ask(quota, "echo", permits)).await })
    });
    for (permits, call) in (0..).zip(calls.collect::<Vec<_>>()) {
        assert_eq!(call.await.unwrap(), Ok(permits));
    }
    assert_eq!(stand.counts().established, 1);
    assert_eq!(client.instances()[0].state, InstanceState::Connected);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn calls_are_spread_over_the_instances_and_avoid_those_that_are_gone() {
    let (one, other) = (Stand::new().await, Stand::new().await);
    let addresses = [closed_port().await, one.address(), other.address()];
    let client = client_of(&one.app, "client", config(&addresses, &AUTHORITY));
    let connected = || client.instances().iter().filter(|one| one.state == InstanceState::Connected).count();
    eventually("connected to both", || connected() == 2).await;
    // The same number on each instance, as none is answered.
    let waiting: Vec<_> = (0..10)
        .map(|permits| {
            let client = client.clone();
            tokio::spawn(async move { client.call(move |quota| ask(quota, "wait", permits)).await })
        })
        .collect();
    eventually("all wait", || one.seen.running() + other.seen.running() == 10).await;
    assert_eq!((one.seen.running(), other.seen.running()), (5, 5));
    one.seen.go_on.notify_waiters();
    other.seen.go_on.notify_waiters();
    for call in waiting {
        call.await.unwrap().unwrap();
    }
    other.app.stop().await.expect_clean();
    for permits in 0..10 {
        assert_eq!(client.call(move |quota| ask(quota, "echo", permits)).await, Ok(permits));
    }
    one.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_without_a_server_was_not_sent_and_says_why() {
    let stand = Stand::new().await;
    let mut config = config(&[closed_port().await], &AUTHORITY);
    config.call_timeout = Duration::from_millis(200);
    let client = client_of(&stand.app, "client", config.clone());
    eventually("tried", || client.instances().iter().any(|one| one.failure.is_some())).await;
    let failed = client.call(|quota| ask(quota, "echo", 1)).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::NotSent);
    assert!(failed.failure().is_safe_to_retry());
    assert!(failed.reason().contains("refused"), "{failed}");
    assert!(
        failed.to_string().starts_with(&format!("RPC call to {NAME} was not sent: 127.0.0.1:")),
        "{failed}"
    );
    let error = app_errors::Error::from(failed);
    assert!(error.is(&errors::RPC_NOT_SENT));
    // A host that does not exist: without addresses, the config stands for the application's own name.
    config.addresses.clear();
    let client = client_of(&stand.app, "client", config);
    let not_found = || stand.app.captured().text().contains("no address of the server is known");
    eventually("looked up", not_found).await;
    let failed = client.call(|quota| ask(quota, "echo", 1)).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::NotSent);
    assert!(failed.reason().contains("d0_a0"), "{failed}");
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_that_has_no_answer_by_its_deadline_may_have_been_executed_and_is_cancelled() {
    let stand = Stand::new().await;
    let client = stand.client();
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    let deadline = Instant::now() + Duration::from_secs(1);
    let failed = client.call_by(deadline, |quota| ask(quota, "hang", 1)).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::MaybeExecuted);
    assert!(!failed.failure().is_safe_to_retry());
    assert!(failed.reason().contains("no answer by the deadline"), "{failed}");
    assert_eq!(stand.seen.begun(), 2);
    eventually("cancelled at the server", || stand.seen.running() == 0).await;
    // The connection was silent all the time, so another one replaces it.
    eventually("another connection", || stand.counts().established == 2).await;
    assert_eq!(client.call(|quota| ask(quota, "echo", 2)).await, Ok(2));
    eventually("the first one is closed", || stand.counts().active == 1).await;
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_whose_caller_is_gone_is_cancelled() {
    let stand = Stand::new().await;
    let client = stand.client();
    let call = tokio::spawn(async move { client.call(|quota| ask(quota, "hang", 1)).await });
    eventually("the call runs", || stand.seen.running() == 1).await;
    call.abort();
    eventually("the call is cancelled", || stand.seen.running() == 0).await;
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_that_fails_at_the_server_failed_and_is_not_made_again() {
    let stand = Stand::new().await;
    let client = stand.client();
    let failed = client.call(|quota| ask(quota, "fail", 1)).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::Failed);
    assert!(failed.reason().ends_with(": on purpose"), "{failed}");
    assert_eq!(stand.seen.begun(), 1);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_connection_and_the_client_makes_another() {
    let stand = Stand::new().await;
    let (client, other) = (stand.client(), stand.client());
    assert_eq!(other.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    let failed = client.call(|quota| ask(quota, "panic", 1)).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::MaybeExecuted, "{failed}");
    assert!(failed.reason().ends_with("a handler panicked"), "{failed}");
    assert_eq!(client.call(|quota| ask(quota, "echo", 2)).await, Ok(2));
    assert_eq!(other.call(|quota| ask(quota, "echo", 3)).await, Ok(3));
    eventually("counted", || stand.counts().ended(End::Panicked) == 1).await;
    assert_eq!((stand.counts().established, stand.counts().active), (3, 2));
    assert!(stand.app.alive());
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_handler_that_panics_when_its_call_is_cancelled_costs_its_connection_only() {
    let stand = Stand::new().await;
    let (client, other) = (stand.client(), stand.client());
    for client in [&client, &other] {
        assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    }
    let deadline = Instant::now() + Duration::from_secs(1);
    let failed = client.call_by(deadline, |quota| ask(quota, "bomb", 1)).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::MaybeExecuted, "{failed}");
    eventually("counted", || stand.counts().ended(End::Panicked) == 1).await;
    assert_eq!(client.call(|quota| ask(quota, "echo", 2)).await, Ok(2));
    assert_eq!(other.call(|quota| ask(quota, "echo", 3)).await, Ok(3));
    assert!(stand.app.alive());
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_connection_that_is_too_old_is_replaced_without_a_failed_call() {
    let stand = Stand::with(&|mut spec| spec.set_max_connection_age_seconds(1)).await;
    let mut config = config(&[stand.address()], &AUTHORITY);
    // The server's limit on the age comes first, so its refusals move the calls.
    config.max_connection_age = Duration::from_secs(3600);
    let client = client_of(&stand.app, "client", config);
    let until = Instant::now() + PATIENCE;
    let mut calls = 0_u32;
    while stand.counts().ended(End::TooOld) < 2 {
        assert!(Instant::now() < until, "{:?}", stand.counts());
        let permits = calls;
        assert_eq!(client.call(move |quota| ask(quota, "echo", permits)).await, Ok(permits));
        calls += 1;
    }
    assert_eq!(
        stand.seen.begun.load(Ordering::SeqCst),
        usize::try_from(calls).unwrap(),
        "each executed once"
    );
    stand.app.stop().await.expect_clean();
}

/// How much later than its deadline a call may end, on a busy machine.
const LATE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn calls_and_requests_end_at_their_deadlines_in_any_order() {
    let stand = Stand::new().await;
    let client = stand.client();
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    let (began, mut calls) = (Instant::now(), JoinSet::new());
    for millis in [700, 50, 300, 300, 0] {
        let (deadline, time) = (began + Duration::from_millis(millis), Duration::from_millis(millis));
        let (calling, requesting) = (client.clone(), client.clone());
        calls.spawn(async move {
            let failed = calling.call_by(deadline, |quota| ask(quota, "hang", 1)).await;
            (time, began.elapsed(), failed)
        });
        calls.spawn(async move {
            let build = |quota: &quota::Client| {
                let mut request = quota.acquire_request();
                request.get().set_rule("hang");
                request
            };
            let failed = requesting.request_by(deadline, build, |answer| Ok(answer.get_remaining())).await;
            (time, began.elapsed(), failed)
        });
    }
    for (time, took, failed) in calls.join_all().await {
        let failed = failed.unwrap_err();
        assert_ne!(failed.failure(), CallFailure::Failed, "{failed}");
        assert!(took >= time && took < time + LATE, "{time:?} took {took:?}");
    }
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn dropped_calls_do_not_delay_the_deadlines_of_others() {
    let stand = Stand::new().await;
    let client = stand.client();
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    let began = Instant::now();
    for millis in [10, 60_000, 20] {
        let deadline = began + Duration::from_millis(millis);
        let mut call = Box::pin(client.call_by(deadline, |quota| ask(quota, "hang", 1)));
        assert!((&mut call).now_or_never().is_none());
    }
    let deadline = began + Duration::from_millis(100);
    let failed = client.call_by(deadline, |quota| ask(quota, "hang", 1)).await.unwrap_err();
    assert!(began.elapsed() < LATE, "{:?}: {failed}", began.elapsed());
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_ends_with_its_client_even_if_the_clients_thread_is_blocked() {
    let stand = Stand::new().await;
    let mut config = config(&[stand.address()], &AUTHORITY);
    config.limits.drain = Duration::from_millis(100);
    config.call_timeout = Duration::from_secs(600);
    let service = stand.app.new_service(ServiceId::new(app_ids::random_u64()), "client");
    let client = RpcClient::<quota::Client>::start(&service, config).unwrap();
    let (go_on, blocked) = std::sync::mpsc::channel::<()>();
    let (blocks, begun) = std::sync::mpsc::channel();
    let blocked = std::sync::Mutex::new(blocked);
    let call = tokio::spawn(async move {
        let blocking = client.call(move |_| {
            blocks.send(()).unwrap();
            let _ = blocked.lock().unwrap().recv();
            async { Ok(()) }
        });
        blocking.await
    });
    let begun = tokio::task::spawn_blocking(move || begun.recv_timeout(PATIENCE));
    begun.await.unwrap().unwrap();
    service.kill("test");
    let failed = timeout(PATIENCE, call).await.unwrap().unwrap().unwrap_err();
    assert_eq!(failed.failure(), CallFailure::MaybeExecuted);
    assert!(failed.reason().contains("the client's thread is blocked"), "{failed}");
    drop(go_on);
    stand.app.stop().await.expect_clean();
}
