//! Tests of what is said of levels, and of the way back.

use std::time::Duration;

use app_ids::ServiceId;
use slog::info;

use crate::{LogLevel, flags::ServiceLevel, testing::TestApp};

const SERVICE: ServiceId = ServiceId::new(0x7e57);
const OTHER: ServiceId = ServiceId::new(0x07e5);

#[tokio::test(start_paused = true)]
async fn the_settings_say_which_levels_are_there_and_until_when() {
    let app = TestApp::empty().await;
    app.set_log_level(LogLevel::Warn, None);
    app.set_service_log_level(SERVICE, Some(LogLevel::Debug), Some(Duration::from_secs(10)));
    app.set_service_log_level(OTHER, Some(LogLevel::Error), None);
    let settings = app.log().level_settings();
    assert_eq!((settings.app.level, settings.app.until), (LogLevel::Warn, None));
    let services: Vec<_> = settings.services.iter().map(|(id, own)| (*id, own.level)).collect();
    assert_eq!(services, [(OTHER, LogLevel::Error), (SERVICE, LogLevel::Debug)]);
    let until = settings.services[1].1.until.map(|at| at - tokio::time::Instant::now());
    assert_eq!(until, Some(Duration::from_secs(10)));
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(app.log().level_settings().services.len(), 1, "it went back to the app's");
    assert_eq!(app.service_log_level(SERVICE), LogLevel::Warn);
}

#[tokio::test(start_paused = true)]
async fn a_reset_goes_back_to_what_the_flags_said_and_forgets_what_was_set_for_a_time() {
    let own = ServiceLevel { service: format!("{SERVICE:#x}"), level: LogLevel::Error };
    let builder = TestApp::builder().flags(|flags| flags.service_log_level = vec![own]);
    let app = builder.flags(|flags| flags.log_level = LogLevel::Info).start().await;
    for (level, time_to_live) in [(LogLevel::Debug, 5), (LogLevel::Warn, 50)] {
        let time_to_live = Some(Duration::from_secs(time_to_live));
        app.set_log_level(level, time_to_live);
        app.set_service_log_level(SERVICE, Some(level), time_to_live);
        app.set_service_log_level(OTHER, Some(level), time_to_live);
    }
    app.reset_log_level(None);
    app.reset_log_level(Some(SERVICE));
    app.reset_log_level(Some(OTHER));
    for _ in 0..2 {
        assert_eq!(app.log_level(), LogLevel::Info);
        assert_eq!(app.service_log_level(SERVICE), LogLevel::Error, "as the flags said");
        assert_eq!(app.service_log_level(OTHER), LogLevel::Info, "the app's");
        // Nothing comes back when the times are over.
        tokio::time::sleep(Duration::from_secs(100)).await;
    }
}

#[tokio::test]
async fn what_has_to_be_on_record_is_written_whatever_the_levels_are() {
    let app = TestApp::empty().await;
    let (audit, usual) = (app.log().audit(SERVICE, "seven"), app.log().service_logger(SERVICE, "seven"));
    app.set_log_level(LogLevel::Error, None);
    app.set_service_log_level(SERVICE, Some(LogLevel::Error), None);
    drop(audit.write(|log| info!(log, "on record")));
    info!(usual, "below the level");
    let (written, text) = (app.captured().records(), app.captured().text());
    assert!(
        written.iter().any(|record| record["message"] == "on record" && record["svc"] == "7e57"),
        "{text}"
    );
    assert!(!text.contains("below the level"));
}
