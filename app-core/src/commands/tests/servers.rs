//! The status of command servers.

use std::time::{Duration, Instant};

use app_errors::Error;
use app_ids::ServiceId;

use super::{ID, Mode, fixture};
use crate::{
    Service, ServiceDescriptor,
    commands::{CommandServer, CommandServerStatus, TimeHistogram},
    events,
    testing::TestApp,
};

for_both_modes! {
    #[tokio::test]
    a_status_has_the_depth_and_the_numbers_of_run_and_refused_commands
    #[tokio::test]
    a_panic_is_counted_though_it_ends_the_server
    #[tokio::test]
    a_server_that_ended_leaves_the_list_unless_its_service_may_start_again
}

fn only(app: &TestApp) -> CommandServerStatus {
    let servers = app.command_servers();
    assert_eq!(servers.len(), 1, "{servers:#?}");
    servers.into_iter().next().unwrap()
}

async fn a_status_has_the_depth_and_the_numbers_of_run_and_refused_commands(mode: Mode) {
    let (app, service) = fixture().await;
    let server = mode.server(&service, "narrow", 2, 0);
    for _ in 0..2 {
        server.try_submit(|n| *n += 1).unwrap();
    }
    server.try_submit(|n| *n += 1).unwrap_err();
    let status = only(&app);
    assert_eq!((status.service, status.service_name.as_str(), status.name.as_str()), (ID, "seven", "narrow"));
    assert_eq!((status.depth, status.capacity, status.run, status.refused), (2, 2, 0, 1));
    assert_eq!(server.call(|n| *n).await.unwrap(), 2);
    server.call(|_| ()).await.unwrap();
    let status = only(&app);
    // A batch is counted at its end, so the result of its last command may arrive before that.
    assert_eq!((status.depth, status.refused, status.panicked), (0, 1, 0));
    assert!((3..=4).contains(&status.run), "{status:?}");
    service.kill("enough");
    server.submit(|_| ()).await.unwrap_err();
    server.call(|_| ()).await.unwrap_err();
    server.try_submit(|_| ()).unwrap_err();
    assert_eq!((only(&app).refused, only(&app).run), (4, 4));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_quiet_server_has_each_command_timed_and_waiting_begins_with_its_submission() {
    let (app, service) = fixture().await;
    let server = CommandServer::builder("slow", 8).spawn(&service, ()).unwrap();
    let takes_long = |(): &mut ()| {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(3) {}
    };
    server.try_submit(takes_long).unwrap();
    server.call(|()| ()).await.unwrap();
    server.call(|()| ()).await.unwrap();
    let status = only(&app);
    let over_a_millisecond = |times: &TimeHistogram| times.counts()[10..].iter().sum::<u64>();
    assert!(over_a_millisecond(&status.wait) >= 1, "the second command waited for the first: {status:?}");
    assert!(over_a_millisecond(&status.run_time) >= 1, "the first command ran long: {status:?}");
    assert!(status.run_time.sum_seconds() >= 0.002, "{status:?}");
    service.kill("enough");
    service.wait().await.unwrap();
    drop(app);
}

async fn a_panic_is_counted_though_it_ends_the_server(mode: Mode) {
    let descriptor = ServiceDescriptor::of(ID, "seven", move |service: Service| async move {
        let server = mode.server(&service, "fragile", 4, ());
        service.spawn("asks", async move {
            let _ = server.call(|()| ()).await;
            let _ = server.call(|()| assert!(std::process::id() == 0, "boom")).await;
        })
    });
    let app = TestApp::builder().service(descriptor).start().await;
    app.captured().wait_for(|record| record["event"] == events::SERVICE_STOPPED.hex()).await;
    let status = only(&app);
    assert_eq!((status.run, status.panicked, status.serving), (2, 1, false));
    app.stop().await.expect_clean();
}

async fn counts_one(service: Service, mode: Mode) -> Result<(), Error> {
    let server = mode.server(&service, "count", 4, 0);
    server.try_submit(|n| *n += 1)
}

async fn a_server_that_ended_leaves_the_list_unless_its_service_may_start_again(mode: Mode) {
    let app = TestApp::builder()
        .service(ServiceDescriptor::of(ID, "seven", move |service: Service| counts_one(service, mode)))
        .start()
        .await;
    let first = app.service(ID).unwrap();
    let made_later = app.new_service(ServiceId::new(8), "eight");
    mode.server(&made_later, "temporary", 1, ());
    let part = first.child("part").unwrap();
    mode.server(&part, "also temporary", 1, ());
    let names = |app: &TestApp| app.command_servers().iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&app), ["count", "also temporary", "temporary"]);
    for service in [made_later, part, first] {
        service.kill("enough");
        service.wait().await.unwrap();
    }
    assert_eq!(names(&app), ["count"]);
    let status = only(&app);
    assert!(!status.serving && status.run == 1, "{status:?}");

    let second = Service::new(&app, ID, "seven").unwrap();
    counts_one(second.clone(), mode).await.unwrap();
    assert!(only(&app).serving);
    second.kill("enough");
    second.wait().await.unwrap();
    assert_eq!(
        (only(&app).run, only(&app).number),
        (2, status.number),
        "the second server continues the counts of the first"
    );
    app.stop().await.expect_clean();
}
