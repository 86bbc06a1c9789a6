//! Tests of the timetable alone: no runtime, no clock, no check that really runs.

use std::{cell::Cell, rc::Rc};

use super::{timers::next_due, *};

mod at_once;
mod ten_thousand;

const SECOND: Duration = Duration::from_secs(1);
const ID: HealthCheckId = HealthCheckId::new(1);

/// Every second, for two at most.
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

impl Subject for Fake {
    type Reins = ();
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

    fn reins(&self) {}

    fn set_paused(&self, paused: bool) {
        self.paused.set(paused);
    }
}

/// A timetable whose orders are written down: `start 1`, `timed out 1 [waiters]`.
struct Told {
    table: Timetable<Fake>,
    orders: Vec<Order<Fake>>,
    started: Vec<RunKey>,
    lines: Vec<LineKey>,
}

impl Told {
    fn new(turns: usize) -> Self {
        Self { table: Timetable::new(turns), orders: Vec::new(), started: Vec::new(), lines: Vec::new() }
    }

    fn with(turns: usize, checks: u64) -> Self {
        let mut told = Self::new(turns);
        for id in 1..=checks {
            told.register(Fake::new(id), At::ZERO);
        }
        told
    }

    fn register(&mut self, check: Fake, at: At) {
        self.table.register(check, at, at, &mut self.orders);
    }

    fn advance(&mut self, at: At) -> Vec<String> {
        self.table.advance(at, &mut self.orders);
        self.told()
    }

    fn demand(&mut self, waiter: &'static str, at: At) -> Result<Vec<String>, Refused> {
        self.table.demand(ID, waiter, at, &mut self.orders)?;
        Ok(self.told())
    }

