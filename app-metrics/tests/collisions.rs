//! Documented metrics with a name in common: the start is refused before anything runs, and every collision is told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use app_core::StopCause;
use app_core::prelude::*;
use app_core::testing::{TestApp, runs};
use app_metrics::errors::METRIC_NAME_CONFLICT;
use app_metrics::{METRICS_SERVICE_ID, MetricDoc};

ids! {
    /// A service.
    WINE: ServiceId = 0x77a1_0001, "wine";
    /// Another, whose name is the same after mapping.
    WINE_SHOP: ServiceId = 0x77a1_0002, "wine-shop";
    /// Like a metric of the other service.
    SHOP_SALES: MetricId = 0x77a1_0011, "shop_sales";
    /// Sales.
    SALES: MetricId = 0x77a1_0012, "sales";
    /// Time.
    TIME: MetricId = 0x77a1_0013, "time";
    /// Like the sum of a histogram.
    TIME_SUM: MetricId = 0x77a1_0014, "time_seconds_sum";
    /// Unlike any other.
    BOTTLES: MetricId = 0x77a1_0015, "bottles";
}

app_metrics::document! {
    MetricDoc::counter(WINE, SHOP_SALES, "Sales."),
    MetricDoc::counter(WINE_SHOP, SALES, "Sales."),
    MetricDoc::histogram(WINE, TIME, "Time.", &[1.0]).unit("seconds"),
    MetricDoc::gauge(WINE, TIME_SUM, "Not time."),
    MetricDoc::gauge(WINE, BOTTLES, "Bottles."),
}

#[tokio::test]
async fn a_start_with_metrics_that_share_a_name_is_refused_with_all_of_them() {
    let services = [runs(WINE, "wine"), runs(WINE_SHOP, "wine-shop")];
    let app = TestApp::builder().services(services).linked([METRICS_SERVICE_ID]).build();
    let report = app.start().await.unwrap_err();
    let StopCause::StartFailed(problems) = &report.cause else { panic!("{report:?}") };
    assert_eq!(problems.len(), 2, "{problems:?}");
    let told: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
    assert!(problems.iter().all(|problem| problem.is(&METRIC_NAME_CONFLICT)), "{told}");
    for part in [
        "op_77a10001_77a10011 of wine (77a10001), readable name wine_shop_sales",
        "op_77a10002_77a10012 of wine-shop (77a10002), readable name wine_shop_sales",
        "op_77a10001_77a10013 of wine (77a10001), readable name wine_time_seconds",
        "wine_time_seconds_sum is also a name of ",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_collides_with_nothing() {
    let app = TestApp::builder().service(runs(WINE_SHOP, "wine-shop")).linked([METRICS_SERVICE_ID]).build();
    app.start().await.unwrap();
    app.stop().await.expect_clean();
}
