//! The ends of command servers: by a kill, by a panic, and with a state whose drop is code of the service.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use app_errors::{Error, errors};
use tokio::{runtime::Handle, task};

use super::{ID, Mode, fixture};
use crate::{Service, ServiceDescriptor, commands::CommandServer, testing::TestApp};

for_both_modes! {
    #[tokio::test]
    an_idle_server_is_a_task_of_its_service_and_ends_after_the_kill
    #[tokio::test]
    a_state_is_dropped_in_a_task_of_the_service
    #[tokio::test]
    a_panic_in_the_drop_of_a_state_is_the_failure_of_the_service
    #[tokio::test]
    a_server_without_handles_lives_until_the_service_above_it_is_killed
    #[tokio::test]
    a_part_without_handles_whose_state_panics_in_its_drop_leaves_no_wait_behind
    #[tokio::test]
    a_service_of_the_app_with_an_idle_server_does_not_end_in_the_stack_of_the_killer
    #[tokio::test]
    a_command_that_kills_its_service_ends_before_the_service_does
    #[tokio::test]
    a_part_of_a_service_and_its_servers_die_with_it
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    no_first_command_is_lost_and_none_that_was_refused_runs
}

/// A state with an observed drop.
struct Ends<F: FnMut()>(F);

impl<F: FnMut()> Drop for Ends<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

async fn an_idle_server_is_a_task_of_its_service_and_ends_after_the_kill(mode: Mode) {
    let (app, service) = fixture().await;
    let server = mode.server(&service, "idle", 4, 7);
    assert_eq!(service.tasks(), ["idle"]);
    assert!(app.command_servers()[0].serving);
    service.kill("enough");
    service.wait().await.unwrap();
    assert!(service.tasks().is_empty() && app.command_servers().is_empty());
    server.ended().await.unwrap();
    for refused in [server.try_submit(|_| ()), server.submit(|_| ()).await, server.call(|_| ()).await] {
        assert!(refused.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    }
    app.stop().await.expect_clean();
}

/// Even if a thread without a runtime submits it.
#[tokio::test]
async fn a_submitted_command_runs_inside_the_runtime_of_the_services() {
    let (app, service) = fixture().await;
    for mode in [Mode::Queued, Mode::Inline] {
        let server = mode.server(&service, "home", 4, 0);
        let outside = server.clone();
        let submits = move || outside.try_submit(|n| *n += i32::from(Handle::try_current().is_ok()));
        thread::spawn(submits).join().unwrap().unwrap();
        assert_eq!(server.depth(), 1);
        assert_eq!(server.call(|n| *n).await.unwrap(), 1, "{mode:?}");
    }
    app.stop().await.expect_clean();
}

async fn a_state_is_dropped_in_a_task_of_the_service(mode: Mode) {
    let (app, service) = fixture().await;
    let (dropped_in, me) = (Arc::new(parking_lot::Mutex::new(None)), task::try_id());
    let (observed, of) = (Arc::clone(&dropped_in), service.clone());
    let ends = Ends(move || *observed.lock() = Some((task::try_id(), of.is_dead())));
    let server = mode.server(&service, "ends", 4, ends);
    service.kill("enough");
    assert!(dropped_in.lock().is_none(), "the kill itself must not drop the state");
    service.wait().await.unwrap();
    server.ended().await.unwrap();
    let (task, dead) = dropped_in.lock().take().unwrap();
    assert!(task.is_some() && task != me && !dead);
    app.stop().await.expect_clean();
}

async fn a_panic_in_the_drop_of_a_state_is_the_failure_of_the_service(mode: Mode) {
    let (app, service) = fixture().await;
    let ends = Ends(|| assert!(std::process::id() == 0, "boom"));
    let _server = mode.server(&service, "ends", 4, ends);
    service.kill("enough");
    let failure = service.wait().await.unwrap_err().to_string();
    assert!(failure.ends_with("panicked: boom"), "{failure}");
    app.stop().await.expect_clean();
}

async fn a_server_without_handles_lives_until_the_service_above_it_is_killed(mode: Mode) {
    let (app, service) = fixture().await;
    let ended = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&ended);
    let ends = Ends(move || {
        counts.fetch_add(1, Ordering::Relaxed);
    });
    let part = service.child("part").unwrap();
    drop((mode.server(&part, "idle", 4, ends), part));
    task::yield_now().await;
    assert_eq!((ended.load(Ordering::Relaxed), app.command_servers().len()), (0, 1));
    service.kill("enough");
    service.wait().await.unwrap();
    assert_eq!(ended.load(Ordering::Relaxed), 1);
    assert!(app.command_servers().is_empty());
    app.stop().await.expect_clean();
}

