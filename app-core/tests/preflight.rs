//! Checks before the start: every problem of every check is told, and nothing was started.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use app_core::{
    App, ExitStatus, StopCause, events,
    plugins::Preflight,
    prelude::*,
    testing::{TestApp, runs},
};

app_core::preflight! { Preflight::new("a panics", panics) }
app_core::preflight! { Preflight::new("b finds", finds) }

fn panics(app: &App) -> Vec<Error> {
    assert!(!app.alive(), "nobody expected this");
    Vec::new()
}

fn finds(_: &App) -> Vec<Error> {
    ["one", "two"].map(|what| errors::CONFIG_FAILURE.error(ServiceId::new(7)).message(what).build()).to_vec()
}

#[tokio::test]
async fn every_problem_of_every_check_is_told_and_nothing_starts() {
    let twice = [runs(ServiceId::new(7), "seven"), runs(ServiceId::new(7), "again")];
    let app = TestApp::builder().services(twice).build();
    let report = app.start().await.unwrap_err();
    let StopCause::StartFailed(problems) = &report.cause else { panic!("{report:?}") };
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(told[0].starts_with("two services have the id 7"), "{told:?}");
    assert_eq!(told[1..], ["preflight \"a panics\" panicked: nobody expected this", "one", "two"]);
    assert_eq!(report.exit_status(), ExitStatus::Config, "a config is among them");
    assert_eq!(app.captured().with_event(events::APP_STOPPING).len(), 4, "a line for each");
    assert!(app.captured().with_event(events::SERVICE_REGISTERED).is_empty());
}
