//! Stops under load: nothing waits for its ack wait, and a deploy makes no dead letter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use app_core::testing::{Process, Signal};

use crate::fleet::{Fleet, Office, dead_letters};
use crate::journal::Journal;
use crate::nats::{NatsProgram, NatsServer};
use crate::worker::{STREAM, Task, WORKER};
use crate::{figures, many, pass, say, until};

/// Ends a process as a deploy does.
fn stops(process: &Process) {
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

fn ack_pending(server: &NatsServer) -> Option<u64> {
    server.ack_pending(STREAM, &format!("{WORKER}_proof"))
}

/// Sends until it is told to end: one message in ten has a handler that overruns the stop.
fn sends(office: &Office, every: Duration) -> (Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (ends, counts, sender) = (Arc::clone(&over), Arc::clone(&sent), office.sender());
    let load = async move {
        while !ends.load(Ordering::SeqCst) {
            let number = counts.load(Ordering::SeqCst);
            let kind = if number.is_multiple_of(10) { "slow" } else { "quick" };
            Office::send(&sender, &format!("{kind}-{number}")).await;
            counts.fetch_add(1, Ordering::SeqCst);
            pass(every).await;
        }
    };
    office.service.spawn("sends", load).unwrap();
    (over, sent)
}

/// The times from a hand back to the next delivery.
fn gaps(journal: &Journal) -> Vec<Duration> {
    let mut begins = BTreeMap::<_, Vec<_>>::new();
    for step in journal.all("begin") {
        begins.entry(step.message.as_str()).or_default().push(step.at);
    }
    let next =
        |message: &str, after: Duration| begins[message].iter().filter(|at| **at >= after).min().copied();
    journal.all("cancelled").filter_map(|step| Some(next(&step.message, step.at)? - step.at)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_waits_for_its_ack_wait_because_of_a_stop() {
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start();
    let mut fleet = Fleet::of(&server.url());
    // What waits for it, waits for longer than anything else here takes.
    fleet.ack_wait = Duration::from_secs(120);
    fleet.stop_grace = Duration::from_millis(200);
    let office = Office::open(&server.url()).await;
    Office::send(&office.sender(), "quick-first").await;
    let mut workers = [fleet.start(Task::Works), fleet.start(Task::Works)];
    let mut journal = fleet.journal();
    let handled = |journal: &mut Journal| {
        journal.look();
        journal.all("done").map(|step| step.message.clone()).collect::<BTreeSet<_>>().len()
    };
    until("a consumer", || handled(&mut journal) == 1).await;
    let (over, sent) = sends(&office, Duration::from_millis(5));
    for stop in 0..many(5, 100) {
        let some = sent.load(Ordering::SeqCst) + 50;
        until("load", || sent.load(Ordering::SeqCst) >= some).await;
        let worker = &mut workers[stop % 2];
        stops(worker);
        *worker = fleet.start(Task::Works);
    }
    over.store(true, Ordering::SeqCst);
    until("the end of the load", || office.service.tasks().is_empty()).await;
    let sent = sent.load(Ordering::SeqCst) + 1;
    // Less than the ack wait.
    until("the last handler", || handled(&mut journal) == sent).await;
    until("the last acknowledgement", || ack_pending(&server) == Some(0)).await;
    let gaps = gaps(&journal);
    let cancelled = journal.all("cancelled").count();
    assert_eq!(gaps.len(), cancelled, "each one that was handed back came again");
    assert!(cancelled > 0, "no handler overran a stop");
    let longest = gaps.iter().chain(journal.all("begin").map(|step| &step.age)).max().copied().unwrap();
    let done = journal.all("done").count();
    let first: Vec<_> = {
        let mut seen = BTreeSet::new();
        journal.all("begin").filter(|step| seen.insert(&step.message)).map(|step| step.age).collect()
    };
    say(format_args!("from a hand back to the next delivery: {}", figures(&gaps)));
    say(format_args!("from sending to the first delivery: {}", figures(&first)));
    say(format_args!("{sent} messages, {} stops; {} were handled twice", many(5, 100), done - sent));
    assert!(longest < fleet.ack_wait / 2, "{longest:?}");
    assert_eq!(done, sent, "a stop makes no duplicate");
    assert_eq!(dead_letters(&server), Some(0));
    workers.iter().for_each(stops);
    office.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploys_make_no_dead_letter_of_messages_that_nothing_failed() {
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start();
    let mut fleet = Fleet::of(&server.url());
    fleet.stop_grace = Duration::from_millis(200);
    let office = Office::open(&server.url()).await;
    const MESSAGES: usize = 20;
    for number in 0..MESSAGES {
        Office::send(&office.sender(), &format!("quick-{number}")).await;
    }
    let mut journal = fleet.journal();
    let deploys = many(3, 10);
    for deploy in 1..=deploys {
        let process = fleet.start(Task::Hangs);
        // All of them, in parallel or one by one: what was handed back more than twice is not suspicious.
        until("handlers", || {
            journal.look();
            journal.all("begin").count() >= deploy * MESSAGES
        })
        .await;
        stops(&process);
    }
    journal.look();
    assert_eq!(journal.all("cancelled").count(), deploys * MESSAGES);
    let last = fleet.start(Task::Works);
    until("the last handler", || {
        journal.look();
        journal.all("done").count() == MESSAGES
    })
    .await;
    until("the last acknowledgement", || ack_pending(&server) == Some(0)).await;
    assert_eq!(dead_letters(&server), Some(0));
    say(format_args!(
        "{deploys} deploys with {MESSAGES} running handlers each: no dead letter; {}",
        figures(&gaps(&journal))
    ));
    stops(&last);
    office.app.stop().await.expect_clean();
}
