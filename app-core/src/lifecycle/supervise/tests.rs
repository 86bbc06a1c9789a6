//! The default policy against outages, with the luckiest and the unluckiest jitter. Time is paused.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::time::Duration;

use app_errors::{Error, errors};
use app_ids::ServiceId;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    Dep, Exposed, Restart, Service, ServiceDescriptor, events,
    restart::Jitter,
    testing::{TestApp, runs},
};

const BASE: ServiceId = ServiceId::new(0xba5e);
const MIDDLE: ServiceId = ServiceId::new(0x3dd1e);
const TOP: ServiceId = ServiceId::new(0x709);

/// When the outage begins and ends, after the start of the test.
const OUTAGE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(70));

fn away() -> Error {
    errors::SERVICE_NOT_AVAILABLE.error(BASE).message("the database does not answer").build()
}

/// Something outside of the process that is away for a minute.
#[derive(Clone, Copy)]
struct Database(Instant);

impl Database {
    fn answers(self) -> bool {
        !(OUTAGE.0..OUTAGE.1).contains(&self.0.elapsed())
    }

    /// Comes back with an error as soon as the outage begins.
    async fn goes_away(self) -> Result<(), Error> {
        sleep_until(self.0 + OUTAGE.0).await;
        if self.answers() { std::future::pending().await } else { Err(away()) }
    }
}

/// How a service notices that its database is away.
#[derive(Debug, Clone, Copy)]
enum Notices {
    /// A task fails as soon as it runs.
    InATask,
    /// The start function fails at once.
    AtTheStart,
    /// The start function fails after a timeout of its own.
    AtTheStartSlowly,
}

fn depends_on(database: Database, id: ServiceId, notices: Notices, policy: Restart) -> ServiceDescriptor {
    let start = move |service: Service| async move {
        if let Notices::AtTheStartSlowly = notices
            && !database.answers()
        {
            sleep(Duration::from_secs(5)).await;
        }
        if !matches!(notices, Notices::InATask) && !database.answers() {
            return Err(away());
        }
        service.spawn("asks the database", database.goes_away())
    };
    ServiceDescriptor::of(id, format!("s{id}"), start).restart(policy)
}

#[tokio::test(start_paused = true)]
async fn the_default_policy_survives_an_outage_of_a_minute_whatever_the_jitter() {
    for jitter in [Jitter::None, Jitter::Full] {
        for notices in [Notices::InATask, Notices::AtTheStart, Notices::AtTheStartSlowly] {
            let (database, policy) = (Database(Instant::now()), Restart::on_failure().jitter(jitter));
            // Several services use the same database: each counts alone.
            let services = [BASE, MIDDLE, TOP].map(|id| depends_on(database, id, notices, policy));
            let app = TestApp::builder().services(services).start().await;
            sleep(Duration::from_secs(70)).await;
            assert!(app.alive(), "{jitter:?} {notices:?}: {:?}", app.cause());
            assert!(!app.readiness().ready(), "{jitter:?} {notices:?}");
            sleep(Duration::from_secs(60)).await;
            assert!(app.readiness().ready(), "{jitter:?} {notices:?}: {:?}", app.readiness());
            app.stop().await;
        }
    }
}

/// Away for ever: what happens then is the other half of the contract.
#[tokio::test(start_paused = true)]
async fn a_service_that_never_recovers_stops_the_app_after_the_time_that_the_page_says() {
    for (jitter, seconds) in [(Jitter::None, 111), (Jitter::Full, 222)] {
        let policy = Restart::on_failure().jitter(jitter);
        let fails = |service: Service| async move { service.spawn("fails", async { Err::<(), _>(away()) }) };
        let app =
            TestApp::builder().service(ServiceDescriptor::of(BASE, "base", fails).restart(policy)).build();
        let begun = Instant::now();
        // The first failure may come before the app is ready, which would be a failed start.
        if app.start().await.is_err() {
            continue;
        }
        app.stopped().await;
        assert_eq!(begun.elapsed().as_secs(), seconds, "{jitter:?}");
    }
}

struct Base(Service);
impl Exposed for Base {
    const SERVICE: ServiceId = BASE;
}

