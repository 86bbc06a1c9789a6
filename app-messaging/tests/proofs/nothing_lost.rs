//! Every acknowledged message is handled, while the leader of the stream, the consumers and the sender's connection die.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use app_core::testing::Process;
use futures_util::future::join_all;

use crate::fleet::{Fleet, Office, dead_letters};
use crate::journal::Journal;
use crate::nats::{NatsCluster, NatsProgram, NatsServer};
use crate::proxy::Proxy;
use crate::worker::{STREAM, Task};
use crate::{PATIENCE, is_long, many, pass, say, until};

/// How many messages wait for their acknowledgement.
const AT_ONCE: usize = 100;

/// How many messages are acknowledged, and how many tries to send failed.
#[derive(Default)]
struct Sent {
    acknowledged: AtomicUsize,
    failures: AtomicUsize,
}

/// Sends messages, each until the stream has it.
fn sends(office: &Office, messages: usize) -> Arc<Sent> {
    let (sent, sender) = (Arc::<Sent>::default(), office.sender());
    // The short form takes its time, so that something dies meanwhile.
    let pause = Duration::from_millis(if is_long() { 1 } else { 150 });
    let counts = Arc::clone(&sent);
    let all = async move {
        for first in (0..messages).step_by(AT_ONCE) {
            let some = (first..messages.min(first + AT_ONCE)).map(|number| {
                let (sender, counts) = (&sender, &counts);
                async move {
                    let failures = Office::send(sender, &format!("quick-{number}")).await;
                    counts.failures.fetch_add(failures, Ordering::SeqCst);
                    counts.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            });
            join_all(some).await;
            pass(pause).await;
        }
    };
    office.service.spawn("sends", all).unwrap();
    sent
}

fn soon(least: u64, most: u64) -> Instant {
    Instant::now() + Duration::from_millis(fastrand::u64(least..most))
}

/// What dies, when next, and how many times it did.
struct Deaths<'a> {
    fleet: &'a Fleet,
    cluster: NatsCluster,
    proxy: Proxy,
    consumers: Vec<Process>,
    /// The server that is down, and when it comes back.
    down: Option<(usize, Instant)>,
    next: [Instant; 3],
    leaders: usize,
    killed: usize,
    cuts: usize,
}

impl Deaths<'_> {
    fn look(&mut self) {
        self.of_leaders();
        if Instant::now() > self.next[1] {
            let one = fastrand::usize(..self.consumers.len());
            // Dropping kills and reaps.
            drop(self.consumers.swap_remove(one));
            self.consumers.push(self.fleet.launch(Task::Works));
            self.killed += 1;
            self.next[1] = soon(1_000, 4_000);
        }
        if Instant::now() > self.next[2] {
            self.proxy.cut();
            self.cuts += 1;
            self.next[2] = soon(2_000, 6_000);
        }
    }

    /// Kills the leader every 3 s. It comes back after half a second.
    fn of_leaders(&mut self) {
        if let Some((server, _)) = self.down.take_if(|(_, until)| *until < Instant::now()) {
            self.cluster.servers[server].launch();
        }
        if self.down.is_none()
            && Instant::now() > self.next[0]
            && let Some(leader) = self.cluster.leader_of(STREAM)
        {
            self.cluster.servers[leader].kill();
            self.next[0] = Instant::now() + Duration::from_secs(3);
            self.down = Some((leader, Instant::now() + Duration::from_millis(500)));
            self.leaders += 1;
        }
    }

    fn end(&mut self) {
        if let Some((server, _)) = self.down.take() {
            self.cluster.servers[server].launch();
        }
        self.cluster.servers.iter().for_each(NatsServer::ready);
    }
}

/// Waits until all of them are handled, as long as something happens. Returns the names of what was handled.
async fn handled(journal: &mut Journal, messages: usize) -> BTreeSet<String> {
    let (mut handled, mut seen, mut news) = (BTreeSet::new(), 0, Instant::now());
    while handled.len() < messages && news.elapsed() < PATIENCE {
        journal.look();
        let before = handled.len();
        let done = journal.steps[seen..].iter().filter(|step| step.what == "done");
        handled.extend(done.map(|step| step.message.clone()));
        seen = journal.steps.len();
        if handled.len() > before {
            news = Instant::now();
        }
        pass(Duration::from_millis(200)).await;
    }
    handled
}

/// Each id has one sequence in what was delivered, and everything that is stored was.
async fn is_stored_once(cluster: &NatsCluster, journal: &Journal) {
    let mut sequences = BTreeMap::<_, BTreeSet<_>>::new();
    for step in journal.all("begin") {
        sequences.entry(step.id.as_str()).or_default().insert(step.sequence);
    }
    let twice: Vec<_> = sequences.iter().filter(|(_, sequences)| sequences.len() > 1).collect();
    assert!(twice.is_empty(), "stored more than once: {twice:?}");
    let stored = sequences.len() as u64;
    until("the state of the leader", || {
        let leader = cluster.leader_of(STREAM).map(|leader| &cluster.servers[leader]);
        leader.is_some_and(|leader| {
            leader.messages_of(STREAM) == Some(stored) && dead_letters(leader) == Some(0)
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_message_is_handled_whatever_dies() {
    let Some(program) = NatsProgram::newest() else { return };
    let messages = many(2_000, 200_000);
    let cluster = program.start_cluster();
    let mut fleet = Fleet::of(&cluster.url());
    fleet.ack_wait = Duration::from_secs(2);
    let proxy = Proxy::to(cluster.servers.iter().map(NatsServer::address).collect()).await;
    let office = Office::open(&proxy.url()).await;
    let consumers: Vec<_> = (0..3).map(|_| fleet.launch(Task::Works)).collect();
    Office::send(&office.sender(), "first").await;

    let (sent, began) = (sends(&office, messages), Instant::now());
    let next = [soon(500, 1_500), soon(500, 1_500), soon(500, 1_500)];
    let (down, leaders, killed, cuts) = (None, 0, 0, 0);
    let mut deaths = Deaths { fleet: &fleet, cluster, proxy, consumers, down, next, leaders, killed, cuts };
    let mut said = Instant::now();
    while sent.acknowledged.load(Ordering::SeqCst) < messages {
        assert!(office.service.alive(), "{}", office.app.captured().text());
        deaths.look();
        if is_long() && said.elapsed() > Duration::from_secs(20) {
            said = Instant::now();
            let acknowledged = sent.acknowledged.load(Ordering::SeqCst);
            say(format_args!("{acknowledged} of {messages} messages are acknowledged"));
        }
        pass(Duration::from_millis(50)).await;
    }
    let took = began.elapsed().as_secs_f64();
    deaths.end();

    let mut journal = fleet.journal();
    // And the first one.
    let handled = handled(&mut journal, messages + 1).await;
    let missing = (0..messages).filter(|number| !handled.contains(&format!("quick-{number}")));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "{} acknowledged messages were not handled: {missing:?}", missing.len());
    is_stored_once(&deaths.cluster, &journal).await;
    let Deaths { leaders, killed, cuts, .. } = deaths;
    let again = journal.all("done").count() - handled.len();
    let failures = sent.failures.load(Ordering::SeqCst);
    say(format_args!(
        "{messages} messages were acknowledged in {took:.0} s, and {failures} tries to send failed"
    ));
    say(format_args!("{leaders} leaders, {killed} consumers and {cuts} connections died"));
    say(format_args!("no message was lost, none was stored twice, {again} were handled again"));
    assert!(leaders > 0 && killed > 0 && cuts > 0);
    drop(deaths.consumers);
    office.app.stop().await.expect_clean();
}
