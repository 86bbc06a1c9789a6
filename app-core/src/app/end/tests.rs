//! Tests of the delay that a kill may bring along.

use std::time::Duration;

use app_ids::ServiceId;
use tokio::time::Instant;

use crate::{
    StopCause,
    testing::{TestApp, runs},
};

const SERVICE: ServiceId = ServiceId::new(0x7e57);

/// How long the stop took, with a delay in the flags and one that was asked for.
async fn stop_took(flag: u64, asked: Option<Duration>) -> Duration {
    let drain = Duration::from_secs(flag);
    let builder = TestApp::builder().flags(|flags| flags.drain_delay = drain);
    let app = builder.service(runs(SERVICE, "seven")).start().await;
    let begun = Instant::now();
    assert!(app.kill_after(StopCause::Killed("first".to_owned()), asked));
    assert!(
        !app.kill_after(StopCause::Killed("second".to_owned()), Some(Duration::ZERO)),
        "there is one kill"
    );
    let service = app.service(SERVICE);
    assert!(service.is_some_and(|service| service.alive()), "it serves until the delay is over");
    let report = app.stopped().await;
    assert_eq!(report.cause.to_string(), "killed: first");
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_kill_may_bring_a_drain_delay_of_its_own_along_and_the_first_one_stays() {
    assert!(stop_took(30, None).await >= Duration::from_secs(30));
    assert!(stop_took(30, Some(Duration::ZERO)).await < Duration::from_secs(1));
    assert!(stop_took(0, Some(Duration::from_secs(7))).await >= Duration::from_secs(7));
}
