//! Errors: types, severities, specs, constructors, fields and reports.

use std::time::SystemTime;

use app_core::testing::TestApp;
use app_errors::{
    ErrSpec, Error, ErrorReport, ErrorSeverity, ErrorType, ServiceErrSpec, errors::*, is_error, *,
};
use app_ids::{ErrorId, HealthCheckId, ServiceId};
use serde_json::json;

const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
const CHECK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);

#[test]
fn types_and_severities_keep_their_numbers() {
    assert_eq!(
        [ErrorType::Bug, ErrorType::KnownEdgeCase, ErrorType::Config].map(ErrorType::as_u8),
        [0, 1, 2]
    );
    let severities = [ErrorSeverity::Low, ErrorSeverity::Medium, ErrorSeverity::High, ErrorSeverity::Fatal];
    assert_eq!(severities.map(ErrorSeverity::as_u8), [0, 1, 2, 3]);
}

#[test]
fn every_spec_keeps_its_id_type_and_severity() {
    use ErrorSeverity::{Fatal, High, Low, Medium};
    use ErrorType::{Bug, Config, KnownEdgeCase};
    let specs = [
        (BUG, 0x0, Bug, High),
        (APP_NOT_ALIVE, 0xdf76_e192_7f24_0401, KnownEdgeCase, Fatal),
        (CONFIG_FAILURE, 0xe75f_1a73_534f_382d, Config, Fatal),
        (SERVICE_INIT_FAILED, 0xec1b_f261_05c1_a895, KnownEdgeCase, Fatal),
        (SERVICE_SHUTDOWN_FAILED, 0xc24a_c892_db47_da9f, KnownEdgeCase, Medium),
        (SERVICE_NOT_ALIVE, 0x9cb3_a496_d328_94d2, KnownEdgeCase, High),
        (SERVICE_NOT_REGISTERED, 0xf34b_64ba_c786_f536, KnownEdgeCase, High),
        (SERVICE_NOT_AVAILABLE, 0x8aae_12f3_016b_7f50, KnownEdgeCase, High),
        (SERVICE_ALREADY_REGISTERED, 0xcfd8_79a4_78f9_c733, KnownEdgeCase, High),
        (ILLEGAL_ARGUMENT, 0x9d95_c5fa_c078_b82c, KnownEdgeCase, High),
        (INVALID_LOG_LEVEL, 0x814a_1766_6a94_fe39, Config, High),
        (HEALTH_CHECK_ALREADY_REGISTERED, 0xdbfd_6d9a_b004_9876, KnownEdgeCase, Medium),
        (HEALTH_CHECK_NOT_REGISTERED, 0xefb3_ffdd_ac69_0f37, KnownEdgeCase, Low),
        (HEALTH_CHECK_NOT_ALIVE, 0xe197_2916_f1c1_8dae, KnownEdgeCase, High),
        (HEALTH_CHECK_KILL_TIMEOUT, 0xf4ad_6052_397f_6858, KnownEdgeCase, High),
        (HEALTH_CHECK_TIMEOUT, 0x8257_a572_526e_13f4, KnownEdgeCase, High),
    ];
    for (spec, id, error_type, severity) in specs {
        let ErrSpec { id: found, error_type: found_type, severity: found_severity, .. } = spec;
        assert_eq!((found, found_type, found_severity), (ErrorId::new(id), error_type, severity));
    }
}

