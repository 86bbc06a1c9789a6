//! Tests of the delay of a kill, and of kills while the app stops.

use std::time::Duration;

use app_ids::ServiceId;
use tokio::time::Instant;

use super::KillOutcome;
use crate::{
    StopCause,
    testing::{TestApp, runs},
};

const SERVICE: ServiceId = ServiceId::new(0x7e57);
const SECOND: Duration = Duration::from_secs(1);

async fn running(flag: Duration) -> TestApp {
    TestApp::builder().flags(|flags| flags.drain_delay = flag).service(runs(SERVICE, "seven")).start().await
}

fn killed(why: &str) -> StopCause {
    StopCause::Killed(why.to_owned())
}

/// How long the stop took, with a delay in the flags and one of the kill.
async fn stop_took(flag: Duration, asked: Option<Duration>) -> Duration {
    let app = running(flag).await;
    let begun = Instant::now();
    assert_eq!(app.kill_after(killed("first"), asked), KillOutcome::First);
    let service = app.service(SERVICE);
    assert!(service.is_some_and(|service| service.alive()), "it serves until the delay is over");
    let report = app.stopped().await;
    assert_eq!(report.cause.to_string(), "killed: first");
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_kill_may_bring_a_drain_delay_of_its_own_along() {
    assert!(stop_took(30 * SECOND, None).await >= 30 * SECOND);
    assert!(stop_took(30 * SECOND, Some(Duration::ZERO)).await < SECOND);
    assert!(stop_took(Duration::ZERO, Some(7 * SECOND)).await >= 7 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn of_two_kills_the_shorter_delay_wins_and_both_are_told() {
    let app = running(5 * SECOND).await;
    let begun = Instant::now();
    assert_eq!(app.kill_after(killed("first"), Some(600 * SECOND)), KillOutcome::First);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(app.kill_after(killed("patient"), Some(700 * SECOND)), KillOutcome::Unchanged);
    // A signal brings no delay along: that of the flags counts.
    assert_eq!(app.kill_after(StopCause::Signal(15), None), KillOutcome::Sooner);
    let deadline = app.stop_deadline().unwrap();
    let report = app.stopped().await;
    let took = begun.elapsed();
    assert!(took >= 15 * SECOND && took < 16 * SECOND, "{took:?}");
    assert_eq!(report.cause.to_string(), "killed: first", "the first cause stays");
    assert!(Instant::now() < deadline);
    let log = app.captured().text();
    assert!(
        log.contains(
            "asked to stop again (killed: patient), while stopping (killed: first): nothing changes"
        ),
        "{log}"
    );
    assert!(
        log.contains(
            "asked to stop again (signal SIGTERM), while stopping (killed: first): the drain ends sooner"
        ),
        "{log}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_stop_covers_the_delay_of_the_kill() {
    let app = running(Duration::ZERO).await;
    assert_eq!(app.stop_deadline(), None);
    let begun = Instant::now();
    app.kill_after(killed("drained"), Some(600 * SECOND));
    let left = app.stop_deadline().unwrap() - begun;
    assert!(left >= 720 * SECOND && left < 730 * SECOND, "{left:?}");
    app.stopped().await;
}
