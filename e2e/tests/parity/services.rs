//! The functions of an app, the registry of services, and the life of a service.

use std::time::{Duration, SystemTime};

use app_core::{
    Flags, LogLevel, Service,
    compat::services,
    testing::{TestApp, runs},
};
use app_errors::{errors, illegal_argument_error};
use app_ids::{AppId, DomainId, ReleaseId, ServiceId};

use super::current::CurrentApp;

const SEVEN: ServiceId = ServiceId::new(7);
const EIGHT: ServiceId = ServiceId::new(8);

async fn with_seven() -> CurrentApp {
    CurrentApp::start(TestApp::builder().service(runs(SEVEN, "seven"))).await
}

#[tokio::test(start_paused = true)]
async fn the_app_says_who_it_is_and_since_when() {
    let app = with_seven().await;
    assert_eq!(app_core::compat::domain().unwrap(), DomainId::new(0xd0));
    assert_eq!(app_core::compat::id().unwrap(), AppId::new(0xa0));
    assert_eq!(app_core::compat::release().unwrap(), ReleaseId::new(0x10));
    assert_eq!(app_core::compat::instance().unwrap(), app.instance());
    assert!(!app_core::compat::instance().unwrap().is_zero());
    assert!(app_core::compat::started_on().unwrap() <= SystemTime::now());
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_app_is_alive_until_it_is_killed_and_dead_in_the_end() {
    let app = with_seven().await;
    assert!(app_core::compat::alive());
    app_core::compat::kill();
    app_core::compat::dying().await;
    assert!(!app_core::compat::alive());
    app_core::compat::dead().await;
    assert!(app.service(SEVEN).is_none_or(|seven| seven.is_dead()), "the services went first");
    app.stopped().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn the_app_has_a_logger_and_a_level_that_is_info_by_default() {
    let builder = TestApp::builder().flags(|flags| flags.log_level = Flags::default().log_level);
    let app = CurrentApp::start(builder).await;
    assert_eq!(app_core::compat::log_level().unwrap(), LogLevel::Info);
    let logger = app_core::compat::logger().unwrap();
    app_core::prelude::info!(logger, "hello");
    app_core::prelude::debug!(logger, "not to be seen");
    let records = app.captured().records();
    assert!(records.iter().any(|record| record["message"] == "hello" && record["app"] == "a0"));
    assert!(!app.captured().text().contains("not to be seen"));
    let levels = LogLevel::ALL.map(LogLevel::as_str);
    assert_eq!(levels, ["DEBUG", "INFO", "WARN", "ERROR"]);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn services_are_registered_found_and_unregistered() {
    let app = with_seven().await;
    let eight = Service::new(&*app, EIGHT, "eight").unwrap();
    services::register(&eight).unwrap();
    assert!(services::service(EIGHT).unwrap().unwrap().same(&eight));
    assert_eq!(services::service_ids().unwrap(), [SEVEN, EIGHT]);
    assert_eq!(
        services::services().unwrap().iter().map(Service::name).collect::<Vec<_>>(),
        ["seven", "eight"]
    );

    let another = Service::new(&*app, EIGHT, "another").unwrap();
    let refused = services::register(&another).unwrap_err();
    assert!(refused.is(&errors::SERVICE_ALREADY_REGISTERED), "{refused:#}");

    services::unregister(&eight).unwrap();
    assert!(services::service(EIGHT).unwrap().is_none());
    let refused = services::unregister(&eight).unwrap_err();
    assert!(refused.is(&errors::SERVICE_NOT_REGISTERED), "{refused:#}");
    app_core::compat::kill();
    let refused = services::register(&another).unwrap_err();
    assert!(refused.is(&errors::APP_NOT_ALIVE), "{refused:#}");
    app.stopped().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_service_has_the_log_level_of_the_app_or_its_own() {
    let app = with_seven().await;
    assert_eq!(services::log_level(SEVEN).unwrap(), app_core::compat::log_level().unwrap());
    app.set_service_log_level(SEVEN, Some(LogLevel::Error), None);
    assert_eq!(services::log_level(SEVEN).unwrap(), LogLevel::Error);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_is_alive_until_killed_and_dead_when_its_tasks_have_ended() {
    let app = TestApp::empty().await;
    assert!(Service::new(&app, ServiceId::new(0), "nameless").unwrap_err().is(&errors::ILLEGAL_ARGUMENT));
    let service = Service::new(&app, SEVEN, "seven").unwrap();
    app.register(&service).unwrap();
    assert_eq!((service.id(), service.name(), service.alive()), (SEVEN, "seven", true));

    let me = service.clone();
    let work = async move {
        me.dying().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    service.spawn("work", work).unwrap();
    service.kill("it is time");
    assert!(!service.alive() && !service.is_dead(), "its task still works");
    assert_eq!(service.reason().unwrap().to_string(), "it is time");
    service.dead().await;
    assert!(service.wait().await.is_ok() && service.error().is_none());
    assert!(service.spawn("late", async {}).unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_kills_its_service_with_that_reason() {
    let app = TestApp::empty().await;
    let service = app.new_service(SEVEN, "seven");
    service.spawn("fails", async { Err::<(), _>(illegal_argument_error("no key")) }).unwrap();
    assert!(service.wait().await.unwrap_err().is(&errors::ILLEGAL_ARGUMENT));
    assert!(service.error().unwrap().is(&errors::ILLEGAL_ARGUMENT));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn the_stacks_of_all_threads_can_be_dumped() {
    let app = with_seven().await;
    let seven = services::service(SEVEN).unwrap().unwrap();
    let me = seven.clone();
    seven.spawn("waits for its end", async move { me.dying().await }).unwrap();
    let mut dump = Vec::new();
    app_core::compat::dump_all_stacks(&mut dump).unwrap();
    let dump = String::from_utf8(dump).unwrap();
    assert!(dump.contains("parity/services.rs"), "this function is on a stack:\n{dump}");
    assert!(dump.contains("waits for its end"), "{dump}");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reset_takes_the_app_down_and_up_again() {
    let app = with_seven().await;
    app_core::compat::reset().await.unwrap().expect_clean();
    assert!(!app.alive() && app_core::compat::alive(), "another app took its place");
    assert_eq!(services::service_ids().unwrap(), [SEVEN]);

    let elsewhere = app.config_dir().join("elsewhere");
    app_core::compat::reset_with_config_dir(&elsewhere).await.unwrap().expect_clean();
    assert_eq!(app_core::compat::current().unwrap().config_dir(), elsewhere);
    app_core::compat::kill();
    app_core::compat::dead().await;
}