/// Asks its base now and then, and fails with what the base answers, `after` the base's own end.
fn asks_base(id: ServiceId, name: &'static str, after: Duration) -> ServiceDescriptor {
    ServiceDescriptor::of(id, name, move |service: Service, base: Dep<Base>| async move {
        service.spawn("asks", async move {
            base.0.dying().await;
            sleep(after).await;
            base.0.ensure_alive()
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_chain_above_a_start_that_fails_for_a_minute_comes_back_and_counts_only_the_cause() {
    for jitter in [Jitter::None, Jitter::Full] {
        let (database, policy) = (Database(Instant::now()), Restart::on_failure().jitter(jitter));
        let base = ServiceDescriptor::of(BASE, "base", move |service: Service| async move {
            if !database.answers() {
                return Err(away());
            }
            service.spawn("asks the database", database.goes_away())?;
            // It ends a while after it failed: its dependents notice before the supervisor kills them.
            let me = service.clone();
            service.spawn("ends slowly", async move {
                me.dying().await;
                sleep(Duration::from_secs(2)).await;
            })?;
            Ok(Base(service))
        });
        let services = [
            base.restart(policy),
            // One restart and no more, if it counted.
            asks_base(MIDDLE, "middle", Duration::ZERO).restart(policy.max_restarts(0)),
            // By its own policy, it would stay dead.
            asks_base(TOP, "top", Duration::from_secs(1)),
            runs(ServiceId::new(1), "above").after([TOP]),
        ];
        let app = TestApp::builder().services(services).start().await;
        sleep(OUTAGE.1).await;
        assert!(app.alive(), "{jitter:?}: {:?}", app.cause());
        sleep(Duration::from_secs(60)).await;
        assert!(app.readiness().ready(), "{jitter:?}: {:?}", app.readiness());
        let counted = app.captured().with_event(events::SERVICE_RESTART_SCHEDULED);
        assert!(counted.iter().all(|record| record["svc_name"] == "base"), "{counted:?}");
        app.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dependent_that_notices_an_outage_before_its_dependency_does_comes_back_too() {
    let fails_after = |id: ServiceId, millis: u64| {
        let begun = Instant::now();
        ServiceDescriptor::of(id, format!("s{id}"), move |service: Service| async move {
            service.spawn("fails once", async move {
                sleep_until(begun + Duration::from_secs(10)).await;
                if begun.elapsed() > Duration::from_secs(11) {
                    return std::future::pending().await;
                }
                sleep(Duration::from_millis(millis)).await;
                Err::<(), _>(away())
            })
        })
    };
    let services = [fails_after(BASE, 400).restart(Restart::on_failure()), fails_after(TOP, 0).after([BASE])];
    let app = TestApp::builder().services(services).start().await;
    sleep(Duration::from_secs(20)).await;
    assert!(app.readiness().ready(), "{:?}", app.readiness());
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_dependent_that_failed_long_before_its_dependency_stays_dead_by_its_own_policy() {
    let fails_after = |id: ServiceId, seconds: u64| {
        ServiceDescriptor::of(id, format!("s{id}"), move |service: Service| async move {
            service.spawn("fails", async move {
                sleep(Duration::from_secs(seconds)).await;
                Err::<(), _>(away())
            })
        })
    };
    let services = [fails_after(BASE, 60).restart(Restart::on_failure()), fails_after(TOP, 5).after([BASE])];
    let app = TestApp::builder().services(services).start().await;
    sleep(Duration::from_secs(80)).await;
    let top = app.service_statuses().into_iter().find(|status| status.id == TOP).unwrap();
    assert_eq!(top.restarts, 0, "{top:?}");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_good_run_and_a_restart_on_request_each_forgive_what_was_counted() {
    for asked in [false, true] {
        let base = runs(BASE, "base").restart(Restart::on_failure().jitter(Jitter::None));
        let app = TestApp::builder().service(base).start().await;
        for round in 0..3 {
            for death in 0..10 {
                app.service(BASE).unwrap().kill(away());
                sleep(Duration::from_millis(100)).await;
                while !app.readiness().ready() {
                    assert!(app.alive(), "round {round}, death {death}: {:?}", app.cause());
                    sleep(Duration::from_millis(100)).await;
                }
            }
            if asked {
                app.restart(BASE, "an operator").await.unwrap();
                sleep(Duration::from_secs(1)).await;
            } else {
                sleep(Duration::from_secs(300)).await;
            }
        }
        app.stop().await;
    }
}
