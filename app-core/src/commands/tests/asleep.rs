//! A server without hooks is no task before its first command: nothing else about it is different.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use app_errors::{Error, errors};
use tokio::{runtime::Handle, task};

use super::{ID, fixture};
use crate::{CommandServer, Service, ServiceDescriptor, testing::TestApp};

fn alive_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// A state whose end somebody looks at.
struct Ends<F: FnMut()>(F);

impl<F: FnMut()> Drop for Ends<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[tokio::test]
async fn an_idle_server_is_no_task_and_dies_with_the_kill() {
    let (app, service) = fixture().await;
    let before = alive_tasks();
    let server = service.command_server("idle", 4, 7).unwrap();
    assert_eq!(alive_tasks(), before);
    assert_eq!(service.tasks(), ["idle"], "it is one in all that is told of it");
    assert!(app.command_servers()[0].serving);
    service.kill("enough");
    assert!(service.is_dead());
    assert!(service.tasks().is_empty() && app.command_servers().is_empty());
    server.ended().await.unwrap();
    for refused in [server.try_submit(|_| ()), server.submit(|_| ()).await, server.call(|_| ()).await] {
        assert!(refused.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    }
    assert_eq!(alive_tasks(), before);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn the_first_command_wakes_it_wherever_it_comes_from() {
    let (app, service) = fixture().await;
    let server = service.command_server("woken", 4, 0).unwrap();
    let (before, outside) = (alive_tasks(), server.clone());
    let submits = move || outside.try_submit(|n| *n += i32::from(Handle::try_current().is_ok()));
    thread::spawn(submits).join().unwrap().unwrap();
    assert_eq!(server.depth(), 1);
    assert_eq!(server.call(|n| *n).await.unwrap(), 1, "a command runs inside the runtime");
    assert_eq!(alive_tasks(), before + 1, "it stays awake");
    assert_eq!(service.tasks(), ["woken"]);
    service.kill("enough");
    service.wait().await.unwrap();
    server.ended().await.unwrap();
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_state_with_an_end_of_its_own_ends_in_a_task_of_the_service() {
    let (app, service) = fixture().await;
    let (ended_in, me) = (Arc::new(parking_lot::Mutex::new(None)), task::try_id());
    let (told, of) = (Arc::clone(&ended_in), service.clone());
    let ends = Ends(move || *told.lock() = Some((task::try_id(), of.is_dead())));
    let server = service.command_server("ends", 4, ends).unwrap();
    service.kill("enough");
    assert!(ended_in.lock().is_none(), "not in the stack of who kills");
    service.wait().await.unwrap();
    server.ended().await.unwrap();
    let (task, dead) = ended_in.lock().take().unwrap();
    assert!(task.is_some() && task != me && !dead);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_panic_in_the_end_of_a_state_is_the_failure_of_the_service() {
    let (app, service) = fixture().await;
    let ends = Ends(|| assert!(std::process::id() == 0, "boom"));
    let _server = service.command_server("ends", 4, ends).unwrap();
    service.kill("enough");
    let failure = service.wait().await.unwrap_err().to_string();
    assert!(failure.ends_with("panicked: boom"), "{failure}");
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_service_that_everybody_forgot_takes_its_server_along() {
    let app = TestApp::empty().await;
    let (ended, service) = (Arc::new(AtomicUsize::new(0)), Service::new(&app, ID, "forgotten").unwrap());
    let counts = Arc::clone(&ended);
    let ends = Ends(move || {
        counts.fetch_add(1, Ordering::Relaxed);
    });
    drop((service.command_server("idle", 4, ends).unwrap(), service));
    assert_eq!(ended.load(Ordering::Relaxed), 1);
    assert!(app.command_servers().is_empty());
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_forgotten_state_that_panics_in_its_end_keeps_nobody_waiting() {
    let (app, service) = fixture().await;
    let part = service.child("part").unwrap();
    let server = part.command_server("idle", 4, Ends(|| assert!(std::process::id() == 0, "boom"))).unwrap();
    drop((server, part));
    assert!(app.command_servers().is_empty());
    app.captured().wait_for(|record| record["message"] == "a command server's end panicked: boom").await;
    service.kill("enough");
    assert!(service.is_dead(), "nothing is left of its part");
    // What was logged at level error is no failure of the app.
    drop(app.stop().await);
}

/// What it exposes is dropped in its task, and not by whoever kills it: that may take its time.
#[tokio::test]
async fn a_service_of_the_app_with_a_sleeping_server_does_not_end_in_the_stack_of_who_kills() {
    let dropped_in = Arc::new(parking_lot::Mutex::new(None));
    let told = Arc::clone(&dropped_in);
    let descriptor = ServiceDescriptor::of(ID, "seven", move |service: Service| {
        let told = Arc::clone(&told);
        async move {
            service.command_server("idle", 4, 0)?;
            Ok::<_, Error>(Ends(move || *told.lock() = Some(task::try_id())))
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

#[tokio::test]
async fn a_command_that_runs_at_once_and_kills_its_service_ends_before_it_does() {
    let (app, service) = fixture().await;
    let server = service.command_server("suicidal", 4, 0_u64).unwrap();
    server.assume_brisk();
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

#[tokio::test]
async fn a_command_that_runs_at_once_and_panics_leaves_nothing_behind() {
    let (app, service) = fixture().await;
    let server = service.command_server("fragile", 4, 0_u64).unwrap();
    server.assume_brisk();
    let panicked = server.call(|_| assert!(std::process::id() == 0, "boom")).await;
    assert!(panicked.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    assert!(service.is_dead());
    assert!(service.wait().await.unwrap_err().to_string().ends_with("panicked: boom"));
    assert!(server.ended().await.unwrap_err().is(&errors::SERVICE_NOT_ALIVE), "it had no end of its own");
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_part_of_a_service_and_its_server_die_with_it() {
    let (app, service) = fixture().await;
    let part = service.child("part").unwrap();
    let servers: Vec<CommandServer<u8>> =
        ["one", "two", "three"].map(|name| part.command_server(name, 1, 0).unwrap()).into();
    servers[1].call(|_| ()).await.unwrap();
    assert_eq!(part.tasks(), ["one", "two", "three"], "in the order of their making");
    service.kill("enough");
    service.wait().await.unwrap();
    for server in servers {
        server.ended().await.unwrap();
    }
    app.stop().await.expect_clean();
}

/// First commands, from several threads at once, race the kill: each that was accepted runs, none that was refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_first_command_is_lost_and_none_that_was_refused_runs() {
    const THREADS: usize = 3;
    let app = TestApp::builder().flags(|flags| flags.log_level = crate::LogLevel::Error).start().await;
    let (mut accepted_in_all, mut refused_in_all) = (0, 0);
    for round in 0..600 {
        let service = Service::new(&app, ID, "seven").unwrap();
        let server = service.command_server("raced", 16, 0_u8).unwrap();
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
