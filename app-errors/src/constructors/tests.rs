//! Each constructor makes its own error, with a message that names the thing and with the caller's location.

use serde_json::json;

use super::*;
use crate::errors::*;

app_ids::ids! {
    QUOTA: ServiceId = 0xce1f_32c6_80e1_ef0b, "quota";
    ANSWERS: HealthCheckId = 0x8d0a_0181_c77f_e5ec, "answers";
}

#[track_caller]
fn assert_says(error: &Error, spec: ErrSpec, service: ServiceId, message: &str) {
    assert!(error.is(&spec), "{error:#}");
    assert_eq!(error.service(), service, "{error:#}");
    assert!(error.to_string().starts_with(message), "{error:#}");
    assert_eq!(error.location().file(), file!(), "{error:#}");
}

#[test]
fn an_error_of_the_application_is_raised_in_its_name() {
    assert_says(&app_not_alive_error(), APP_NOT_ALIVE, APP, "the application is not alive: it was killed");
    assert_says(&illegal_argument_error("no such rule"), ILLEGAL_ARGUMENT, APP, "no such rule");
    assert_says(&invalid_log_level_error("LOUD is no level"), INVALID_LOG_LEVEL, APP, "LOUD is no level");
}

#[test]
fn an_error_of_a_service_is_raised_in_its_name_and_names_it() {
    assert_says(&config_error(QUOTA, "c", "burst: too small"), CONFIG_FAILURE, QUOTA, "burst: too small: c");
    for (error, spec, message) in [
        (service_already_registered_error(QUOTA), SERVICE_ALREADY_REGISTERED, "is already registered"),
        (service_init_error(QUOTA, "c"), SERVICE_INIT_FAILED, "could not be started: c"),
        (service_not_alive_error(QUOTA), SERVICE_NOT_ALIVE, "is not alive: it was killed, or has failed"),
        (service_not_available_error(QUOTA), SERVICE_NOT_AVAILABLE, "is not available"),
        (
            service_not_registered_error(QUOTA),
            SERVICE_NOT_REGISTERED,
            "is not registered: its crate is not linked",
        ),
        (service_shutdown_error(QUOTA, "c"), SERVICE_SHUTDOWN_FAILED, "did not stop as it should: c"),
    ] {
        assert_says(&error, spec, QUOTA, &format!("service quota (ce1f32c680e1ef0b) {message}"));
    }
}

#[test]
fn an_error_of_a_health_check_is_raised_in_the_name_of_the_service_that_runs_them() {
    assert_eq!(HEALTH_CHECKS, ServiceId::new(0xe105_d090_9fcc_5ec5));
    for (error, spec, message) in [
        (
            health_check_already_registered_error(ANSWERS),
            HEALTH_CHECK_ALREADY_REGISTERED,
            "is already registered",
        ),
        (health_check_kill_timeout_error(ANSWERS), HEALTH_CHECK_KILL_TIMEOUT, "did not end in time"),
        (health_check_not_alive_error(ANSWERS), HEALTH_CHECK_NOT_ALIVE, "is not alive: it is paused"),
        (health_check_not_registered_error(ANSWERS), HEALTH_CHECK_NOT_REGISTERED, "is not registered"),
        (health_check_timeout_error(ANSWERS), HEALTH_CHECK_TIMEOUT, "did not answer in time"),
    ] {
        assert_says(
            &error,
            spec,
            HEALTH_CHECKS,
            &format!("health check answers (8d0a0181c77fe5ec) {message}"),
        );
    }
}

#[test]
fn the_general_constructors_take_everything_that_a_builder_takes() {
    let tags = ["b", "a", "b"];
    let bug = new_bug(Some("c".into()), "m", QUOTA, Some(json!(1)), &tags);
    assert!(bug.is(&BUG));
    let other = new_error(Some("c".into()), "m", &SERVICE_NOT_AVAILABLE, QUOTA, Some(json!(1)), &tags);
    assert!(other.is(&SERVICE_NOT_AVAILABLE));
    for error in [bug, other] {
        assert_eq!((error.to_string().as_str(), error.service()), ("m: c", QUOTA));
        assert_eq!(
            (error.context(), error.tags()),
            (Some(&json!(1)), ["a".to_owned(), "b".to_owned()].as_slice())
        );
        assert_eq!(error.location().file(), file!());
    }
    assert_eq!(tags, ["b", "a", "b"]);
    let bare = new_bug(None, "m", QUOTA, None, &[]);
    assert!(bare.cause().is_none() && bare.context().is_none() && bare.tags().is_empty());
}

#[test]
fn a_service_without_a_name_is_shown_by_its_id() {
    assert!(service_not_alive_error(ServiceId::new(0xab)).to_string().starts_with("service ab is not alive"));
}
