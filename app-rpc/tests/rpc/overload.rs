//! Too much work, and calls whose callers do not wait any more: they are refused at once, counted, and never begun.

use std::time::Duration;

use app_metrics::testing::TestMetrics as _;
use app_rpc::admin::APP_RPC_SERVICE_ID;
use app_rpc::{
    CallFailure, RPC_CALL_REFUSALS, RPC_CALL_SECONDS, RPC_CALLS, RPC_CALLS_IN_FLIGHT, RPC_CLIENT_CALLS,
    RPC_CLIENT_CALLS_IN_FLIGHT,
};
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capnp_rpc::rpc_capnp::{message, return_};
use quota_schema::quota_capnp::quota::{self, acquire_params, acquire_results};
use schema::rpc_capnp::rpc_server_spec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::pki::AUTHORITY;
use crate::raw::connected;
use crate::request;
use crate::stand::{ENDPOINT, PATIENCE, Stand, ask, client_of, config, eventually};

/// The first word of the segment beside a message, as `src/extra.rs` documents it.
const MAGIC: u64 = 0xd7e5_3a0c_91b4_f26d;

/// The segment with this time to the deadline.
fn deadline(millis: u32) -> Vec<u8> {
    let (kind, length) = (1_u32.to_le_bytes(), 4_u32.to_le_bytes());
    [&MAGIC.to_le_bytes()[..], &kind, &length, &millis.to_le_bytes(), &[0; 4]].concat()
}

/// A message in its framing, with a segment more.
fn framed(message: &Builder<capnp::message::HeapAllocator>, beside: Option<&[u8]>) -> Vec<u8> {
    let output = message.get_segments_for_output();
    let segments: Vec<&[u8]> = output.iter().copied().chain(beside).collect();
    let number = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let mut bytes = number(segments.len() - 1).to_vec();
    segments.iter().for_each(|segment| bytes.extend(number(segment.len() / 8)));
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    segments.iter().for_each(|segment| bytes.extend_from_slice(segment));
    bytes
}

fn bootstrap() -> Vec<u8> {
    let mut built = Builder::new_default();
    built.init_root::<message::Builder<'_>>().init_bootstrap().set_question_id(0);
    framed(&built, None)
}

/// The call `acquire`, as question 1.
fn acquire(rule: &str, permits: u32, beside: Option<&[u8]>) -> Vec<u8> {
    let mut built = Builder::new_default();
    let mut call = built.init_root::<message::Builder<'_>>().init_call();
    call.set_question_id(1);
    call.set_interface_id(quota::Client::TYPE_ID);
    call.set_method_id(0);
    call.reborrow().init_target().init_promised_answer().set_question_id(0);
    let mut params = call.init_params().get_content().init_as::<acquire_params::Builder<'_>>();
    params.set_rule(rule);
    params.set_permits(permits);
    framed(&built, beside)
}

