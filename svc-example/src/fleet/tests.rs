//! Rules of the fleet on the transport in this process: the bound, and what it holds against.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use app_core::duration::WallTime;
use app_core::prelude::*;
use app_core::testing::TestApp;
use app_messaging::{Faults, MESSAGING_SERVICE_ID, Messaging};
use app_metrics::{METRICS_SERVICE_ID, Metrics};
use tokio::time::{Instant, sleep};

use super::shared::SharedRate;
use super::{Fleet, FleetRule, LIFE, SKEW, WallClock};
use crate::metrics::QuotaMetrics;
use crate::notices::Notices;
use crate::{Grant, Rule, Scope, WhenAway};

mod simulation;

/// Several instances, and the transport that they share.
struct Fixture {
    app: TestApp,
    metrics: QuotaMetrics,
    notices: Notices,
    clock: WallTime,
}

/// An instance: its clock is ahead of the transport's, or behind it.
struct Instance {
    service: Service,
    fleet: Fleet,
}

impl Fixture {
    async fn with(faults: Faults) -> Self {
        let services = [MESSAGING_SERVICE_ID, METRICS_SERVICE_ID];
        let app = TestApp::builder().provide(faults).linked(services).start().await;
        let clock = WallTime::new();
        let service = app.new_service(ServiceId::random(), "notices");
        let metrics = QuotaMetrics::register(&app.get::<Metrics>()).unwrap();
        let notices = Notices::start(&service, &app.get::<Messaging>(), &metrics.exhausted_dropped).unwrap();
        Self { app, metrics, notices, clock }
    }

    async fn instance(&self, ahead_millis: i64, rule: &Arc<FleetRule>) -> Instance {
        let service = self.app.new_service(ServiceId::random(), "instance");
        let clock = self.clock;
        let clock = WallClock::new(move || {
            let now = clock.now();
            let by = Duration::from_millis(ahead_millis.unsigned_abs());
            if ahead_millis < 0 { now - by } else { now + by }
        });
        let messaging = self.app.get::<Messaging>();
        let fleet = Fleet::start(&service, &messaging, clock, &self.metrics, &self.notices, 64).unwrap();
        fleet.set_rules(&[Some(Arc::clone(rule))]).await.unwrap();
        Instance { service, fleet }
    }
}

impl Instance {
    async fn take(&self, rule: &Arc<FleetRule>, key: &str, permits: u32) -> Grant {
        self.fleet.take(rule, key, permits).await.unwrap()
    }

    /// Takes single permits until a call is denied.
    async fn take_all(&self, rule: &Arc<FleetRule>, key: &str) -> u32 {
        let mut taken = 0;
        while self.take(rule, key, 1).await.granted {
            taken += 1;
        }
        taken
    }
}

fn rule_of(permits: u32, period_millis: u32, burst: u32, away: WhenAway) -> Arc<FleetRule> {
    let positive = |value| NonZeroU32::new(value).unwrap();
    let rule = Rule {
        permits: positive(permits),
        period_millis: positive(period_millis),
        burst: positive(burst),
        scope: Scope::Fleet(away),
        ..Rule::default()
    };
    Arc::new(FleetRule { rate: SharedRate::new(&rule), rule })
}

