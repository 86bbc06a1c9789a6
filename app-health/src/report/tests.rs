//! Tests of the documents of probes, by name.

use std::time::Duration;

use app_core::{prelude::*, testing::TestApp};

use super::*;
use crate::{
    HealthCheckSpec,
    fixture::{CHECK, OTHER, Probe, SECOND, every_second, pass, started},
};

const THIRD: HealthCheckId = HealthCheckId::new(0xc3);

fn status(app: &TestApp, name: &str) -> (u16, String) {
    let report = named(app, name);
    (report.http_status, report.document["status"].as_str().unwrap().to_owned())
}

fn labels(app: &TestApp, name: &str) -> Vec<String> {
    named(app, name).document["checks"].as_object().unwrap().keys().cloned().collect()
}

fn register(health: &HealthChecks, spec: HealthCheckSpec, fails: bool) {
    let probe = Probe::default();
    probe.fail(fails);
    probe.register(health, spec, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_group_shows_its_checks_and_how_bad_the_worst_of_them_is() {
    let (app, health) = started().await;
    register(&health, every_second(CHECK).name("disk").group("storage"), false);
    register(&health, every_second(OTHER).name("cache").group("storage").group("caches"), true);
    register(&health, every_second(THIRD).name("queue").critical().group("queues"), true);
    pass(SECOND).await;
    assert_eq!(labels(&app, "storage"), ["cache", "disk"]);
    assert_eq!(status(&app, "storage"), (200, "warn".to_owned()));
    assert_eq!(status(&app, "queues"), (503, "fail".to_owned()));
    assert_eq!(health.group("storage").unwrap().len(), 2);
    assert_eq!(labels(&app, "readiness"), ["cache", "disk", "queue"], "in no other probe's group");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_check_is_found_by_its_id_and_by_its_name_and_shows_its_past() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK).name("disk"), Duration::ZERO);
    pass(5 * SECOND / 2).await;
    probe.fail(true);
    pass(SECOND).await;
    for name in ["c1", "0xc1", "0xC1", "disk"] {
        let report = named(&app, name);
        assert_eq!((report.http_status, &report.document["status"]), (503, &"fail".into()), "{name}");
        let disk = &report.document["checks"]["disk"][0];
        assert_eq!(disk["history"].as_array().unwrap().len(), 4);
        assert_eq!(disk["history"][0]["outcome"], "failed");
        assert!(disk["history"][0]["output"].as_str().unwrap().ends_with("told to fail"));
        assert_eq!(
            (&disk["transitions"][0]["to"], &disk["transitions"][1]["to"]),
            (&"failing".into(), &"passing".into())
        );
    }
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_nobodys_is_not_found() {
    let (app, _health) = started().await;
    let report = named(&app, "nothing");
    assert_eq!((report.http_status, &report.document["status"]), (404, &"fail".into()));
    assert_eq!(report.document["notes"][0], "no health check and no group has the name nothing");
    assert_eq!(named(&app, &"x".repeat(5_000)).document["notes"][0].as_str().unwrap().len(), 1_002);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn groups_go_before_ids_and_ids_before_names() {
    let (app, health) = started().await;
    // A check with the name of a probe's group, a group with the name of a check's id, and a check with the id of
    // another check as its name.
    register(&health, every_second(CHECK).name("readiness").group("c2"), true);
    register(&health, every_second(OTHER).name("plain"), false);
    register(&health, every_second(THIRD).name("c1"), false);
    pass(SECOND).await;
    assert_eq!(labels(&app, "readiness"), ["c1", "plain", "readiness"]);
    assert_eq!(labels(&app, "c2"), ["readiness"], "the group");
    assert_eq!(labels(&app, "0xc2"), ["plain"], "the check");
    assert_eq!(labels(&app, "c1"), ["readiness"], "the id");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_group_can_not_have_a_name_that_would_be_taken_for_something_else() {
    let (app, health) = started().await;
    for name in ["", "0xc1", "a/b", "a b", ".", "..", "ä", &"x".repeat(65)] {
        let spec = HealthCheckSpec::new(CHECK).group(name.to_owned());
        let refused = health.register_unbound(spec, |_cancel| async { Ok::<(), Error>(()) }).unwrap_err();
        assert!(
            refused.is(&errors::ILLEGAL_ARGUMENT) && refused.to_string().contains("the group name"),
            "{refused}"
        );
    }
    app.stop().await.expect_clean();
}