async fn a_part_without_handles_whose_state_panics_in_its_drop_leaves_no_wait_behind(mode: Mode) {
    let (app, service) = fixture().await;
    let part = service.child("part").unwrap();
    let panics = Ends(|| assert!(std::process::id() == 0, "boom"));
    drop((mode.server(&part, "idle", 4, panics), part));
    service.kill("enough");
    service.wait().await.unwrap();
    assert!(app.command_servers().is_empty());
    app.stop().await.expect_clean();
}

/// The handle of a service is dropped in a task of the service, because the drop may take long.
async fn a_service_of_the_app_with_an_idle_server_does_not_end_in_the_stack_of_the_killer(mode: Mode) {
    let dropped_in = Arc::new(parking_lot::Mutex::new(None));
    let observed = Arc::clone(&dropped_in);
    let descriptor = ServiceDescriptor::of(ID, "seven", move |service: Service| {
        let observed = Arc::clone(&observed);
        async move {
            mode.server(&service, "idle", 4, 0);
            Ok::<_, Error>(Ends(move || *observed.lock() = Some(task::try_id())))
        }
    });
    let app = TestApp::builder().service(descriptor).start().await;
    let service = app.service(ID).unwrap();
    service.kill("enough");
    assert!(dropped_in.lock().is_none() && !service.is_dead());
    service.wait().await.unwrap();
    assert!(dropped_in.lock().take().unwrap().is_some());
    app.stop().await.expect_clean();
}

async fn a_command_that_kills_its_service_ends_before_the_service_does(mode: Mode) {
    let (app, service) = fixture().await;
    let server = mode.server(&service, "kills", 4, 0_u64);
    let killed = service.clone();
    let dead_meanwhile = server.call(move |_| {
        killed.kill("by its own command");
        killed.is_dead()
    });
    assert!(!dead_meanwhile.await.unwrap());
    service.wait().await.unwrap();
    server.ended().await.unwrap();
    app.stop().await.expect_clean();
}

async fn a_part_of_a_service_and_its_servers_die_with_it(mode: Mode) {
    let (app, service) = fixture().await;
    let part = service.child("part").unwrap();
    let servers: Vec<CommandServer<u8>> =
        ["one", "two", "three"].map(|name| mode.server(&part, name, 1, 0)).into();
    servers[1].call(|_| ()).await.unwrap();
    assert_eq!(part.tasks(), ["one", "two", "three"], "oldest first");
    service.kill("enough");
    service.wait().await.unwrap();
    for server in servers {
        server.ended().await.unwrap();
    }
    app.stop().await.expect_clean();
}

/// The first commands come from several threads at once, and race the kill. All accepted ones run, and no refused one.
async fn no_first_command_is_lost_and_none_that_was_refused_runs(mode: Mode) {
    const THREADS: usize = 3;
    let app = TestApp::builder().flags(|flags| flags.log_level = crate::LogLevel::Error).start().await;
    let (mut accepted_in_all, mut refused_in_all) = (0, 0);
    for round in 0..600 {
        let service = Service::new(&app, ID, "seven").unwrap();
        let server = mode.server(&service, "raced", 16, 0_u8);
        let (ran, start) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(THREADS + 1)));
        let submitters: Vec<_> = (0..THREADS)
            .map(|_| {
                let (server, ran, start) = (server.clone(), Arc::clone(&ran), Arc::clone(&start));
                task::spawn_blocking(move || {
                    start.wait();
                    let counts = move |_: &mut u8| {
                        ran.fetch_add(1, Ordering::Relaxed);
                    };
                    server.try_submit(counts).is_ok()
                })
            })
            .collect();
        let (killed, start) = (service.clone(), Arc::clone(&start));
        let killer = task::spawn_blocking(move || {
            start.wait();
            (0..round % 40).for_each(|_| std::hint::spin_loop());
            killed.kill("enough");
        });
        let mut accepted = 0;
        for submitter in submitters {
            accepted += usize::from(submitter.await.unwrap());
        }
        killer.await.unwrap();
        service.wait().await.unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), accepted, "in round {round}");
        (accepted_in_all, refused_in_all) = (accepted_in_all + accepted, refused_in_all + THREADS - accepted);
    }
    assert!(accepted_in_all > 0 && refused_in_all > 0, "{accepted_in_all} and {refused_in_all}: no race");
    app.stop().await.expect_clean();
}
