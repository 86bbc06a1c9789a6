//! The functions of the Go library, over the process's current app.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use app_core::{prelude::*, testing::TestApp};
use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec};

const CHECK: HealthCheckId = HealthCheckId::new(0xc1);

/// One test only, because the process has one current app.
#[tokio::test(start_paused = true)]
async fn the_functions_of_the_package_are_those_of_the_current_app() {
    assert!(app_health::compat::ids().unwrap_err().is(&errors::APP_NOT_ALIVE));

    let without = TestApp::empty().await;
    app_core::compat::install(&without);
    assert!(app_health::compat::run(CHECK).await.unwrap_err().is(&errors::SERVICE_NOT_REGISTERED));
    without.stop().await.expect_clean();

    let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    app_core::compat::install(&app);
    app_health::compat::register(HealthCheckSpec::new(CHECK), |_cancel| async { Ok::<(), Error>(()) })
        .unwrap();
    assert_eq!(app_health::compat::ids().unwrap(), [CHECK]);
    assert!(app_health::compat::registered(CHECK).unwrap());
    assert_eq!(app_health::compat::spec(CHECK).unwrap(), HealthCheckSpec::new(CHECK));
    assert!(app_health::compat::result(CHECK).unwrap().is_none());
    assert!(app_health::compat::run(CHECK).await.unwrap().passed());
    assert_eq!(app_health::compat::results().unwrap().len(), 1);
    assert_eq!(app_health::compat::history(CHECK).unwrap().len(), 1);
    assert!(app_health::compat::pause(CHECK).unwrap());
    assert_eq!(app_health::compat::paused().unwrap(), [CHECK]);
    app_health::compat::resume(CHECK).unwrap();
    assert!(app_health::compat::unregister(CHECK).unwrap());
    app.stop().await.expect_clean();
}
