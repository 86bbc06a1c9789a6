//! How servers and clients stop: running calls may end, new calls are refused, and no caller hangs.

use std::time::Duration;

use app_core::StopCause;
use app_rpc::{CallFailure, End};
use tokio::time::{Instant, timeout};

use crate::pki::AUTHORITY;
use crate::stand::{PATIENCE, Stand, ask, client_of, config, eventually};

#[tokio::test]
async fn calls_that_run_end_before_the_server_does() {
    let (stand, elsewhere) = (Stand::new().await, Stand::new().await);
    let client = client_of(&elsewhere.app, "client", config(&[stand.address()], &AUTHORITY));
    let waiting = client.clone();
    let call = tokio::spawn(async move { waiting.call(|quota| ask(quota, "wait", 7)).await });
    eventually("it runs", || stand.seen.running() == 1).await;
    let endpoint = stand.endpoint();
    stand.app.kill(StopCause::Killed("test".to_owned()));
    // No new connections, and no new calls on those that are there.
    let refused = async {
        loop {
            // Less than what runs has to end, which is 8 s.
            let deadline = Instant::now() + Duration::from_secs(2);
            if let Err(failed) = client.call_by(deadline, |quota| ask(quota, "echo", 1)).await {
                return failed;
            }
        }
    };
    let failed = timeout(PATIENCE, refused).await.unwrap();
    assert!(failed.failure().is_safe_to_retry(), "{failed}");
    assert!(!call.is_finished());
    stand.seen.go_on.notify_waiters();
    assert_eq!(call.await.unwrap(), Ok(7));
    stand.app.stop().await.expect_clean();
    assert_eq!(endpoint.address(), None);
    assert_eq!((endpoint.counts().ended(End::Stopping), endpoint.counts().active), (1, 0));
    elsewhere.app.stop().await.expect_clean();
}

#[tokio::test]
async fn calls_that_do_not_end_are_cancelled_and_told_so() {
    let stand = Stand::with(&|spec| spec.init_limits().set_drain_millis(200)).await;
    let elsewhere = Stand::new().await;
    let mut config = config(&[stand.address()], &AUTHORITY);
    config.call_timeout = Duration::from_secs(60);
    let client = client_of(&elsewhere.app, "client", config);
    let call = tokio::spawn(async move { client.call(|quota| ask(quota, "hang", 7)).await });
    eventually("it runs", || stand.seen.running() == 1).await;
    let report = timeout(PATIENCE, stand.app.stop()).await.unwrap();
    report.expect_clean();
    let failed = timeout(PATIENCE, call).await.unwrap().unwrap().unwrap_err();
    assert_eq!(failed.failure(), CallFailure::MaybeExecuted);
    assert!(failed.reason().ends_with("the server stops; the call was cancelled"), "{failed}");
    assert_eq!(stand.seen.running(), 0);
    elsewhere.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_client_that_stops_lets_its_calls_end_and_takes_no_more() {
    let (stand, elsewhere) = (Stand::new().await, Stand::new().await);
    let client = client_of(&elsewhere.app, "client", config(&[stand.address()], &AUTHORITY));
    let waiting = client.clone();
    let call = tokio::spawn(async move { waiting.call(|quota| ask(quota, "wait", 7)).await });
    eventually("it runs", || stand.seen.running() == 1).await;
    let stopping = tokio::spawn(elsewhere.app.stop());
    let refused = async {
        loop {
            if let Err(failed) = client.call(|quota| ask(quota, "echo", 1)).await {
                return failed;
            }
        }
    };
    let failed = timeout(PATIENCE, refused).await.unwrap();
    assert_eq!(failed.failure(), CallFailure::NotSent);
    assert!(failed.reason().contains("the client has stopped"), "{failed}");
    stand.seen.go_on.notify_waiters();
    assert_eq!(call.await.unwrap(), Ok(7));
    stopping.await.unwrap().expect_clean();
    eventually("the connection is closed", || stand.counts().active == 0).await;
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn connections_that_wait_for_nothing_do_not_hold_up_the_stop() {
    let stand = Stand::new().await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(crate::raw::connected(stand.address()).await);
        open.last_mut().unwrap().get_ref().0.set_nodelay(true).unwrap();
    }
    let mut silent = Vec::new();
    for _ in 0..30 {
        silent.push(tokio::net::TcpStream::connect(stand.address()).await.unwrap());
    }
    eventually("all there", || stand.counts().active == 20 && stand.counts().connecting == 30).await;
    let began = Instant::now();
    stand.app.stop().await.expect_clean();
    // Not the drain limit, of 8 s: these have nothing to drain.
    assert!(began.elapsed() < Duration::from_secs(6));
}