/// The answer to question 1: what remains, or the text of the exception.
async fn answer(stream: &mut TlsStream<TcpStream>) -> Result<u32, String> {
    let reading = async {
        let mut bytes = Vec::new();
        loop {
            let mut rest = &bytes[..];
            while let Ok(Some(answered)) = capnp::serialize::try_read_message(&mut rest, Default::default()) {
                let message::Return(answered) =
                    answered.get_root::<message::Reader<'_>>().unwrap().which().unwrap()
                else {
                    continue;
                };
                let answered = answered.unwrap();
                match answered.which().unwrap() {
                    _ if answered.get_answer_id() != 1 => {}
                    return_::Exception(exception) => {
                        return Err(exception.unwrap().get_reason().unwrap().to_string().unwrap());
                    }
                    return_::Results(results) => {
                        let content = results.unwrap().get_content();
                        return Ok(content.get_as::<acquire_results::Reader<'_>>().unwrap().get_remaining());
                    }
                    _ => panic!("neither results nor an exception"),
                }
            }
            let count = stream.read_buf(&mut bytes).await.unwrap();
            assert!(count > 0, "the connection was closed");
        }
    };
    timeout(PATIENCE, reading).await.unwrap()
}

/// Calls with this segment beside the message.
async fn call(stand: &Stand, rule: &str, beside: &[u8]) -> Result<u32, String> {
    let mut stream = connected(stand.address()).await;
    let bytes = [bootstrap(), acquire(rule, 7, Some(beside))].concat();
    stream.write_all(&bytes).await.unwrap();
    answer(&mut stream).await
}

fn one_thread(mut spec: rpc_server_spec::Builder<'_>) {
    spec.set_threads(1);
}

fn refused(stand: &Stand, reason: &str) -> f64 {
    stand.app.metric(ENDPOINT, RPC_CALL_REFUSALS, [reason])
}

#[tokio::test]
async fn a_handler_sees_the_deadline_of_its_call_on_both_ways() {
    let stand = Stand::new().await;
    let client = stand.client();
    let end = || Instant::now() + Duration::from_secs(5);
    let seen = client.call_by(end(), |quota| ask(quota, "deadline", 1)).await.unwrap();
    assert!((2_000..=5_000).contains(&seen), "{seen}");
    request::connected(&client).await;
    let seen = client.request_by(end(), request::asking("deadline"), |results| Ok(results.get_remaining()));
    let seen = seen.await.unwrap();
    assert!((2_000..=5_000).contains(&seen), "{seen}");
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_without_a_deadline_or_with_garbage_beside_it_is_answered_as_ever() {
    let stand = Stand::new().await;
    let magic = MAGIC.to_le_bytes();
    let garbage: [&[u8]; 7] = [
        &[],
        &[0; 8],
        &[0xff; 4096],
        &magic,
        &[&magic[..], &[0xff; 64]].concat(),
        &[&magic[..], &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]].concat(),
        &[&magic[..], &[0; 64 * 1024]].concat(),
    ];
    for beside in garbage {
        assert_eq!(call(&stand, "deadline", beside).await, Ok(0), "no deadline");
    }
    let huge = call(&stand, "deadline", &deadline(u32::MAX)).await.unwrap();
    assert!(huge > u32::MAX - 60_000, "{huge}");
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_without_time_left_is_refused_and_not_begun() {
    let stand = Stand::new().await;
    let refusal = call(&stand, "echo", &deadline(0)).await.unwrap_err();
    assert_eq!(refusal, "[not executed] its deadline has passed");
    assert_eq!((stand.seen.begun(), refused(&stand, "deadline")), (0, 1.0));
    assert_eq!(stand.app.metric(ENDPOINT, RPC_CALLS, ["Quota.acquire", "refused"]), 1.0);
    assert_eq!(call(&stand, "echo", &deadline(10_000)).await, Ok(7));
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_that_waited_for_a_blocked_thread_until_its_deadline_is_not_begun() {
    let stand = Stand::with(&one_thread).await;
    let client = stand.client();
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    let mut raw = connected(stand.address()).await;
    raw.write_all(&bootstrap()).await.unwrap();
    eventually("let in", || stand.counts().active == 2).await;
    let begun = stand.seen.begun();
    let blocking = tokio::spawn(async move { client.call(|quota| ask(quota, "block", 600)).await });
    eventually("blocked", || stand.seen.begun() == begun + 1).await;
    raw.write_all(&acquire("echo", 7, Some(&deadline(100)))).await.unwrap();
    assert_eq!(answer(&mut raw).await.unwrap_err(), "[not executed] its deadline has passed");
    assert_eq!(blocking.await.unwrap(), Ok(600));
    assert_eq!((stand.seen.begun(), refused(&stand, "deadline")), (begun + 1, 1.0));
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_call_that_waited_for_a_blocked_thread_and_has_time_left_is_answered() {
    let stand = Stand::with(&one_thread).await;
    let client = stand.client();
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    let begun = stand.seen.begun();
    let blocker = client.clone();
    let blocking = tokio::spawn(async move { blocker.call(|quota| ask(quota, "block", 300)).await });
    eventually("blocked", || stand.seen.begun() == begun + 1).await;
    let seen =
        client.call_by(Instant::now() + Duration::from_secs(20), |quota| ask(quota, "deadline", 1)).await;
    assert!((10_000..20_000).contains(&seen.unwrap()), "the time that it waited is not left");
    assert_eq!(blocking.await.unwrap(), Ok(300));
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn calls_beyond_the_limit_of_all_connections_are_refused_at_once() {
    let stand = Stand::with(&|mut spec| spec.set_max_calls_in_flight(2)).await;
    let (one, other) = (stand.client(), stand.client());
    let mut waiting = Vec::new();
    for client in [one.clone(), other] {
        waiting.push(tokio::spawn(async move { client.call(|quota| ask(quota, "wait", 3)).await }));
    }
    eventually("two run", || stand.seen.running() == 2).await;
    assert_eq!(stand.app.metric(ENDPOINT, RPC_CALLS_IN_FLIGHT, ["Quota.acquire"]), 2.0);
    let soon = Instant::now() + Duration::from_millis(200);
    let failed = one.call_by(soon, |quota| ask(quota, "echo", 1)).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::Refused, "{failed}");
    assert!(failed.reason().contains("on all connections of this server together"), "{failed}");
    assert_eq!(stand.seen.begun(), 2);
    assert!(refused(&stand, "server_calls") >= 1.0);
    stand.seen.go_on.notify_waiters();
    for call in waiting {
        assert_eq!(call.await.unwrap(), Ok(3));
    }
    assert_eq!(one.call(|quota| ask(quota, "echo", 1)).await, Ok(1), "there is room again");
    assert_eq!(stand.app.metric(ENDPOINT, RPC_CALLS_IN_FLIGHT, ["Quota.acquire"]), 0.0);
    assert_eq!(stand.app.metric(ENDPOINT, RPC_CALLS, ["Quota.acquire", "ok"]), 3.0);
    assert_eq!(stand.app.metric(ENDPOINT, RPC_CALL_SECONDS, ["Quota.acquire"]), 3.0);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn calls_are_refused_while_they_wait_too_long_for_a_thread_and_taken_again_after_that() {
    let change = |mut spec: rpc_server_spec::Builder<'_>| {
        spec.set_threads(1);
        spec.set_max_queue_millis(20);
    };
    let stand = Stand::with(&change).await;
    // So many callers that the thread always has work, even if each of them is slow to call again.
    let clients: Vec<_> =
        (0..8).map(|_| client_of(&stand.app, "crowd", config(&[stand.address()], &AUTHORITY))).collect();
    let (mut callers, is_over) = (Vec::new(), CancellationToken::new());
    for client in clients.iter().cycle().take(64) {
        let (client, is_over) = (client.clone(), is_over.clone());
        callers.push(tokio::spawn(async move {
            while !is_over.is_cancelled() {
                // A call that is refused is made again by the client, within its deadline.
                let soon = Instant::now() + Duration::from_millis(500);
                let _ = client.call_by(soon, |quota| ask(quota, "block", 10)).await;
            }
        }));
    }
    eventually("calls are refused", || refused(&stand, "queue") > 0.0).await;
    is_over.cancel();
    for caller in callers {
        caller.await.unwrap();
    }
    let client = stand.client();
    for _ in 0..20 {
        assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    }
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn every_end_of_a_call_is_counted_once() {
    let stand = Stand::new().await;
    let client = stand.client();
    let count = |outcome: &str| stand.app.metric(ENDPOINT, RPC_CALLS, ["Quota.acquire", outcome]);
    client.call(|quota| ask(quota, "echo", 1)).await.unwrap();
    client.call(|quota| ask(quota, "fail", 1)).await.unwrap_err();
    client.call(|quota| ask(quota, "illegal", 1)).await.unwrap_err();
    client
        .call_by(Instant::now() + Duration::from_millis(300), |quota| ask(quota, "hang", 1))
        .await
        .unwrap_err();
    eventually("cancelled", || count("cancelled") == 1.0).await;
    let mut raw = connected(stand.address()).await;
    raw.write_all(&[bootstrap(), acquire("hang", 1, None)].concat()).await.unwrap();
    eventually("it runs", || stand.seen.running() == 1).await;
    drop(raw);
    eventually("lost", || count("lost") == 1.0).await;
    assert_eq!(["ok", "failed", "refused", "cancelled", "lost"].map(count), [1.0, 2.0, 0.0, 1.0, 1.0]);
    assert_eq!(stand.app.metric(ENDPOINT, RPC_CALLS_IN_FLIGHT, ["Quota.acquire"]), 0.0);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_client_counts_each_attempt_by_method_on_both_ways_and_the_calls_that_no_instance_took() {
    let stand = Stand::new().await;
    let client = client_of(&stand.app, "shop", config(&[stand.address()], &AUTHORITY));
    let name = crate::stand::NAME.to_string();
    let count = |method: &str, outcome: &str| {
        stand.app.metric(APP_RPC_SERVICE_ID, RPC_CLIENT_CALLS, ["shop", &name, method, outcome])
    };
    client.call(|quota| ask(quota, "echo", 1)).await.unwrap();
    client.call(|quota| ask(quota, "illegal", 1)).await.unwrap_err();
    assert_eq!(["ok", "failed"].map(|outcome| count("Quota.acquire", outcome)), [1.0, 1.0]);
    request::connected(&client).await;
    let before = count("Quota.acquire", "ok");
    request::ask(&client, "echo").await.unwrap();
    request::ask(&client, "fail").await.unwrap_err();
    let soon = Instant::now() + Duration::from_millis(200);
    client.request_by(soon, request::asking("hang"), |_| Ok(())).await.unwrap_err();
    let counts = ["ok", "failed", "cancelled"].map(|outcome| count("Quota.acquire", outcome));
    assert_eq!(counts, [before + 1.0, 2.0, 1.0]);
    let in_flight =
        stand.app.metric(APP_RPC_SERVICE_ID, RPC_CLIENT_CALLS_IN_FLIGHT, ["shop", &name, "Quota.acquire"]);
    assert_eq!(in_flight, 0.0);
    let gone = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let nowhere = client_of(&stand.app, "shop", config(&[gone], &AUTHORITY));
    let soon = Instant::now() + Duration::from_millis(200);
    let failed = nowhere.call_by(soon, |quota| ask(quota, "echo", 1)).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::NotSent);
    assert_eq!(count("other", "refused"), 1.0);
    stand.app.stop().await.expect_clean();
}
