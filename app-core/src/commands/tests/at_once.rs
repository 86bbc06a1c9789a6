//! Commands that run where they are handed over: nothing else about them is different.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use app_errors::errors;
use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::{runtime::Handle, task};

use super::fixture;
use crate::CommandServer;

/// The task that a command ran in.
async fn runs_in<S: Send + 'static>(server: &CommandServer<S>) -> Option<task::Id> {
    server.call(|_| task::try_id()).await.unwrap()
}

#[tokio::test]
async fn short_commands_run_in_the_task_that_hands_them_over_unless_that_is_forbidden() {
    let (app, service) = fixture().await;
    let (free, bound) =
        (CommandServer::builder("free", 4), CommandServer::builder("bound", 4).at_once(false));
    let (free, bound) = (free.start(&service, 0).await.unwrap(), bound.start(&service, 0).await.unwrap());
    let unknown = free.clone();
    let caller = tokio::spawn(async move { (task::id(), runs_in(&unknown).await) });
    let (me, ran_in) = caller.await.unwrap();
    assert_ne!(ran_in, Some(me), "nothing is known of its commands");
    [&free, &bound].into_iter().for_each(CommandServer::assume_brisk);
    let caller = tokio::spawn(async move { (task::id(), runs_in(&free).await, runs_in(&bound).await) });
    let (me, free, bound) = caller.await.unwrap();
    assert_eq!(free, Some(me));
    assert_ne!(bound, Some(me));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_server_learns_that_its_commands_are_short() {
    let (app, service) = fixture().await;
    let server = service.command_server("count", 4, 0).unwrap();
    let caller = tokio::spawn(async move {
        let me = task::id();
        // A machine under load may make some of them long.
        let tries = async { while runs_in(&server).await != Some(me) {} };
        tokio::time::timeout(std::time::Duration::from_secs(30), tries).await
    });
    caller.await.unwrap().unwrap();
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn what_waits_in_the_queue_runs_before_what_is_handed_over_after_it() {
    let (app, service) = fixture().await;
    let server = CommandServer::builder("list", 4).start(&service, Vec::new()).await.unwrap();
    server.assume_brisk();
    server.try_submit(|list| list.push(0)).unwrap();
    server.try_submit(|list| list.push(1)).unwrap();
    server.submit(|list: &mut Vec<i32>| list.push(2)).await.unwrap();
    assert_eq!(server.call(|list| list.clone()).await.unwrap(), [0, 1, 2]);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_panic_fails_the_service_and_not_who_handed_the_command_over() {
    let (app, service) = fixture().await;
    let state = Arc::new(());
    let builder = CommandServer::builder("fragile", 4).destroy(|_| panic!("destroyed without a state"));
    let server = builder.start(&service, Arc::clone(&state)).await.unwrap();
    server.assume_brisk();
    let caller = server.clone();
    let boom = tokio::spawn(async move {
        let boom = caller.call(|_| assert!(std::process::id() == 0, "boom")).now_or_never();
        boom.expect("ran at once")
    });
    assert!(boom.await.unwrap().unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    assert!(server.submit(|_| ()).await.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    let failure = service.wait().await.unwrap_err().to_string();
    assert_eq!(failure, "task \"fragile\" of service seven (7) panicked: boom");
    assert!(server.ended().await.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    let told = &app.command_servers();
    assert!(told.iter().all(|server| (server.run, server.panicked) == (1, 1)), "{told:?}");
    assert_eq!(Arc::strong_count(&state), 1, "the state is dropped");
    assert!(app.alive());
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_submitted_command_that_panics_at_once_was_accepted() {
    let (app, service) = fixture().await;
    let server = CommandServer::builder("fragile", 4).start(&service, ()).await.unwrap();
    server.assume_brisk();
    server.submit(|()| assert!(std::process::id() == 0, "boom")).await.unwrap();
    service.wait().await.unwrap_err();
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_command_runs_inside_the_runtime_of_its_server_whoever_hands_it_over() {
    let (app, service) = fixture().await;
    let server = CommandServer::builder("home", 4).start(&service, ()).await.unwrap();
    server.assume_brisk();
    let home = Handle::current().id();
    let outside = server.clone();
    let ran = task::spawn_blocking(move || {
        // A thread that is in no runtime, and after it one that is in another.
        std::thread::scope(|threads| {
            let none = threads.spawn(|| outside.call(|()| Handle::current().id()).now_or_never());
            let none = none.join().unwrap();
            let other = threads.spawn(|| {
                let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
                other.block_on(outside.call(|()| Handle::current().id()))
            });
            (none, other.join().unwrap())
        })
    });
    let (none, other) = ran.await.unwrap();
    assert_eq!(none.expect("ran at once").unwrap(), home);
    assert_eq!(other.unwrap(), home);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn whoever_hands_over_nothing_but_short_commands_leaves_room_for_others() {
    let (app, service) = fixture().await;
    let server = service.command_server("count", 4, 0).unwrap();
    let stop = Arc::new(AtomicUsize::new(0));
    let (others, greedy) = (Arc::clone(&stop), server.clone());
    let greedy = tokio::spawn(async move {
        while others.load(Ordering::Relaxed) == 0 {
            greedy.submit(|n| *n += 1).await.unwrap();
        }
    });
    // On one thread: this goes on only when the other one waits.
    for _ in 0..100 {
        task::yield_now().await;
    }
    stop.store(1, Ordering::Relaxed);
    greedy.await.unwrap();
    app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commands_of_a_caller_run_in_order_and_once_at_once_or_not_to_the_very_end() {
    for round in 0..40 {
        let (app, service) = fixture().await;
        let ran = Arc::new(Mutex::new(vec![Vec::new(); 4]));
        let (kept, destroyed) = (Arc::clone(&ran), Arc::new(AtomicUsize::new(0)));
        let at_end = Arc::clone(&destroyed);
        let server = CommandServer::builder("order", 2)
            .destroy(move |ran: &mut Vec<Vec<u32>>| {
                at_end.fetch_add(1, Ordering::Relaxed);
                *kept.lock() = std::mem::take(ran);
                Ok(())
            })
            .start(&service, vec![Vec::new(); 4])
            .await
            .unwrap();
        server.assume_brisk();
        let callers: Vec<_> = (0..4).map(|who| tokio::spawn(hands_over(server.clone(), who))).collect();
        for _ in 0..round * 5 {
            task::yield_now().await;
        }
        service.kill("enough");
        service.wait().await.unwrap();
        assert_eq!(destroyed.load(Ordering::Relaxed), 1);
        for (who, caller) in callers.into_iter().enumerate() {
            let accepted = caller.await.unwrap();
            assert_eq!(ran.lock()[who], (0..accepted).collect::<Vec<_>>(), "caller {who}, round {round}");
        }
        app.stop().await.expect_clean();
    }
}

/// Hands over one command after the other, in one way after the other, until it is refused: how many were accepted.
async fn hands_over(server: CommandServer<Vec<Vec<u32>>>, who: usize) -> u32 {
    let mut number = 0;
    loop {
        let command = move |ran: &mut Vec<Vec<u32>>| ran[who].push(number);
        let handed_over = match number % 5 {
            0 | 1 => server.submit(command).await,
            2 => server.call(command).await,
            _ => server.try_submit(command),
        };
        match handed_over {
            Ok(()) => number += 1,
            Err(refused) if refused.is(&errors::SERVICE_NOT_ALIVE) => return number,
            // Full.
            Err(_) => task::yield_now().await,
        }
    }
}