#[test]
fn every_constructor_raises_its_own_spec_and_names_the_thing() {
    let cause = || "the disk is full";
    let app = [
        (app_not_alive_error(), APP_NOT_ALIVE, "application"),
        (illegal_argument_error("no key"), ILLEGAL_ARGUMENT, "no key"),
        (invalid_log_level_error("LOUD"), INVALID_LOG_LEVEL, "LOUD"),
    ];
    let services = [
        (config_error(SERVICE, cause(), "rules[2]"), CONFIG_FAILURE, "rules[2]: the disk is full"),
        (service_already_registered_error(SERVICE), SERVICE_ALREADY_REGISTERED, "already registered"),
        (service_init_error(SERVICE, cause()), SERVICE_INIT_FAILED, "the disk is full"),
        (service_not_alive_error(SERVICE), SERVICE_NOT_ALIVE, "not alive"),
        (service_not_available_error(SERVICE), SERVICE_NOT_AVAILABLE, "not available"),
        (service_not_registered_error(SERVICE), SERVICE_NOT_REGISTERED, "not registered"),
        (service_shutdown_error(SERVICE, cause()), SERVICE_SHUTDOWN_FAILED, "the disk is full"),
    ];
    let checks = [
        (health_check_already_registered_error(CHECK), HEALTH_CHECK_ALREADY_REGISTERED),
        (health_check_kill_timeout_error(CHECK), HEALTH_CHECK_KILL_TIMEOUT),
        (health_check_not_alive_error(CHECK), HEALTH_CHECK_NOT_ALIVE),
        (health_check_not_registered_error(CHECK), HEALTH_CHECK_NOT_REGISTERED),
        (health_check_timeout_error(CHECK), HEALTH_CHECK_TIMEOUT),
    ];
    for (error, spec, words) in app.iter().chain(&services) {
        assert!(error.is(spec) && error.to_string().contains(words), "{error:#}");
    }
    for (error, _, _) in &services {
        assert_eq!(error.service(), SERVICE, "{error:#}");
    }
    for (error, spec) in &checks {
        assert!(error.is(spec) && error.to_string().contains("8d0a0181c77fe5ec"), "{error:#}");
    }
}

#[test]
fn an_error_is_known_by_its_id_whatever_type_it_comes_as() {
    let error = service_not_alive_error(SERVICE);
    assert!(is_error(&error, SERVICE_NOT_ALIVE.id));
    assert!(!is_error(&error, BUG.id));
    assert!(!is_error(&std::fmt::Error, SERVICE_NOT_ALIVE.id), "the error of another crate");
    assert_eq!(BUG.id, ErrorId::new(0), "the id of unexpected errors");
}

#[test]
fn a_service_error_spec_raises_in_the_name_of_its_service() {
    let spec = ServiceErrSpec::new(ILLEGAL_ARGUMENT, SERVICE);
    assert_eq!((spec.spec, spec.service), (ILLEGAL_ARGUMENT, SERVICE));
    let error = spec.error().message("no key").build();
    assert!(error.is(&ILLEGAL_ARGUMENT));
    assert_eq!(error.service(), SERVICE);
}

#[test]
fn an_error_knows_what_when_where_and_why() {
    let before = SystemTime::now();
    let tags = ["UI", "DB", "UI"];
    let context = json!({ "rule": "default" });
    let cause: BoxError = std::fmt::Error.into();
    let error = new_bug(Some(cause), "no rule", SERVICE, Some(context.clone()), &tags);
    assert_eq!(
        (error.id(), error.error_type(), error.severity()),
        (BUG.id, ErrorType::Bug, ErrorSeverity::High)
    );
    assert!(error.cause().unwrap().is::<std::fmt::Error>());
    assert_eq!(error.message(), "no rule");
    assert_eq!(error.tags(), ["DB", "UI"], "sorted, each once");
    assert_eq!(tags, ["UI", "DB", "UI"], "the caller's tags are as they were");
    assert_eq!(error.context(), Some(&context));
    assert!(error.time() >= before && error.time() <= SystemTime::now());
    assert_eq!(error.service(), SERVICE);
    assert!(error.stack().unwrap().to_string().contains("parity/errors.rs"), "{error:?}");

    let other: Error = new_error(None, "no rule", &ILLEGAL_ARGUMENT, SERVICE, None, &[]);
    assert!(other.is(&ILLEGAL_ARGUMENT) && other.cause().is_none() && other.context().is_none());
    assert_ne!(error.uid(), other.uid());
    assert_eq!(error.uid(), error.clone().uid());
}

#[tokio::test(start_paused = true)]
async fn a_report_says_which_process_of_which_app_it_was() {
    let app = TestApp::empty().await;
    let origin = app.error_origin();
    assert_eq!((origin.domain, origin.app), (app.domain(), app.id()));
    assert_eq!((origin.release, origin.instance), (app.release(), app.instance()));
    assert_eq!(origin.pid, std::process::id());
    assert_eq!(origin.host, nix::unistd::gethostname().unwrap().to_string_lossy());

    let report = ErrorReport::new(&service_not_alive_error(SERVICE), &origin).to_json();
    assert_eq!(report["id"], "9cb3a496d32894d2");
    assert_eq!(report["service"], "ce1f32c680e1ef0b");
    assert_eq!(report["domain"], app.domain().hex());
    assert_eq!(report["instance"], app.instance().hex());
    assert_eq!(report["pid"], std::process::id());
    assert_eq!(report["host"], origin.host);
    app.stop().await.expect_clean();
}
