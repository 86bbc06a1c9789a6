//! What an app tells of its command servers.

use std::time::{Duration, Instant};

use app_errors::Error;
use app_ids::ServiceId;

use super::{ID, fixture};
use crate::{CommandServerStatus, Service, ServiceDescriptor, TimeHistogram, events, testing::TestApp};

fn only(app: &TestApp) -> CommandServerStatus {
    let servers = app.command_servers();
    assert_eq!(servers.len(), 1, "{servers:#?}");
    servers.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_server_tells_its_depth_and_counts_what_ran_and_what_it_refused() {
    let (app, service) = fixture().await;
    let server = service.command_server("narrow", 2, 0).unwrap();
    for _ in 0..2 {
        server.try_submit(|n| *n += 1).unwrap();
    }
    server.try_submit(|n| *n += 1).unwrap_err();
    let told = only(&app);
    assert_eq!((told.service, told.service_name.as_str(), told.name.as_str()), (ID, "seven", "narrow"));
    assert_eq!((told.depth, told.capacity, told.run, told.refused), (2, 2, 0, 1));
    assert_eq!(server.call(|n| *n).await.unwrap(), 2);
    server.call(|_| ()).await.unwrap();
    let told = only(&app);
    // A batch is counted when it is over: of the last one the answer may be here first.
    assert_eq!((told.depth, told.refused, told.panicked), (0, 1, 0));
    assert!((3..=4).contains(&told.run), "{told:?}");
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
    let server = service.command_server("slow", 8, ()).unwrap();
    let takes_long = |(): &mut ()| {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(3) {}
    };
    server.try_submit(takes_long).unwrap();
    server.call(|()| ()).await.unwrap();
    server.call(|()| ()).await.unwrap();
    let told = only(&app);
    let over_a_millisecond = |times: &TimeHistogram| times.counts()[10..].iter().sum::<u64>();
    assert!(over_a_millisecond(&told.wait) >= 1, "the second one waited for the first: {told:?}");
    assert!(over_a_millisecond(&told.run_time) >= 1, "the first one ran long: {told:?}");
    assert!(told.run_time.sum_seconds() >= 0.002, "{told:?}");
    service.kill("enough");
    service.wait().await.unwrap();
    drop(app);
}

#[tokio::test]
async fn a_panic_is_counted_though_it_ends_the_server() {
    let descriptor = ServiceDescriptor::of(ID, "seven", |service: Service| async move {
        let server = service.command_server("fragile", 4, ())?;
        service.spawn("asks", async move {
            let _ = server.call(|()| ()).await;
            let _ = server.call(|()| assert!(std::process::id() == 0, "boom")).await;
        })
    });
    let app = TestApp::builder().service(descriptor).start().await;
    app.captured().wait_for(|record| record["event"] == events::SERVICE_STOPPED.hex()).await;
    let told = only(&app);
    assert_eq!((told.run, told.panicked, told.serving), (2, 1, false));
    app.stop().await.expect_clean();
}

async fn counts_one(service: Service) -> Result<(), Error> {
    let server = service.command_server("count", 4, 0)?;
    server.try_submit(|n| *n += 1)
}

#[tokio::test]
async fn a_server_that_ended_leaves_the_list_unless_its_service_may_start_again() {
    let app = TestApp::builder().service(ServiceDescriptor::of(ID, "seven", counts_one)).start().await;
    let first = app.service(ID).unwrap();
    let passing = app.new_service(ServiceId::new(8), "eight");
    passing.command_server("passes", 1, ()).unwrap();
    let part = first.child("part").unwrap();
    part.command_server("passes too", 1, ()).unwrap();
    let names = |app: &TestApp| app.command_servers().iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&app), ["count", "passes too", "passes"]);
    for service in [passing, part, first] {
        service.kill("enough");
        service.wait().await.unwrap();
    }
    assert_eq!(names(&app), ["count"]);
    let told = only(&app);
    assert!(!told.serving && told.run == 1, "{told:?}");

    let second = Service::new(&app, ID, "seven").unwrap();
    counts_one(second.clone()).await.unwrap();
    assert!(only(&app).serving);
    second.kill("enough");
    second.wait().await.unwrap();
    assert_eq!((only(&app).run, only(&app).number), (2, told.number), "it goes on where the first one ended");
    app.stop().await.expect_clean();
}
