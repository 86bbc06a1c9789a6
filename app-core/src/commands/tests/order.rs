//! The order of commands, in the server's task and on the caller's thread.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use app_errors::errors;
use parking_lot::Mutex;
use tokio::task;

use super::{Mode, fixture};
use crate::commands::CommandServer;

for_both_modes! {
    #[tokio::test]
    commands_in_the_queue_run_before_those_that_are_submitted_later
    #[tokio::test]
    a_submitted_command_that_panics_was_accepted
    #[tokio::test]
    a_caller_of_nothing_but_short_commands_lets_other_tasks_run
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    commands_of_a_caller_run_once_and_in_order_up_to_the_end
}

async fn commands_in_the_queue_run_before_those_that_are_submitted_later(mode: Mode) {
    let (app, service) = fixture().await;
    let server = mode.server(&service, "list", 4, Vec::new());
    server.try_submit(|list| list.push(0)).unwrap();
    server.try_submit(|list| list.push(1)).unwrap();
    server.submit(|list: &mut Vec<i32>| list.push(2)).await.unwrap();
    assert_eq!(server.call(|list| list.clone()).await.unwrap(), [0, 1, 2]);
    app.stop().await.expect_clean();
}

async fn a_submitted_command_that_panics_was_accepted(mode: Mode) {
    let (app, service) = fixture().await;
    let server = mode.server(&service, "fragile", 4, ());
    server.submit(|()| assert!(std::process::id() == 0, "boom")).await.unwrap();
    service.wait().await.unwrap_err();
    app.stop().await.expect_clean();
}

async fn a_caller_of_nothing_but_short_commands_lets_other_tasks_run(mode: Mode) {
    let (app, service) = fixture().await;
    let server = mode.server(&service, "count", 4, 0);
    let stop = Arc::new(AtomicUsize::new(0));
    let (others, greedy) = (Arc::clone(&stop), server.clone());
    let greedy = tokio::spawn(async move {
        while others.load(Ordering::Relaxed) == 0 {
            greedy.submit(|n| *n += 1).await.unwrap();
        }
    });
    // There is one thread, so this task only runs when the other one yields.
    for _ in 0..100 {
        task::yield_now().await;
    }
    stop.store(1, Ordering::Relaxed);
    greedy.await.unwrap();
    app.stop().await.expect_clean();
}

async fn commands_of_a_caller_run_once_and_in_order_up_to_the_end(mode: Mode) {
    for round in 0..40 {
        let (app, service) = fixture().await;
        let ran = Arc::new(Mutex::new(vec![Vec::new(); 4]));
        let (kept, destroyed) = (Arc::clone(&ran), Arc::new(AtomicUsize::new(0)));
        let at_end = Arc::clone(&destroyed);
        let server = mode
            .builder("order", 2)
            .destroy(move |ran: &mut Vec<Vec<u32>>| {
                at_end.fetch_add(1, Ordering::Relaxed);
                *kept.lock() = std::mem::take(ran);
                Ok(())
            })
            .start(&service, vec![Vec::new(); 4])
            .await
            .unwrap();
        let callers: Vec<_> = (0..4).map(|who| tokio::spawn(submits(server.clone(), who))).collect();
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

/// Submits one command after the other, in different ways, until one is refused. Returns how many were accepted.
async fn submits(server: CommandServer<Vec<Vec<u32>>>, who: usize) -> u32 {
    let mut number = 0;
    loop {
        let command = move |ran: &mut Vec<Vec<u32>>| ran[who].push(number);
        let submitted = match number % 5 {
            0 | 1 => server.submit(command).await,
            2 => server.call(command).await,
            _ => server.try_submit(command),
        };
        match submitted {
            Ok(()) => number += 1,
            Err(refused) if refused.is(&errors::SERVICE_NOT_ALIVE) => return number,
            // The queue is full.
            Err(_) => task::yield_now().await,
        }
    }
}
