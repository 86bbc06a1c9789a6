//! Log events: their ids, and their records in the log of an app.

use std::{fs, time::Duration};

use app_config::events::{CAPNP_ERR, CONFIG_LOADING_ERR};
use app_config::{CONFIG_SERVICE_ID, ConfigDir, Configs};
use app_core::{
    events::*,
    events::{AppEvent, ServiceEventKind},
    testing::{CapturedLog, TestApp, hangs_at_stop, runs},
};
use app_errors::Error;
use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks, log_events::*};
use app_ids::{HealthCheckId, LogEventId, ServiceId};
use app_metrics::{METRICS_SERVICE_ID, log_events::*};
use schema::metrics_capnp::metrics_service_spec;

const CHECK: HealthCheckId = HealthCheckId::new(0xc1);
const SEVEN: ServiceId = ServiceId::new(7);

#[test]
fn every_log_event_keeps_its_id() {
    let ids = [
        (APP_STARTED, 0xa482_715a_50d6_7a5f),
        (APP_STOPPING, 0xbcda_e48c_0cb8_936e),
        (APP_STOPPING_TIMEOUT, 0xaa77_44d8_a20d_857a),
        (APP_STOPPED, 0xdd0c_7775_e42d_7841),
        (APP_RESET, 0xee31_7bbb_0fe0_fafe),
        (SERVICE_STARTING, 0xa3c3_eb88_7d09_f9aa),
        (SERVICE_STARTED, 0xc27a_49a4_e5a2_a502),
        (SERVICE_KILLED, 0x85ad_f7d7_0dce_f626),
        (SERVICE_STOPPING, 0x85ad_bb66_1141_efce),
        (SERVICE_STOPPING_TIMEOUT, 0x8ed2_e400_ce58_5f16),
        (SERVICE_STOPPED, 0xfd84_3c25_ce81_f841),
        (SERVICE_REGISTERED, 0xd8f2_5797_ffa5_8858),
        (SERVICE_UNREGISTERED, 0xa611_d10b_1dfc_880d),
        (METRICS_SERVICE_CONFIG_ERROR, 0x83ad_8592_584d_0930),
        (METRICS_HTTP_REPORTER_SHUTDOWN_ERROR, 0xab35_5f69_33e9_b3fe),
        (METRICS_HTTP_REPORTER_START_ERROR, 0xa1e8_2667_eef8_67ff),
        (METRICS_HTTP_REPORTER_SHUTDOWN_WHILE_SERVICE_RUNNING, 0xf8c7_8708_6a35_cd78),
        (METRICS_HTTP_SERVER_STARTING, 0xbec4_ba15_afa9_7c2b),
        (METRICS_HTTP_SERVER_STARTED, 0x8fab_3d9e_f501_1368),
        (METRICS_HTTP_SERVER_STOPPED, 0xefd0_f72b_ffc6_36f6),
        (CONFIG_LOADING_ERR, 0x83e9_27cb_25aa_a032),
        (CAPNP_ERR, 0x8234_07a4_ed42_7f33),
        (ZERO_HEALTHCHECKS, 0x8c80_5853_a70e_c666),
        (HEALTHCHECK_REGISTERED, 0xb5f3_142d_410a_2375),
        (HEALTHCHECK_PAUSED, 0xc7a3_b541_88e7_5210),
        (HEALTHCHECK_RESUMED, 0xc4dc_7b29_38ca_f3a9),
        (HEALTHCHECK_RESULT, 0xa68e_0475_cc18_39be),
    ];
    for (id, number) in ids {
        assert_eq!(id, LogEventId::new(number));
    }
}

fn logged(log: &CapturedLog, events: &[LogEventId]) {
    for event in events {
        assert!(!log.with_event(*event).is_empty(), "{}:\n{}", event.describe(), log.text());
    }
}

