//! Eight tasks register, replace, pause, resume, run and remove checks at once, while runs end, hang and time out.
//! Shuttle tries different orders of the threads.

use std::sync::Arc;

use shuttle::{
    rand::{Rng, thread_rng},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use super::super::*;

const IDS: u64 = 2;
const TASKS: usize = 8;
const OPERATIONS: usize = 3;
const TURNS: usize = 2;
const ORDERS_TO_TRY: usize = 200;

/// How a run behaves.
#[derive(Clone, Copy)]
enum Manner {
    Ends,
    EndsWhenCancelled,
    EndsWhenDropped,
    /// At the end of the test.
    Hangs,
}

#[derive(Clone, Default)]
struct RunHandle {
    cancelled: Arc<AtomicBool>,
    dropped: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Check {
    id: HealthCheckId,
    manner: Manner,
}

impl Schedulable for Check {
    type RunHandle = RunHandle;
    type Waiter = mpsc::Sender<()>;

    fn id(&self) -> HealthCheckId {
        self.id
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn wanted(&self) -> bool {
        true
    }

    fn run_handle(&self) -> RunHandle {
        RunHandle::default()
    }

    fn set_paused(&self, _: bool) {}
}

struct World {
    table: Mutex<Timetable<Check>>,
    /// Milliseconds.
    clock: AtomicU64,
    in_flight: [AtomicUsize; IDS as usize],
    runs: Mutex<Vec<thread::JoinHandle<()>>>,
    over: AtomicBool,
}

impl World {
    fn new() -> Self {
        Self {
            table: Mutex::new(Timetable::new(TURNS)),
            clock: AtomicU64::new(0),
            in_flight: Default::default(),
            runs: Mutex::default(),
            over: AtomicBool::new(false),
        }
    }

    /// Like `CheckQueue::with` and `HealthChecks::perform`.
    fn change<T>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Timetable<Check>, At, &mut Vec<Action<Check>>) -> T,
    ) -> T {
        let mut actions = Vec::new();
        let now = Duration::from_millis(self.clock.load(Ordering::SeqCst));
        let result = change(&mut self.table.lock().unwrap(), now, &mut actions);
        for action in actions {
            self.perform(action);
        }
        result
    }

    fn perform(self: &Arc<Self>, action: Action<Check>) {
        match action {
            Action::Start { check, key, handle } => {
                let world = Arc::clone(self);
                let run = thread::spawn(move || world.run(&check, key, &handle));
                self.runs.lock().unwrap().push(run);
            }
            Action::Cancel { handle } => handle.cancelled.store(true, Ordering::SeqCst),
            Action::Drop { handle } => handle.dropped.store(true, Ordering::SeqCst),
            Action::TimedOut { key, handle, waiters, .. } => {
                handle.cancelled.store(true, Ordering::SeqCst);
                self.answer(waiters);
                self.change(|table, now, actions| table.published(key, now, actions));
            }
            Action::Blocked { key, waiters, .. } => {
                self.answer(waiters);
                self.change(|table, now, actions| table.published(key, now, actions));
            }
            Action::Abandoned { .. } => {}
            Action::Orphaned { .. } => panic!("all are wanted"),
        }
    }

    fn answer(&self, waiters: Vec<mpsc::Sender<()>>) {
        for waiter in waiters {
            waiter.send(()).unwrap();
        }
    }

    fn run(self: &Arc<Self>, check: &Check, key: RunKey, handle: &RunHandle) {
        let in_flight = &self.in_flight[check.id.as_u64() as usize];
        assert_eq!(in_flight.fetch_add(1, Ordering::SeqCst), 0, "two runs of one check");
        let may_end = || match check.manner {
            Manner::Ends => true,
            Manner::EndsWhenCancelled => handle.cancelled.load(Ordering::SeqCst),
            Manner::EndsWhenDropped => handle.dropped.load(Ordering::SeqCst),
            Manner::Hangs => false,
        };
        while !may_end() && !self.over.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        in_flight.fetch_sub(1, Ordering::SeqCst);
        let counts = self.change(|table, _, _| table.finishing(key));
        let waiters = self.change(|table, now, actions| table.ended(key, now, actions));
        assert!(counts || waiters.is_empty());
        self.answer(waiters);
    }

    fn operate(self: &Arc<Self>) {
        let id = HealthCheckId::new(thread_rng().gen_range(0..IDS));
        match thread_rng().gen_range(0..8) {
            0 | 1 => {
                let manners =
                    [Manner::Ends, Manner::EndsWhenCancelled, Manner::EndsWhenDropped, Manner::Hangs];
                let manner = manners[thread_rng().gen_range(0..manners.len())];
                self.change(|table, now, actions| table.register(Check { id, manner }, now, now, actions));
            }
            2 => drop(self.change(|table, now, actions| table.remove(id, now, actions))),
            3 => drop(self.change(|table, now, actions| table.pause(id, now, actions))),
            4 | 5 => drop(self.change(|table, now, _| table.resume(id, now))),
            _ => {
                let (waiter, result) = mpsc::channel();
                let demanded = self.change(|table, now, actions| table.run_now(id, waiter, now, actions));
                if demanded.is_ok() {
                    // An answer, or an error. A task that waits for ever is a deadlock, which shuttle reports.
                    let _ = result.recv();
                }
            }
        }
    }
}

/// Lets time pass until the test is over and each run has ended or was abandoned.
fn schedule(world: &Arc<World>) {
    loop {
        world.clock.fetch_add(550, Ordering::SeqCst);
        world.change(|table, now, actions| table.advance(now, actions));
        if world.over.load(Ordering::SeqCst) {
            return;
        }
        thread::yield_now();
    }
}

fn all_at_once() {
    let world = Arc::new(World::new());
    let scheduler = thread::spawn({
        let world = Arc::clone(&world);
        move || schedule(&world)
    });
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let world = Arc::clone(&world);
            thread::spawn(move || (0..OPERATIONS).for_each(|_| world.operate()))
        })
        .collect();
    for task in tasks {
        task.join().unwrap();
    }
    world.change(|table, now, actions| table.close(now, actions));
    world.over.store(true, Ordering::SeqCst);
    scheduler.join().unwrap();
    loop {
        let run = world.runs.lock().unwrap().pop();
        let Some(run) = run else { break };
        run.join().unwrap();
    }
    let table = world.table.lock().unwrap();
    assert_eq!(table.free_permits, TURNS, "every permit came back");
    assert!(table.slots.is_empty() && table.timers.is_empty() && table.queue.is_empty());
}

#[test]
fn whatever_eight_tasks_do_at_once_runs_never_overlap_and_nobody_waits_for_ever() {
    shuttle::check_random(all_at_once, ORDERS_TO_TRY);
}
