//! Tests of the timetable alone: without a runtime, a clock or real checks.

use std::{cell::Cell, rc::Rc};

use super::{timers::next_due, *};

mod at_once;
mod ten_thousand;

const SECOND: Duration = Duration::from_secs(1);
const ID: HealthCheckId = HealthCheckId::new(1);

/// A check every second, with a timeout of two seconds.
#[derive(Clone)]
struct Fake {
    id: HealthCheckId,
    interval: Duration,
    wanted: Rc<Cell<bool>>,
    paused: Rc<Cell<bool>>,
}

impl Fake {
    fn new(id: u64) -> Self {
        let (wanted, paused) = (Rc::new(Cell::new(true)), Rc::default());
        Self { id: HealthCheckId::new(id), interval: SECOND, wanted, paused }
    }
}

impl Schedulable for Fake {
    type RunHandle = ();
    type Waiter = &'static str;

    fn id(&self) -> HealthCheckId {
        self.id
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn timeout(&self) -> Duration {
        2 * SECOND
    }

    fn wanted(&self) -> bool {
        self.wanted.get()
    }

    fn run_handle(&self) {}

    fn set_paused(&self, paused: bool) {
        self.paused.set(paused);
    }
}

/// A timetable that records its actions as text: `start 1`, `timed out 1 [waiters]`.
struct Recorder {
    table: Timetable<Fake>,
    actions: Vec<Action<Fake>>,
    started: Vec<RunKey>,
    unpublished: Vec<CheckKey>,
}

impl Recorder {
    fn new(permits: usize) -> Self {
        Self {
            table: Timetable::new(permits),
            actions: Vec::new(),
            started: Vec::new(),
            unpublished: Vec::new(),
        }
    }

    fn with(permits: usize, checks: u64) -> Self {
        let mut recorder = Self::new(permits);
        for id in 1..=checks {
            recorder.register(Fake::new(id), At::ZERO);
        }
        recorder
    }

    fn register(&mut self, check: Fake, at: At) {
        self.table.register(check, at, at, &mut self.actions);
    }

    fn advance(&mut self, at: At) -> Vec<String> {
        self.table.advance(at, &mut self.actions);
        self.texts()
    }

    fn run_now(&mut self, waiter: &'static str, at: At) -> Result<Vec<String>, RunRefused> {
        self.table.run_now(ID, waiter, at, &mut self.actions)?;
        Ok(self.texts())
    }

    /// Ends the last run with a result that counts. Returns its waiters.
    fn finish(&mut self, at: At) -> Vec<&'static str> {
        let run = self.started.pop().unwrap();
        assert!(self.table.finishing(run));
        self.table.ended(run, at, &mut self.actions)
    }

    /// Ends the last run with a result that does not count.
    fn vanish(&mut self, at: At) -> Vec<String> {
        let run = self.started.pop().unwrap();
        assert!(!self.table.finishing(run));
        assert!(self.table.ended(run, at, &mut self.actions).is_empty());
        self.texts()
    }

    /// Notes that the results of all actions were published.
    fn publish(&mut self, at: At) -> Vec<String> {
        for key in std::mem::take(&mut self.unpublished) {
            self.table.published(key, at, &mut self.actions);
        }
        self.texts()
    }

    fn texts(&mut self) -> Vec<String> {
        let actions = std::mem::take(&mut self.actions);
        actions.into_iter().map(|action| self.text(action)).collect()
    }

    fn text(&mut self, action: Action<Fake>) -> String {
        match action {
            Action::Start { check, key, .. } => {
                self.started.push(key);
                format!("start {}", check.id)
            }
            Action::Cancel { .. } => "cancel".to_owned(),
            Action::TimedOut { check, waiters, key, .. } => {
                self.unpublished.push(key);
                format!("timed out {} {waiters:?}", check.id)
            }
            Action::Drop { .. } => "drop".to_owned(),
            Action::Abandoned { check } => format!("abandoned {}", check.id),
            Action::Blocked { check, waiters, key, since } => {
                self.unpublished.push(key);
                format!("blocked {} {since:?} {waiters:?}", check.id)
            }
            Action::Orphaned { check } => format!("orphaned {}", check.id),
        }
    }
}

