//! Ten thousand checks every second: every run is on time, and none overlaps.
//!
//! This covers a few seconds. The bench `schedule -- --hour` covers an hour, through the service itself.

use std::collections::HashMap;

use super::*;

const CHECKS: u64 = 10_000;
const SECONDS: u32 = 4;

#[test]
fn ten_thousand_checks_run_on_time_every_second_and_never_overlap() {
    // The first runs are distributed over 50 ms, as by jitter, and each takes 3 ms: 600 at a time.
    let mut recorder = Recorder::new(1_000);
    let first = |id: u64| Duration::from_nanos(id * 50_000_000 / CHECKS);
    for id in 1..=CHECKS {
        recorder.table.register(Fake::new(id), first(id), At::ZERO, &mut recorder.actions);
    }
    let mut runs: HashMap<HealthCheckId, u32> = HashMap::new();
    let mut actions = Vec::new();
    let mut under_way: std::collections::VecDeque<(At, RunKey)> = std::collections::VecDeque::new();
    let end = SECONDS * SECOND;
    loop {
        let timer = recorder.table.next_timer().unwrap();
        let ends = under_way.front().map_or(At::MAX, |(at, _)| *at);
        let now = timer.min(ends);
        if now >= end {
            break;
        }
        if ends <= timer {
            let (_, run) = under_way.pop_front().unwrap();
            assert!(recorder.table.finishing(run));
            recorder.table.ended(run, now, &mut actions);
        } else {
            recorder.table.advance(now, &mut actions);
        }
        for action in actions.drain(..) {
            let Action::Start { check, key, .. } = action else { panic!("every action is a start") };
            let number = runs.entry(check.id).or_default();
            assert_eq!(now, first(check.id.as_u64()) + *number * SECOND, "run {number} of {}", check.id);
            *number += 1;
            under_way.push_back((now + Duration::from_millis(3), key));
        }
    }
    assert_eq!(runs.len(), 10_000);
    assert!(runs.values().all(|number| *number == SECONDS), "none is missing");
}