    /// The last run that was started ends with a result.
    fn finish(&mut self, at: At) -> Vec<&'static str> {
        let run = self.started.pop().unwrap();
        assert!(self.table.finishing(run));
        self.table.ended(run, at, &mut self.orders)
    }

    /// The last run that was started ends, when nobody wants its result any more.
    fn vanish(&mut self, at: At) -> Vec<String> {
        let run = self.started.pop().unwrap();
        assert!(!self.table.finishing(run));
        assert!(self.table.ended(run, at, &mut self.orders).is_empty());
        self.told()
    }

    /// What was ordered to be published is.
    fn publish(&mut self, at: At) -> Vec<String> {
        for line in std::mem::take(&mut self.lines) {
            self.table.published(line, at, &mut self.orders);
        }
        self.told()
    }

    fn told(&mut self) -> Vec<String> {
        let orders = std::mem::take(&mut self.orders);
        orders.into_iter().map(|order| self.tell(order)).collect()
    }

    fn tell(&mut self, order: Order<Fake>) -> String {
        match order {
            Order::Start { check, key, .. } => {
                self.started.push(key);
                format!("start {}", check.id)
            }
            Order::Cancel { .. } => "cancel".to_owned(),
            Order::TimedOut { check, waiters, line, .. } => {
                self.lines.push(line);
                format!("timed out {} {waiters:?}", check.id)
            }
            Order::Drop { .. } => "drop".to_owned(),
            Order::Abandoned { check } => format!("abandoned {}", check.id),
            Order::Blocked { check, waiters, line, since } => {
                self.lines.push(line);
                format!("blocked {} {since:?} {waiters:?}", check.id)
            }
            Order::Orphaned { check } => format!("orphaned {}", check.id),
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
fn turns_are_given_in_the_order_in_which_they_were_asked_for() {
    let mut told = Told::with(2, 3);
    assert_eq!(told.advance(At::ZERO), ["start 1", "start 2"]);
    assert!(told.advance(SECOND / 2).is_empty(), "there are two turns");
    told.finish(SECOND / 2);
    assert_eq!(told.told(), ["start 3"]);
}

#[test]
fn whoever_demands_a_run_joins_the_one_under_way() {
    let mut told = Told::with(1, 1);
    told.advance(At::ZERO);
    assert!(told.demand("a", SECOND / 4).unwrap().is_empty());
    assert!(told.demand("b", SECOND / 4).unwrap().is_empty());
    assert_eq!(told.finish(SECOND / 2), ["a", "b"]);
    assert_eq!(told.demand("c", SECOND / 2).unwrap(), ["start 1"]);
    assert_eq!(told.finish(SECOND / 2), ["c"]);
    assert_eq!(told.table.next_timer(), Some(SECOND), "the schedule stays as it is");
}

#[test]
fn so_many_wait_and_no_more() {
    let mut told = Told::with(1, 1);
    for _ in 0..MAX_WAITERS {
        told.demand("one of many", At::ZERO).unwrap();
    }
    assert_eq!(told.demand("one too many", At::ZERO), Err(Refused::Busy));
    assert_eq!(told.finish(At::ZERO).len(), MAX_WAITERS);
    told.demand("again", At::ZERO).unwrap();
}

#[test]
fn a_run_that_takes_too_long_is_cancelled_then_dropped_then_abandoned() {
    let mut told = Told::with(1, 2);
    told.advance(At::ZERO);
    told.demand("a", SECOND).unwrap();
    assert_eq!(told.advance(2 * SECOND), ["timed out 1 [\"a\"]"]);
    assert!(told.publish(2 * SECOND).is_empty());
    assert_eq!(told.advance(2 * SECOND + CANCEL_GRACE), ["drop"]);
    let given_up = 2 * SECOND + CANCEL_GRACE + DROP_GRACE;
    // Its next run was due at 3 s, and was held up until there is an answer.
    assert_eq!(told.advance(given_up), ["abandoned 1", "blocked 1 1.1s []", "start 2"], "its turn is free");
    told.publish(given_up);
    assert_eq!(told.demand("b", given_up).unwrap(), ["blocked 1 1.1s [\"b\"]"], "never a second run");
    told.publish(given_up);
    told.finish(given_up);
    assert_eq!(told.advance(4 * SECOND), ["blocked 1 2s []", "start 2"]);
    told.publish(4 * SECOND);
    told.finish(4 * SECOND);
    assert!(told.vanish(4 * SECOND).is_empty(), "it ends at last");
    assert!(told.advance(5 * SECOND).contains(&"start 1".to_owned()));
    assert_eq!(told.table.free_turns, 0);
}

#[test]
fn results_come_in_the_order_of_runs() {
    let mut told = Told::with(1, 1);
    told.advance(At::ZERO);
    assert_eq!(told.advance(2 * SECOND), ["timed out 1 []"]);
    // The run ends before the news of its timeout is out.
    assert!(told.vanish(2 * SECOND).is_empty());
    assert!(told.demand("a", 2 * SECOND).unwrap().is_empty(), "not yet");
    assert_eq!(told.publish(2 * SECOND), ["start 1"]);
}

#[test]
fn a_check_that_is_replaced_or_resumed_waits_for_the_run_before_it() {
    let mut told = Told::with(1, 1);
    told.advance(At::ZERO);
    told.demand("a", At::ZERO).unwrap();
    told.register(Fake::new(1), SECOND / 4);
    assert_eq!(told.told(), ["cancel"]);
    assert!(told.advance(SECOND / 4).is_empty());
    assert_eq!(told.vanish(SECOND / 2), ["start 1"]);
    let run = *told.started.last().unwrap();
    assert_eq!(told.table.pause(ID, SECOND / 2, &mut told.orders), Some(true));
    assert_eq!(told.told(), ["cancel"]);
    assert_eq!(told.demand("b", SECOND / 2), Err(Refused::Paused));
    assert_eq!(told.table.resume(ID, SECOND / 2), Ok(true));
    assert!(told.advance(SECOND / 2).is_empty());
    assert!(told.table.flight(run).is_some());
    assert_eq!(told.vanish(SECOND), ["start 1"]);
}

#[test]
fn a_check_whose_run_was_abandoned_stays_paused_until_it_has_ended() {
    let mut told = Told::with(1, 1);
    told.advance(At::ZERO);
    told.table.pause(ID, At::ZERO, &mut told.orders);
    for late in [CANCEL_GRACE, CANCEL_GRACE + DROP_GRACE] {
        told.advance(late);
    }
    assert_eq!(told.table.resume(ID, 2 * SECOND), Err(Unresumed::StillRunning));
    assert_eq!(told.table.resume(OTHER, SECOND), Err(Unresumed::Unknown));
    told.vanish(2 * SECOND);
    assert_eq!(told.table.resume(ID, 2 * SECOND), Ok(true));
    assert_eq!(told.advance(2 * SECOND), ["start 1"]);
}

const OTHER: HealthCheckId = HealthCheckId::new(2);

#[test]
fn a_check_whose_owner_is_gone_is_forgotten_and_never_runs() {
    let mut told = Told::new(1);
    let orphan = Fake::new(1);
    orphan.wanted.set(false);
    told.register(orphan, At::ZERO);
    assert_eq!(told.advance(At::ZERO), ["orphaned 1"]);
    assert!(told.table.slots.is_empty() && told.table.timers.is_empty());
}

#[test]
fn nothing_is_left_of_checks_that_come_and_go() {
    let mut told = Told::new(1);
    told.register(Fake::new(7), At::ZERO);
    told.advance(At::ZERO);
    for round in 0_u32..1_000 {
        let now = round * SECOND / 1_000;
        told.register(Fake::new(1), now);
        told.demand("a", now).unwrap();
        told.table.pause(ID, now, &mut told.orders);
        told.table.resume(ID, now).unwrap();
        told.advance(now);
        told.table.remove(ID, now, &mut told.orders);
    }
    let table = &told.table;
    assert_eq!((table.slots.len(), table.timers.len(), table.queue.len()), (1, 1, 0));
}

#[test]
fn once_halted_nothing_begins_and_what_runs_comes_to_its_end() {
    let mut told = Told::with(1, 2);
    told.advance(At::ZERO);
    told.demand("a", At::ZERO).unwrap();
    told.table.halt();
    assert_eq!(told.demand("b", At::ZERO), Err(Refused::Paused));
    assert_eq!(told.finish(SECOND), ["a"]);
    assert!(told.advance(100 * SECOND).is_empty());
    told.table.close(100 * SECOND, &mut told.orders);
    assert!(!told.table.in_flight() && told.table.slots.is_empty());
}
