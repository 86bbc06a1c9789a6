//! Tests of the platform metrics.

use super::{
    APP_READY, BUILD_INFO, CONFIG_LOAD_TIME, CONFIG_REFUSED, CONFIG_RELOADS, CONFIG_WAITING, LOG_RECORDS,
    LOG_RECORDS_DROPPED, SERIES_OVERFLOWED, SERVICE_DEATHS, SERVICE_INFO, SERVICE_PLANNED_STOPS,
    SERVICE_RESTART_ATTEMPT, SERVICE_RESTARTS, SERVICE_START_DURATION, SERVICE_START_TIME, SERVICE_STATE,
    SERVICE_TASKS, SERVICE_UP,
};
use crate::testing::TestMetrics as _;
use crate::{CounterVectorSpec, METRICS_SERVICE_ID, Metrics};
use app_core::prelude::*;
use app_core::testing::{TestApp, fails_after, runs};
use app_core::{APP_SERVICE, Restart, ServiceDescriptor, events::KillReason};
use capnp::message::Builder;
use schema::metrics_capnp::metrics_service_spec;
use std::fs;
use std::time::SystemTime;

const SEVEN: ServiceId = ServiceId::new(7);

async fn app() -> TestApp {
    TestApp::builder().linked([METRICS_SERVICE_ID]).service(runs(SEVEN, "seven")).start().await
}