#[tokio::test(start_paused = true)]
async fn the_life_of_an_app_and_its_services_is_logged() {
    let app = TestApp::builder()
        .service(runs(SEVEN, "seven"))
        .service(hangs_at_stop(8.into(), "eight"))
        .start()
        .await;
    let log = app.captured().clone();
    let seven = app.service(SEVEN).unwrap();
    app.unregister(&seven).unwrap();
    let report = app.stop().await;
    assert_eq!(report.abandoned.len(), 1);
    logged(&log, &[APP_STARTED, APP_STOPPING, APP_STOPPED]);
    logged(&log, &[SERVICE_REGISTERED, SERVICE_STARTING, SERVICE_STARTED, SERVICE_UNREGISTERED]);
    logged(&log, &[SERVICE_KILLED, SERVICE_STOPPING, SERVICE_STOPPING_TIMEOUT, SERVICE_STOPPED]);
    assert_eq!(log.with_event(SERVICE_STARTED)[0]["svc"], "7");
}

#[test]
fn typed_events_have_these_ids_as_their_log_form() {
    let waited = Duration::from_secs(120);
    assert_eq!(AppEvent::StoppingTimeout { waited, services: vec![] }.log_event_id(), APP_STOPPING_TIMEOUT);
    assert_eq!(AppEvent::Reset.log_event_id(), APP_RESET);
    let kind = ServiceEventKind::StoppingTimeout { waited, tasks: vec![] };
    assert_eq!(AppEvent::Service { id: SEVEN, kind }.log_event_id(), SERVICE_STOPPING_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn the_http_server_and_the_health_checks_are_logged() {
    let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    let log = app.captured().clone();
    log.wait_for(|record| record["event"] == ZERO_HEALTHCHECKS.hex()).await;
    let health = app.get::<HealthChecks>();
    health
        .register_unbound(HealthCheckSpec::new(CHECK), |_| async { Ok::<(), std::fmt::Error>(()) })
        .unwrap();
    health.run(CHECK).await.unwrap();
    health.pause(CHECK).unwrap();
    health.resume(CHECK).unwrap();
    app.stop().await.expect_clean();
    logged(&log, &[METRICS_HTTP_SERVER_STARTING, METRICS_HTTP_SERVER_STARTED, METRICS_HTTP_SERVER_STOPPED]);
    logged(&log, &[HEALTHCHECK_REGISTERED, HEALTHCHECK_RESULT, HEALTHCHECK_PAUSED, HEALTHCHECK_RESUMED]);
}

#[tokio::test(start_paused = true)]
async fn configs_that_no_one_reads_or_that_are_malformed_are_logged() {
    let builder = TestApp::builder().linked([CONFIG_SERVICE_ID]);
    let mut message = capnp::message::Builder::new_default();
    message.init_root::<metrics_service_spec::Builder<'_>>();
    let mut file = fs::File::create(ConfigDir::new(builder.config_dir()).file(SEVEN)).unwrap();
    app_config::codec::marshal(&message, &mut file).unwrap();
    let app = builder.start().await;
    logged(app.captured(), &[CONFIG_LOADING_ERR]);

    let configs = app.get::<Configs>();
    fs::write(configs.dir().file(SEVEN), "no config").unwrap();
    assert!(configs.config(SEVEN).is_err());
    logged(app.captured(), &[CAPNP_ERR]);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_http_server_that_cannot_listen_stops_the_start() {
    let builder = TestApp::builder().linked([METRICS_SERVICE_ID]);
    let mut message = capnp::message::Builder::new_default();
    // An address for documentation (RFC 5737). No machine has it.
    message.init_root::<metrics_service_spec::Builder<'_>>().set_bind_address("192.0.2.1");
    let mut file = fs::File::create(ConfigDir::new(builder.config_dir()).file(METRICS_SERVICE_ID)).unwrap();
    app_config::codec::marshal(&message, &mut file).unwrap();
    let app = builder.build();
    let app_core::StopCause::StartFailed(problems) = app.app().start().await.unwrap_err().cause else {
        panic!("started, and what is more, stopped for another reason");
    };
    let cause: &Error = problems[0].downcast_cause().unwrap();
    assert!(cause.to_string().contains("192.0.2.1"), "{cause:#}");
    assert_eq!(cause.context().unwrap()["event"], METRICS_HTTP_REPORTER_START_ERROR.hex());
    logged(app.captured(), &[METRICS_HTTP_REPORTER_START_ERROR]);
}