#[tokio::test(start_paused = true)]
async fn three_instances_share_one_budget() {
    let fixture = Fixture::with(Faults::default()).await;
    let rule = rule_of(10, 1_000, 30, WhenAway::Deny);
    let [one, two, three] = [
        fixture.instance(0, &rule).await,
        fixture.instance(300, &rule).await,
        fixture.instance(-300, &rule).await,
    ];
    for instance in [&one, &two] {
        for _ in 0..10 {
            assert!(instance.take(&rule, "a", 1).await.granted);
        }
    }
    let rest = three.take_all(&rule, "a").await;
    // The clocks differ by 0.6 s, which are six permits.
    assert!((4..=16).contains(&rest), "{rest}");
    let others = one.take_all(&rule, "a").await + two.take_all(&rule, "a").await;
    assert!(rest + others <= 16, "{rest} {others}");
    assert_eq!(one.take_all(&rule, "another key").await, 30);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(
        two.take(&rule, "a", 30).await,
        Grant { granted: true, remaining: 0, retry_after: Duration::ZERO }
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_says_when_to_try_again() {
    let fixture = Fixture::with(Faults::default()).await;
    let rule = rule_of(2, 1_000, 4, WhenAway::Deny);
    let one = fixture.instance(0, &rule).await;
    assert_eq!(one.take(&rule, "a", 3).await.remaining, 1);
    let denied = one.take(&rule, "a", 3).await;
    assert!(!denied.granted && denied.remaining == 1, "{denied:?}");
    assert!(
        (Duration::from_millis(950)..=Duration::from_secs(1)).contains(&denied.retry_after),
        "{denied:?}"
    );
    sleep(denied.retry_after + Duration::from_millis(1)).await;
    assert!(one.take(&rule, "a", 3).await.granted);
}

#[tokio::test(start_paused = true)]
async fn an_instance_whose_clock_is_far_off_leases_nothing() {
    let fixture = Fixture::with(Faults::default()).await;
    let rule = rule_of(10, 1_000, 10, WhenAway::Deny);
    for ahead in [700, -700, 3_600_000, -3_600_000] {
        let off = fixture.instance(ahead, &rule).await;
        assert!(!off.take(&rule, "a", 1).await.granted, "{ahead}");
    }
    let log = fixture.app.captured().text();
    assert!(
        log.contains("no permits are leased") && log.contains("apart from the one of the server"),
        "{log}"
    );
    assert_eq!(fixture.instance(400, &rule).await.take_all(&rule, "a").await, 10);
}

#[tokio::test(start_paused = true)]
async fn without_answers_a_rule_denies_or_grants_its_part() {
    let fixture = Fixture::with(Faults::seeded(3).lose_acks(1.0)).await;
    let four = NonZeroU16::new(4).unwrap();
    let (deny, share) =
        (rule_of(100, 1_000, 100, WhenAway::Deny), rule_of(100, 1_000, 100, WhenAway::LocalShare(four)));
    let one = fixture.instance(0, &deny).await;
    let began = Instant::now();
    let denied = one.take(&deny, "a", 1).await;
    assert!(!denied.granted && !denied.retry_after.is_zero(), "{denied:?}");
    assert!(began.elapsed() <= Duration::from_secs(1), "{:?}", began.elapsed());
    let two = fixture.instance(0, &share).await;
    assert!((24..=26).contains(&two.take_all(&share, "a").await));
    assert!(!two.take(&share, "a", 26).await.granted, "never that many");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_spent_is_given_back_when_its_life_ends_and_at_a_stop() {
    let fixture = Fixture::with(Faults::default()).await;
    let rule = rule_of(100, 3_600_000, 100, WhenAway::Deny);
    let [one, two] = [fixture.instance(0, &rule).await, fixture.instance(0, &rule).await];
    // Chunks grow while they are used up.
    for _ in 0..20 {
        assert!(one.take(&rule, "a", 1).await.granted);
    }
    sleep(Duration::from_secs(5)).await;
    assert_eq!(two.take_all(&rule, "a").await, 80);
    for _ in 0..5 {
        assert!(one.take(&rule, "b", 1).await.granted);
    }
    one.service.kill("the test");
    one.service.dead().await;
    assert_eq!(two.take_all(&rule, "b").await, 95);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_keys_stays_within_max_keys() {
    let fixture = Fixture::with(Faults::default()).await;
    let rule =
        Rule { max_keys: NonZeroU32::new(10).unwrap(), ..rule_of(1, 60_000, 2, WhenAway::Deny).rule.clone() };
    let rule = Arc::new(FleetRule { rate: SharedRate::new(&rule), rule });
    let one = fixture.instance(0, &rule).await;
    for key in 0..100 {
        assert!(one.take(&rule, &key.to_string(), 1).await.granted, "{key}");
    }
    // The shared bucket still knows the first one.
    assert!(one.take(&rule, "0", 1).await.granted);
    assert!(!one.take(&rule, "0", 1).await.granted);
}