fn seconds_since_1970(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

#[tokio::test]
async fn each_service_shows_whether_it_runs_and_how_often_it_died() {
    let app = app().await;
    let labels = ["7", "seven"];
    assert_eq!(app.metric(APP_SERVICE, SERVICE_UP, labels), 0.0, "before the first scrape");
    app.scrape();
    assert_eq!(app.metric(APP_SERVICE, SERVICE_UP, labels), 1.0);
    assert_eq!(app.metric(APP_SERVICE, SERVICE_UP, [&METRICS_SERVICE_ID.hex(), "metrics"]), 1.0);
    assert_eq!(app.metric(APP_SERVICE, SERVICE_STATE, ["7", "seven", "running"]), 1.0);
    assert_eq!(app.metric(APP_SERVICE, APP_READY, []), 1.0);
    let seven = (*app).service(SEVEN).expect("it is registered");
    seven.kill(KillReason::Failed(errors::BUG.error(SEVEN).message("as it should").build()));
    seven.dead().await;
    app.scrape();
    assert_eq!(app.metric(APP_SERVICE, SERVICE_UP, labels), 0.0);
    assert_eq!(app.metric(APP_SERVICE, SERVICE_STATE, ["7", "seven", "running"]), 0.0);
    assert_eq!(app.metric(APP_SERVICE, SERVICE_STATE, ["7", "seven", "failed"]), 1.0);
    assert_eq!(app.metric(APP_SERVICE, APP_READY, []), 0.0);
    assert_eq!(app.metric(APP_SERVICE, SERVICE_DEATHS, labels), 1.0);
    assert_eq!(app.metric(APP_SERVICE, SERVICE_RESTARTS, labels), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_planned_restart_is_no_death_neither_of_the_service_nor_of_what_depends_on_it() {
    const EIGHT: ServiceId = ServiceId::new(8);
    // A dependent that stops because its dependency stops: a planned stop.
    let dependent = ServiceDescriptor::of(EIGHT, "eight", |service: Service| async move {
        service.clone().spawn("works", async move {
            service.dying().await;
            Err::<(), _>(errors::BUG.error(EIGHT).message("its dependency is gone").build())
        })
    });
    let services = [runs(SEVEN, "seven").restart(Restart::on_failure()), dependent.after([SEVEN])];
    let app = TestApp::builder().linked([METRICS_SERVICE_ID]).services(services).start().await;
    let second = Duration::from_secs(1);
    let shown = |metric, labels: [&str; 2]| {
        app.scrape();
        app.metric(APP_SERVICE, metric, labels)
    };
    let (seven, eight) = (["7", "seven"], ["8", "eight"]);
    app.restart(SEVEN, "new certificates").await.unwrap();
    tokio::time::sleep(second).await;
    for labels in [seven, eight] {
        assert_eq!((shown(SERVICE_DEATHS, labels), shown(SERVICE_PLANNED_STOPS, labels)), (0.0, 1.0));
        assert_eq!((shown(SERVICE_UP, labels), shown(SERVICE_RESTARTS, labels)), (1.0, 1.0));
    }
    // The dependents of a service that fails are stopped on purpose.
    (*app).service(SEVEN).unwrap().kill(errors::BUG.error(SEVEN).message("by itself").build());
    tokio::time::sleep(second).await;
    assert_eq!((shown(SERVICE_DEATHS, seven), shown(SERVICE_PLANNED_STOPS, seven)), (1.0, 1.0));
    assert_eq!((shown(SERVICE_DEATHS, eight), shown(SERVICE_PLANNED_STOPS, eight)), (0.0, 2.0));
    // A requested kill is a planned stop too.
    (*app).service(SEVEN).unwrap().kill("not wanted");
    tokio::time::sleep(second).await;
    assert_eq!((shown(SERVICE_DEATHS, seven), shown(SERVICE_PLANNED_STOPS, seven)), (1.0, 2.0));
}

#[tokio::test]
async fn each_service_shows_when_it_was_started_how_long_that_took_and_how_many_tasks_it_has() {
    async fn start(service: Service) -> Result<(), Error> {
        let (one, other) = (service.clone(), service.clone());
        service.spawn("waits", async move { one.dying().await })?;
        service.spawn("waits too", async move { other.dying().await })
    }
    let seven = ServiceDescriptor::of(SEVEN, "seven", start);
    let before = seconds_since_1970(SystemTime::now());
    let app = TestApp::builder().linked([METRICS_SERVICE_ID]).service(seven).start().await;
    let after = seconds_since_1970(SystemTime::now());
    app.scrape();
    let labels = ["7", "seven"];
    let started = app.metric(APP_SERVICE, SERVICE_START_TIME, labels);
    assert!((before..=after).contains(&started), "{before} {started} {after}");
    let took = app.service_statuses().into_iter().find(|status| status.id == SEVEN).unwrap().start_took;
    assert_eq!(app.metric(APP_SERVICE, SERVICE_START_DURATION, labels), took.unwrap().as_secs_f64());
    assert_eq!(app.metric(APP_SERVICE, SERVICE_TASKS, labels), 2.0);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn restarts_are_counted_and_the_one_that_is_due_is_shown() {
    let service = fails_after(SEVEN, "seven", Duration::from_secs(100), errors::BUG.error(SEVEN).build());
    let policy = Restart::on_failure().backoff(Duration::from_secs(10), Duration::from_secs(60));
    let service = service.restart(policy.max_restarts(5).window(Duration::from_secs(3600)));
    let app = TestApp::builder().linked([METRICS_SERVICE_ID]).service(service).start().await;
    let shown = |metric| {
        app.scrape();
        app.metric(APP_SERVICE, metric, ["7", "seven"])
    };
    assert_eq!((shown(SERVICE_RESTARTS), shown(SERVICE_RESTART_ATTEMPT)), (0.0, 0.0));
    // Fails after 100 s, restarts between 110 s and 120 s, fails between 210 s and 220 s, restarts after 230 s.
    tokio::time::sleep(Duration::from_secs(105)).await;
    assert_eq!((shown(SERVICE_RESTARTS), shown(SERVICE_RESTART_ATTEMPT)), (0.0, 1.0));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!((shown(SERVICE_RESTARTS), shown(SERVICE_RESTART_ATTEMPT)), (1.0, 0.0));
    assert_eq!((shown(SERVICE_UP), shown(SERVICE_DEATHS)), (1.0, 1.0));
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!((shown(SERVICE_UP), shown(SERVICE_RESTART_ATTEMPT)), (0.0, 2.0));
}

#[tokio::test]
async fn the_build_and_the_packages_of_services_are_shown() {
    let app = app().await;
    let text = app.scrape();
    let version = env!("CARGO_PKG_VERSION");
    let metrics = [&METRICS_SERVICE_ID.hex(), "metrics", "app-metrics", version];
    assert_eq!(app.metric(APP_SERVICE, SERVICE_INFO, metrics), 1.0);
    let name = BUILD_INFO.prometheus_name(APP_SERVICE);
    let build = text.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap();
    let of = |label: &str| build.split(&format!("{label}=\"")).nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(of("platform"), version);
    assert_eq!((of("name"), of("version")), (app.package().name(), app.package().version()));
    assert!(of("rustc").starts_with("1."), "{build}");
    assert!(of("target").starts_with(std::env::consts::ARCH), "{build}");
    assert!(["debug", "release"].contains(&of("profile")), "{build}");
}

#[tokio::test(start_paused = true)]
async fn a_config_that_is_refused_while_its_service_runs_shows_until_it_is_mended() {
    let app = app().await;
    let file = app.config_dir().join(app_config::compat::service_config_id(METRICS_SERVICE_ID));
    let labels = [&METRICS_SERVICE_ID.hex(), "metrics"];
    let refusals = [labels[0], labels[1], "refused"];
    app.scrape();
    assert_eq!(app.metric(APP_SERVICE, CONFIG_REFUSED, labels), 0.0);
    let loaded = app.metric(APP_SERVICE, CONFIG_LOAD_TIME, labels);
    assert!(loaded > 0.0 && loaded <= seconds_since_1970(SystemTime::now()), "{loaded}");
    fs::write(&file, "no config").unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    app.scrape();
    assert_eq!(app.metric(APP_SERVICE, CONFIG_REFUSED, labels), 1.0);
    assert_eq!(app.metric(APP_SERVICE, CONFIG_RELOADS, refusals), 1.0);
    assert_eq!(app.metric(APP_SERVICE, CONFIG_RELOADS, [labels[0], labels[1], "reloaded"]), 0.0);
    fs::remove_file(&file).unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    app.scrape();
    assert_eq!(app.metric(APP_SERVICE, CONFIG_REFUSED, labels), 0.0);
    assert_eq!(app.metric(APP_SERVICE, CONFIG_RELOADS, refusals), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_config_that_takes_effect_at_the_next_start_is_shown() {
    let app = app().await;
    let labels = [&METRICS_SERVICE_ID.hex(), "metrics"];
    app.scrape();
    assert_eq!(app.metric(APP_SERVICE, CONFIG_WAITING, labels), 0.0);
    let mut message = Builder::new_default();
    message.init_root::<metrics_service_spec::Builder<'_>>().set_max_series_per_vector(7);
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content).unwrap();
    fs::write(app.config_dir().join(app_config::compat::service_config_id(METRICS_SERVICE_ID)), content)
        .unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    app.scrape();
    assert_eq!(app.metric(APP_SERVICE, CONFIG_WAITING, labels), 1.0);
    assert_eq!(app.metric(APP_SERVICE, CONFIG_REFUSED, labels), 0.0);
}

#[tokio::test]
async fn log_records_are_counted_by_level() {
    let app = app().await;
    app.scrape();
    let before = app.metric(APP_SERVICE, LOG_RECORDS, ["warn"]);
    warn!(app.logger(), "once");
    warn!(app.logger(), "twice");
    let text = app.scrape();
    assert_eq!(app.metric(APP_SERVICE, LOG_RECORDS, ["warn"]), before + 2.0);
    assert_eq!(app.metric(APP_SERVICE, LOG_RECORDS_DROPPED, []), 0.0);
    assert!(
        text.contains(&format!("# TYPE {} counter\n", LOG_RECORDS.prometheus_name(APP_SERVICE))),
        "{text}"
    );
}

#[tokio::test]
async fn what_went_to_an_overflow_series_is_counted_by_vector() {
    let app = app().await;
    let spec = CounterVectorSpec::new(SEVEN, MetricId::new(1), "Keys.", ["key"]).max_series(2);
    let vector = app.get::<Metrics>().counter_vector(spec).unwrap();
    for key in 0..10 {
        vector.with([&key.to_string()]).unwrap().inc();
    }
    app.scrape();
    assert_eq!(app.metric(APP_SERVICE, SERIES_OVERFLOWED, ["op_7_1"]), 8.0);
    assert_eq!(app.metric(SEVEN, MetricId::new(1), ["overflow"]), 8.0);
}

#[tokio::test(start_paused = true)]
async fn a_test_on_a_paused_clock_reads_metrics_too() {
    let app = app().await;
    assert!(app.scrape().contains("process_threads{"));
    app.stop().await.expect_clean();
}