#[test]
fn due_times_are_the_first_one_plus_whole_intervals() {
    let first = 100 * SECOND;
    let due = |late: Duration| next_due(first, SECOND, first + late) - first;
    assert_eq!(due(Duration::ZERO), SECOND);
    assert_eq!(due(SECOND / 4), SECOND);
    assert_eq!(due(SECOND), 2 * SECOND);
    assert_eq!(due(Duration::from_millis(86_400_900)), Duration::from_secs(86_401));
    assert_eq!(next_due(first + SECOND, SECOND, first), first + SECOND, "after a run on demand");
}

#[test]
fn permits_are_given_in_the_order_of_requests() {
    let mut recorder = Recorder::with(2, 3);
    assert_eq!(recorder.advance(At::ZERO), ["start 1", "start 2"]);
    assert!(recorder.advance(SECOND / 2).is_empty(), "there are two permits");
    recorder.finish(SECOND / 2);
    assert_eq!(recorder.texts(), ["start 3"]);
}

#[test]
fn a_run_on_demand_joins_the_run_in_progress() {
    let mut recorder = Recorder::with(1, 1);
    recorder.advance(At::ZERO);
    assert!(recorder.run_now("a", SECOND / 4).unwrap().is_empty());
    assert!(recorder.run_now("b", SECOND / 4).unwrap().is_empty());
    assert_eq!(recorder.finish(SECOND / 2), ["a", "b"]);
    assert_eq!(recorder.run_now("c", SECOND / 2).unwrap(), ["start 1"]);
    assert_eq!(recorder.finish(SECOND / 2), ["c"]);
    assert_eq!(recorder.table.next_timer(), Some(SECOND), "the schedule stays as it is");
}

#[test]
fn the_number_of_waiters_is_limited() {
    let mut recorder = Recorder::with(1, 1);
    for _ in 0..MAX_WAITERS {
        recorder.run_now("one of many", At::ZERO).unwrap();
    }
    assert_eq!(recorder.run_now("one too many", At::ZERO), Err(RunRefused::Busy));
    assert_eq!(recorder.finish(At::ZERO).len(), MAX_WAITERS);
    recorder.run_now("again", At::ZERO).unwrap();
}

#[test]
fn a_run_that_takes_too_long_is_cancelled_then_dropped_then_abandoned() {
    let mut recorder = Recorder::with(1, 2);
    recorder.advance(At::ZERO);
    recorder.run_now("a", SECOND).unwrap();
    assert_eq!(recorder.advance(2 * SECOND), ["timed out 1 [\"a\"]"]);
    assert!(recorder.publish(2 * SECOND).is_empty());
    assert_eq!(recorder.advance(2 * SECOND + CANCEL_GRACE), ["drop"]);
    let given_up = 2 * SECOND + CANCEL_GRACE + DROP_GRACE;
    // Its next run was due at 3 s, and was blocked until the timeout was handled.
    assert_eq!(
        recorder.advance(given_up),
        ["abandoned 1", "blocked 1 1.1s []", "start 2"],
        "its turn is free"
    );
    recorder.publish(given_up);
    assert_eq!(recorder.run_now("b", given_up).unwrap(), ["blocked 1 1.1s [\"b\"]"], "never a second run");
    recorder.publish(given_up);
    recorder.finish(given_up);
    assert_eq!(recorder.advance(4 * SECOND), ["blocked 1 2s []", "start 2"]);
    recorder.publish(4 * SECOND);
    recorder.finish(4 * SECOND);
    assert!(recorder.vanish(4 * SECOND).is_empty(), "it ends at last");
    assert!(recorder.advance(5 * SECOND).contains(&"start 1".to_owned()));
    assert_eq!(recorder.table.free_permits, 0);
}

#[test]
fn results_come_in_the_order_of_runs() {
    let mut recorder = Recorder::with(1, 1);
    recorder.advance(At::ZERO);
    assert_eq!(recorder.advance(2 * SECOND), ["timed out 1 []"]);
    // The run ends before its timeout is published.
    assert!(recorder.vanish(2 * SECOND).is_empty());
    assert!(recorder.run_now("a", 2 * SECOND).unwrap().is_empty(), "not yet");
    assert_eq!(recorder.publish(2 * SECOND), ["start 1"]);
}

