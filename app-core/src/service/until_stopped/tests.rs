//! What a call that is repeated, or bound to a service, comes to.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use app_ids::ServiceId;

use crate::{Service, ServiceState, testing::TestApp};

const PERIOD: Duration = Duration::from_secs(10);

async fn service() -> (TestApp, Service) {
    let app = TestApp::empty().await;
    let service = app.new_service(ServiceId::new(7), "seven");
    (app, service)
}

#[tokio::test(start_paused = true)]
async fn calls_come_every_period_and_those_missed_are_skipped() {
    let (app, service) = service().await;
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let begun = tokio::time::Instant::now();
    let action = move || {
        let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if first {
                tokio::time::sleep(PERIOD.mul_f32(2.5)).await;
            }
        }
    };
    service.every_async("counts", PERIOD, action).unwrap();
    assert_eq!(service.tasks(), ["counts"]);
    let after = async |periods: f32| {
        tokio::time::sleep_until(begun + PERIOD.mul_f32(periods)).await;
        calls.load(Ordering::Relaxed)
    };
    assert_eq!((after(0.9).await, after(1.1).await), (0, 1));
    // The first call runs until 3.5; the calls at 2 and 3 are skipped.
    assert_eq!((after(3.4).await, after(3.9).await, after(4.1).await), (1, 2, 3));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_call_fails_the_service() {
    let (app, service) = service().await;
    service.every_async("fails", PERIOD, async || Err::<(), _>("disk full")).unwrap();
    let failure = service.wait().await.unwrap_err();
    assert_eq!(failure.to_string(), "task \"fails\" of service seven (7) failed: disk full");
    assert_eq!(service.state(), ServiceState::Failed);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_is_dropped_when_the_service_is_killed() {
    let (app, service) = service().await;
    service.every_async("waits", PERIOD, pending::<()>).unwrap();
    tokio::time::sleep(PERIOD * 2).await;
    let killed = tokio::time::Instant::now();
    service.kill("enough");
    service.wait().await.unwrap();
    assert_eq!(killed.elapsed(), Duration::ZERO);
    app.stop().await.expect_clean();
}
