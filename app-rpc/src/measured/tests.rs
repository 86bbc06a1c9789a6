//! Which series calls have.

use app_core::testing::TestApp;
use app_metrics::METRICS_SERVICE_ID;

use super::*;

const SERVICE: ServiceId = ServiceId::new(0x5e);
const APP: u64 = 0xf052_e7e0_84b3_1199;

#[tokio::test]
async fn each_method_has_its_name_its_outcomes_its_seconds_and_its_calls_in_flight() {
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    let metrics = app.get::<Metrics>();
    let called = CalledMethods::new(Arc::new(CallMeters::of_server(&metrics, SERVICE).unwrap()));
    let number = called.number((APP, 0));
    assert_eq!(called.number((APP, 0)), number);
    called.with(number, |meters| {
        assert_eq!(meters.name, "App.id");
        meters.begin();
        assert_eq!(meters.in_flight.get(), 1.0);
        meters.end(CallOutcome::Failed, Duration::from_millis(20));
        meters.refused();
        assert_eq!(meters.in_flight.get(), 0.0);
        assert_eq!(meters.seconds.snapshot().count(), 1, "a call that was refused took no time");
    });
    let page = metrics.encode();
    let line = |outcome: &str| {
        let labels = format!("method=\"App.id\",outcome=\"{outcome}\"}}");
        page.lines()
            .find(|line| line.contains(&labels))
            .and_then(|line| line.rsplit(' ').next())
            .unwrap()
            .to_owned()
    };
    let outcomes = ["ok", "failed", "refused", "cancelled", "lost"];
    assert_eq!(outcomes.map(line), ["0", "1", "1", "0", "0"]);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_peer_that_calls_anything_makes_no_more_series_than_the_limit() {
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    let metrics = app.get::<Metrics>();
    let meters = Arc::new(CallMeters::of_client(&metrics, "shop", "d0_a0_5e".to_owned()).unwrap());
    let called = CalledMethods::new(Arc::clone(&meters));
    for ordinal in 0..u16::MAX {
        let number = called.number((0xbad, ordinal));
        called.with(number, |meters| meters.begin());
    }
    assert_eq!(called.known.borrow().len(), MAX_METHODS + 1);
    assert_eq!(meters.other.in_flight.get(), f64::from(u16::MAX) - MAX_METHODS as f64);
    let page = metrics.encode();
    assert!(page.contains("service=\"shop\",server=\"d0_a0_5e\",method=\"0xbad.7\""), "{page}");
    assert_eq!(
        page.lines().filter(|line| line.contains("method=\"0xbad.")).count(),
        MAX_METHODS * (1 + 5 + 17)
    );
    app.stop().await.expect_clean();
}
