//! Tests of the metrics of command servers.

use super::{
    COMMAND_QUEUE_CAPACITY, COMMAND_QUEUE_DEPTH, COMMAND_RUN, COMMAND_WAIT, COMMANDS_PANICKED,
    COMMANDS_REFUSED, COMMANDS_RUN,
};
use crate::METRICS_SERVICE_ID;
use crate::testing::TestMetrics as _;
use app_core::APP_SERVICE;
use app_core::prelude::*;
use app_core::testing::{TestApp, runs};

const SEVEN: ServiceId = ServiceId::new(7);

async fn app() -> TestApp {
    TestApp::builder().linked([METRICS_SERVICE_ID]).service(runs(SEVEN, "seven")).start().await
}

fn seven(app: &TestApp, metric: MetricId) -> f64 {
    app.metric(APP_SERVICE, metric, ["7", "seven", "loop"])
}

#[tokio::test]
async fn a_scrape_shows_what_waits_what_was_run_and_for_how_long_and_what_was_refused() {
    let app = app().await;
    let server = CommandServer::builder("loop", 2).spawn(&(*app).service(SEVEN).unwrap(), ()).unwrap();
    for _ in 0..3 {
        server.call(|()| ()).await.unwrap();
    }
    let text = app.scrape();
    assert_eq!(seven(&app, COMMANDS_RUN), 3.0);
    assert_eq!((seven(&app, COMMAND_WAIT), seven(&app, COMMAND_RUN)), (3.0, 3.0));
    assert_eq!((seven(&app, COMMAND_QUEUE_DEPTH), seven(&app, COMMAND_QUEUE_CAPACITY)), (0.0, 2.0));
    let status = app.command_servers().into_iter().find(|server| server.service == SEVEN).unwrap();
    let sum = format!("{}_sum{{", COMMAND_RUN.prometheus_name(APP_SERVICE));
    let sum = text.lines().find(|line| line.starts_with(&sum) && line.contains("\"loop\"")).unwrap();
    let sum: f64 = sum.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((sum - status.run_time.sum_seconds()).abs() < 1e-9, "{sum} {status:?}");

    // The server runs only when the test waits, so these commands wait.
    for _ in 0..2 {
        server.try_submit(|()| ()).unwrap();
    }
    server.try_submit(|()| ()).unwrap_err();
    app.scrape();
    assert_eq!((seven(&app, COMMANDS_REFUSED), seven(&app, COMMAND_QUEUE_DEPTH)), (1.0, 2.0));
    server.call(|()| ()).await.unwrap();
    app.scrape();
    assert_eq!((seven(&app, COMMANDS_RUN), seven(&app, COMMAND_QUEUE_DEPTH)), (6.0, 0.0));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_panic_is_counted_and_the_counts_stay_when_the_server_has_ended() {
    let app = app().await;
    let service = (*app).service(SEVEN).unwrap();
    let server = CommandServer::builder("loop", 2).spawn(&service, ()).unwrap();
    server.call(|()| ()).await.unwrap();
    server.call(|()| panic!("on purpose")).await.unwrap_err();
    service.dead().await;
    app.scrape();
    assert_eq!((seven(&app, COMMANDS_PANICKED), seven(&app, COMMANDS_RUN)), (1.0, 2.0));
    assert_eq!(seven(&app, COMMAND_QUEUE_CAPACITY), 0.0, "it takes no more commands");
}

#[tokio::test]
async fn servers_of_one_name_add_up_and_are_shown_no_more_when_all_have_ended() {
    let app = app().await;
    let other = app.new_service(ServiceId::new(8), "eight");
    let labels = ["8", "eight", "loop"];
    let run = |scraped: String| {
        let name = format!("{}{{", COMMANDS_RUN.prometheus_name(APP_SERVICE));
        scraped.lines().any(|line| line.starts_with(&name) && line.contains("\"eight\""))
    };
    let [one, two] = [(); 2].map(|()| CommandServer::builder("loop", 2).spawn(&other, ()).unwrap());
    one.call(|()| ()).await.unwrap();
    app.scrape();
    two.call(|()| ()).await.unwrap();
    assert!(run(app.scrape()));
    assert_eq!(app.metric(APP_SERVICE, COMMANDS_RUN, labels), 2.0);
    assert_eq!(app.metric(APP_SERVICE, COMMAND_RUN, labels), 2.0);
    assert_eq!(app.metric(APP_SERVICE, COMMAND_QUEUE_CAPACITY, labels), 4.0);
    other.kill("it has done its work");
    other.dead().await;
    assert!(!run(app.scrape()), "it is gone");
    app.stop().await.expect_clean();
}