#[test]
fn a_check_that_is_replaced_or_resumed_waits_for_the_run_before_it() {
    let mut recorder = Recorder::with(1, 1);
    recorder.advance(At::ZERO);
    recorder.run_now("a", At::ZERO).unwrap();
    recorder.register(Fake::new(1), SECOND / 4);
    assert_eq!(recorder.texts(), ["cancel"]);
    assert!(recorder.advance(SECOND / 4).is_empty());
    assert_eq!(recorder.vanish(SECOND / 2), ["start 1"]);
    let run = *recorder.started.last().unwrap();
    assert_eq!(recorder.table.pause(ID, SECOND / 2, &mut recorder.actions), Some(true));
    assert_eq!(recorder.texts(), ["cancel"]);
    assert_eq!(recorder.run_now("b", SECOND / 2), Err(RunRefused::Paused));
    assert_eq!(recorder.table.resume(ID, SECOND / 2), Ok(true));
    assert!(recorder.advance(SECOND / 2).is_empty());
    assert!(recorder.table.active(run).is_some());
    assert_eq!(recorder.vanish(SECOND), ["start 1"]);
}

#[test]
fn a_check_whose_run_was_abandoned_stays_paused_until_it_has_ended() {
    let mut recorder = Recorder::with(1, 1);
    recorder.advance(At::ZERO);
    recorder.table.pause(ID, At::ZERO, &mut recorder.actions);
    for late in [CANCEL_GRACE, CANCEL_GRACE + DROP_GRACE] {
        recorder.advance(late);
    }
    assert_eq!(recorder.table.resume(ID, 2 * SECOND), Err(ResumeRefused::StillRunning));
    assert_eq!(recorder.table.resume(OTHER, SECOND), Err(ResumeRefused::Unknown));
    recorder.vanish(2 * SECOND);
    assert_eq!(recorder.table.resume(ID, 2 * SECOND), Ok(true));
    assert_eq!(recorder.advance(2 * SECOND), ["start 1"]);
}

const OTHER: HealthCheckId = HealthCheckId::new(2);

#[test]
fn a_check_whose_owner_is_gone_is_forgotten_and_never_runs() {
    let mut recorder = Recorder::new(1);
    let orphan = Fake::new(1);
    orphan.wanted.set(false);
    recorder.register(orphan, At::ZERO);
    assert_eq!(recorder.advance(At::ZERO), ["orphaned 1"]);
    assert!(recorder.table.slots.is_empty() && recorder.table.timers.is_empty());
}

#[test]
fn nothing_is_left_of_checks_that_come_and_go() {
    let mut recorder = Recorder::new(1);
    recorder.register(Fake::new(7), At::ZERO);
    recorder.advance(At::ZERO);
    for round in 0_u32..1_000 {
        let now = round * SECOND / 1_000;
        recorder.register(Fake::new(1), now);
        recorder.run_now("a", now).unwrap();
        recorder.table.pause(ID, now, &mut recorder.actions);
        recorder.table.resume(ID, now).unwrap();
        recorder.advance(now);
        recorder.table.remove(ID, now, &mut recorder.actions);
    }
    let table = &recorder.table;
    assert_eq!((table.slots.len(), table.timers.len(), table.queue.len()), (1, 1, 0));
}

#[test]
fn once_halted_nothing_begins_and_what_runs_comes_to_its_end() {
    let mut recorder = Recorder::with(1, 2);
    recorder.advance(At::ZERO);
    recorder.run_now("a", At::ZERO).unwrap();
    recorder.table.halt();
    assert_eq!(recorder.run_now("b", At::ZERO), Err(RunRefused::Paused));
    assert_eq!(recorder.finish(SECOND), ["a"]);
    assert!(recorder.advance(100 * SECOND).is_empty());
    recorder.table.close(100 * SECOND, &mut recorder.actions);
    assert!(!recorder.table.in_flight() && recorder.table.slots.is_empty());
}
