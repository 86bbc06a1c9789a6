//! What an app reports of its command servers.

use std::time::{Duration, Instant};

use app_errors::Error;
use app_ids::ServiceId;

use super::{ID, Mode, fixture};
use crate::{CommandServerStatus, Service, ServiceDescriptor, TimeHistogram, events, testing::TestApp};

for_both_modes! {
    #[tokio::test]
    a_server_tells_its_depth_and_counts_what_ran_and_what_it_refused
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

async fn a_server_tells_its_depth_and_counts_what_ran_and_what_it_refused(mode: Mode) {
    let (app, service) = fixture().await;
    let server = mode.server(&service, "narrow", 2, 0);
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
    let told = only(&app);
    assert_eq!((told.run, told.panicked, told.serving), (2, 1, false));
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
    mode.server(&made_later, "passes", 1, ());
    let part = first.child("part").unwrap();
    mode.server(&part, "passes too", 1, ());
    let names = |app: &TestApp| app.command_servers().iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&app), ["count", "passes too", "passes"]);
    for service in [made_later, part, first] {
        service.kill("enough");
        service.wait().await.unwrap();
    }
    assert_eq!(names(&app), ["count"]);
    let told = only(&app);
    assert!(!told.serving && told.run == 1, "{told:?}");

    let second = Service::new(&app, ID, "seven").unwrap();
    counts_one(second.clone(), mode).await.unwrap();
    assert!(only(&app).serving);
    second.kill("enough");
    second.wait().await.unwrap();
    assert_eq!(
        (only(&app).run, only(&app).number),
        (2, told.number),
        "it continues the counts of the first one"
    );
    app.stop().await.expect_clean();
}
