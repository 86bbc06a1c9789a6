//! Leadership moves over processes that die, stop and freeze, and a store that checks terms is never led back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use app_core::testing::{Process, Signal};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::fleet::Fleet;
use crate::nats::NatsProgram;
use crate::worker::Task;
use crate::{figures, many, say, until};

/// What leaders told the store.
#[derive(Debug, Default)]
struct Told {
    /// The term that it accepted last.
    term: u64,
    /// Each term that it accepted: the process, and when it was accepted first.
    accepted: BTreeMap<u64, (u32, Instant)>,
    refused: usize,
    wrong: Vec<String>,
}

impl Told {
    /// What a store does that checks terms.
    fn accepts(&mut self, process: u32, term: u64) -> bool {
        if term < self.term {
            self.refused += 1;
            // An earlier leader that did not know yet. A new one would never be accepted.
            if self.accepted.get(&term).is_none_or(|(leader, _)| *leader != process) {
                self.wrong.push(format!("process {process} leads in term {term} after {}", self.term));
            }
            return false;
        }
        let (leader, _) = self.accepted.entry(term).or_insert((process, Instant::now()));
        if *leader != process {
            self.wrong.push(format!("processes {leader} and {process} lead in term {term}"));
        }
        self.term = term;
        true
    }

    fn leader(&self) -> Option<(u32, u64)> {
        self.accepted.get(&self.term).map(|(process, _)| (*process, self.term))
    }
}

/// Answers leaders until the test ends. Returns its port.
async fn store(told: &Arc<Mutex<Told>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = Arc::clone(told);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answers(stream, Arc::clone(&told)));
        }
    });
    port
}

async fn answers(stream: TcpStream, told: Arc<Mutex<Told>>) {
    let (mut stream, mut line) = (BufReader::new(stream), String::new());
    // A process that was killed says nothing, or half of it.
    if stream.read_line(&mut line).await.is_err() || !line.ends_with('\n') {
        return;
    }
    let (process, term) = line.trim().split_once(' ').unwrap();
    let accepted = told.lock().accepts(process.parse().unwrap(), term.parse().unwrap());
    let answer: &[u8] = if accepted { b"accepted\n" } else { b"refused\n" };
    let _ = stream.write_all(answer).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Killed,
    Frozen,
    Stopped,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terms_only_rise_and_a_store_that_checks_them_accepts_no_older_one() {
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start();
    let fleet = Fleet::of(&server.url());
    let told = Arc::new(Mutex::new(Told::default()));
    let port = store(&told).await;
    let mut processes: Vec<_> = (0..3).map(|_| fleet.launch(Task::Leads(port))).collect();
    until("a leader", || told.lock().leader().is_some()).await;
    let mut times = BTreeMap::<Way, Vec<Duration>>::new();
    for failover in 0..many(10, 1_000) {
        let way = [Way::Killed, Way::Frozen, Way::Killed, Way::Stopped][failover % 4];
        // All stand for it before the leader goes.
        processes.iter().for_each(|process| drop(process.started()));
        let (leader, term) = told.lock().leader().unwrap();
        let at = processes.iter().position(|process| process.pid() == leader).unwrap();
        let goes: Process = processes.swap_remove(at);
        let began = Instant::now();
        goes.signal(match way {
            Way::Killed => Signal::SIGKILL,
            Way::Frozen => Signal::SIGSTOP,
            Way::Stopped => Signal::SIGTERM,
        });
        until("a new leader", || told.lock().term > term).await;
        let (_, when) = *told.lock().accepted.range(term + 1..).next().unwrap().1;
        times.entry(way).or_default().push(when - began);
        match way {
            Way::Frozen => {
                goes.signal(Signal::SIGCONT);
                processes.push(goes);
            }
            Way::Killed => processes.push(fleet.launch(Task::Leads(port))),
            Way::Stopped => {
                goes.ended().expect_code(0);
                processes.push(fleet.launch(Task::Leads(port)));
            }
        }
    }
    let told = told.lock();
    assert!(told.wrong.is_empty(), "{:?}", told.wrong);
    let leaders: BTreeSet<_> = told.accepted.values().map(|(process, _)| process).collect();
    assert!(told.accepted.len() > times.values().map(Vec::len).sum() && leaders.len() > 1);
    // When the first write of each term was accepted: in the order of the terms.
    let whens: Vec<_> = told.accepted.values().map(|(_, when)| *when).collect();
    assert!(whens.is_sorted());
    for (way, times) in &times {
        say(format_args!("the leader was {way:?}, and another one leads: {}", figures(times)));
        // A lease has 1 s. It is twice that on a machine that has time.
        assert!(times.iter().all(|time| *time < Duration::from_secs(30)), "{way:?} {times:?}");
    }
    say(format_args!(
        "{} terms, {} writes with an older term were refused",
        told.accepted.len(),
        told.refused
    ));
}
