//! The levels of the application and of services, and their changes.

use std::str::FromStr;

use app_ids::ServiceId;
use slog::{Drain, debug, info};

use super::super::{LogFormat, LogLevel};
use super::{QUOTA, captured};

#[test]
fn names_of_levels_are_read_in_any_case() {
    for (text, level) in [
        ("DEBUG", LogLevel::Debug),
        ("info", LogLevel::Info),
        ("Warn", LogLevel::Warn),
        ("eRROR", LogLevel::Error),
    ] {
        assert_eq!(LogLevel::from_str(text), Ok(level));
        assert_eq!(LogLevel::from_u8(level.as_u8()), level);
        assert_eq!(serde_json::to_value(level).unwrap(), level.to_string());
        assert_eq!(serde_json::from_str::<LogLevel>(&format!("{text:?}")).unwrap(), level);
    }
    let refused = LogLevel::from_str("LOUD\n").unwrap_err().to_string();
    assert_eq!(refused, "\"LOUD\\n\" is not a log level; the levels are DEBUG, INFO, WARN and ERROR");
    assert!(LogLevel::Debug < LogLevel::Info && LogLevel::Warn < LogLevel::Error);
    assert!(LogLevel::from_str("").is_err() && LogLevel::from_str("WARNING").is_err());
}

#[test]
fn auto_is_text_on_a_terminal_and_json_elsewhere() {
    assert_eq!(LogFormat::Auto.resolve(true), LogFormat::Term);
    assert_eq!(LogFormat::Auto.resolve(false), LogFormat::Json);
    assert_eq!(LogFormat::Json.resolve(true), LogFormat::Json);
    assert_eq!("TERM".parse(), Ok(LogFormat::Term));
    assert!("xml".parse::<LogFormat>().is_err());
}

#[test]
fn a_change_applies_at_once_to_loggers_that_exist() {
    let (log, captured, app) = captured();
    let quota = log.service_logger(QUOTA, "quota");
    let child = quota.new(slog::o!("child" => true));
    let _ = log.set_level(LogLevel::Warn);
    info!(app, "app 1");
    info!(quota, "quota 1");
    let _ = log.set_service_level(QUOTA, Some(LogLevel::Debug));
    info!(app, "app 2");
    debug!(child, "quota 2");
    assert!(child.is_enabled(slog::Level::Debug) && !app.is_enabled(slog::Level::Info));
    let _ = log.set_service_level(QUOTA, None);
    debug!(child, "quota 3");
    let messages: Vec<_> = captured.records().iter().map(|record| record["message"].clone()).collect();
    assert_eq!(messages, ["quota 2"]);
}

#[test]
fn a_level_may_be_set_before_its_service_exists() {
    let (log, captured, _) = captured();
    let id = ServiceId::new(7);
    let _ = log.set_service_level(id, Some(LogLevel::Error));
    assert_eq!(log.service_level(id), LogLevel::Error);
    assert_eq!(log.service_level(QUOTA), LogLevel::Debug);
    info!(log.service_logger(id, "late"), "no");
    assert_eq!(captured.records().len(), 0);
}

#[test]
fn a_reverted_change_restores_the_level_before_it() {
    let (log, _captured, app) = captured();
    let change = log.set_level(LogLevel::Error);
    assert_eq!(change.service(), None);
    assert!(!app.is_enabled(slog::Level::Info));
    assert!(log.revert(change));
    assert_eq!(log.level(), LogLevel::Debug);
    assert!(app.is_enabled(slog::Level::Info));

    let change = log.set_service_level(QUOTA, Some(LogLevel::Error));
    assert!(log.revert(change));
    assert_eq!(log.service_level(QUOTA), LogLevel::Debug);
    let _ = log.set_level(LogLevel::Warn);
    assert_eq!(log.service_level(QUOTA), LogLevel::Warn, "the service follows the application again");
}

#[test]
fn temporary_changes_may_end_in_any_order() {
    let (log, _captured, _) = captured();
    let _ = log.set_level(LogLevel::Info);
    let first = log.set_level(LogLevel::Error);
    let second = log.set_level(LogLevel::Warn);
    assert!(log.revert(first), "the second change stays in force");
    assert_eq!(log.level(), LogLevel::Warn);
    assert!(log.revert(second));
    assert_eq!(log.level(), LogLevel::Info);

    let first = log.set_level(LogLevel::Error);
    let second = log.set_level(LogLevel::Warn);
    assert!(log.revert(second));
    assert_eq!(log.level(), LogLevel::Error);
    assert!(log.revert(first));
    assert_eq!(log.level(), LogLevel::Info);
}

#[test]
fn a_permanent_change_outlives_the_temporary_one_below_it() {
    let (log, _captured, _) = captured();
    let temporary = log.set_service_level(QUOTA, Some(LogLevel::Error));
    for _ in 0..100 {
        let _ = log.set_service_level(QUOTA, Some(LogLevel::Warn));
    }
    assert!(!log.revert(temporary), "100 later changes have replaced it");
    assert_eq!(log.service_level(QUOTA), LogLevel::Warn);
}

#[test]
fn only_levels_that_were_set_remain_of_services_that_are_gone() {
    let (log, _captured, _app) = captured();
    let _ = log.set_service_level(QUOTA, Some(LogLevel::Error));
    let kept = log.service_logger(ServiceId::new(1), "kept");
    for id in 2..100_000 {
        drop(log.service_logger(ServiceId::new(id), "gone"));
    }
    assert!(log.known_services() < 3_000, "{}", log.known_services());
    assert_eq!(log.service_level(QUOTA), LogLevel::Error);
    let _ = log.set_level(LogLevel::Error);
    assert!(!kept.is_enabled(slog::Level::Info), "an existing logger still follows");
}

/// With the macros of the prelude.
#[test]
fn values_are_evaluated_only_when_the_level_is_enabled() {
    struct Holder {
        logger: slog::Logger,
    }
    let (log, captured, logger) = captured();
    let holder = Holder { logger };
    let evaluated = std::cell::Cell::new(0);
    let value = || evaluated.replace(evaluated.get() + 1);
    let all = |logger: &slog::Logger| {
        crate::debug!(logger, "a"; "value" => value());
        crate::info!(*logger, "a {}", 1; "value" => value());
        crate::warn!(logger.clone(), "a"; "value" => value());
        crate::error!(holder.logger, "a {named}", named = 2; "value" => value());
    };
    for (level, enabled) in [(LogLevel::Debug, 4), (LogLevel::Warn, 2), (LogLevel::Error, 1)] {
        let _ = (log.set_level(level), evaluated.set(0));
        let before = captured.records().len();
        all(&holder.logger);
        assert_eq!((evaluated.get(), captured.records().len() - before), (enabled, enabled), "{level}");
    }
}
