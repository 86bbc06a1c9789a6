//! A message whose handler ends the process: those beside it do not pay for it.

use std::collections::BTreeSet;
use std::time::Duration;

use app_core::testing::Signal;

use crate::fleet::{Fleet, Office, dead_letters};
use crate::nats::NatsProgram;
use crate::worker::Task;
use crate::{PATIENCE, pass, say, until};

/// All that run at once.
const IN_FLIGHT: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_aborts_the_process_becomes_the_only_dead_letter() {
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start();
    let mut fleet = Fleet::of(&server.url());
    fleet.ack_wait = Duration::from_secs(1);
    let office = Office::open(&server.url()).await;
    let sender = office.sender();
    for number in 1..IN_FLIGHT {
        Office::send(&sender, &format!("short-{number}")).await;
    }
    Office::send(&sender, "abort-1").await;
    let (mut journal, mut crashes) = (fleet.journal(), 0);
    let mut process = fleet.launch(Task::Works);
    let works = async {
        while dead_letters(&server).unwrap_or_default() == 0 {
            if !process.runs() {
                crashes += 1;
                process = fleet.launch(Task::Works);
            }
            pass(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, works).await.expect("a dead letter");
    let mut handled = BTreeSet::new();
    until("the others", || {
        journal.look();
        handled = journal.all("done").map(|step| step.message.clone()).collect();
        handled.len() == IN_FLIGHT - 1
    })
    .await;
    assert!(!handled.contains("abort-1"));
    let most = journal.all("begin").filter(|step| step.message == "abort-1").count();
    say(format_args!(
        "the process died {crashes} times; the message that killed it began {most} times and is the only dead letter"
    ));
    // Twice beside others, and three attempts alone.
    assert!((3..=5).contains(&crashes), "{crashes}");
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
    assert_eq!(dead_letters(&server), Some(1));
    office.app.stop().await.expect_clean();
}
