//! Short rounds with all candidates in turn. So other work of the machine affects all of them alike.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use crate::report::Figure;

/// Why a measurement failed, for people.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A candidate: its name, and its work. Each run of the work is a round and returns its figure.
pub(crate) struct Contender<'a> {
    who: &'static str,
    run: Box<dyn FnMut() -> Result<f64, Failure> + 'a>,
}

/// The failure of a round that does not count. The candidate continues with the next round.
#[derive(Debug)]
pub(crate) struct Uncounted;

impl fmt::Display for Uncounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a round that does not count")
    }
}

impl std::error::Error for Uncounted {}

/// The number of rounds, and their time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) rounds: usize,
    /// No round begins after this time, except the first three.
    pub(crate) time: Duration,
}

impl Budget {
    pub(crate) const fn new(rounds: usize, seconds: u64) -> Self {
        Self { rounds, time: Duration::from_secs(seconds) }
    }
}

impl<'a> Contender<'a> {
    pub(crate) fn new(who: &'static str, run: impl FnMut() -> Result<f64, Failure> + 'a) -> Self {
        Self { who, run: Box::new(run) }
    }
}

/// Runs all candidates in turn. Each round begins with another candidate. The first round warms up and does not count. A candidate
/// that fails or panics is left out from then on, with the reason.
pub(crate) fn in_turn(budget: Budget, mut contenders: Vec<Contender<'_>>) -> Vec<Figure> {
    let mut figures: Vec<Figure> = contenders.iter().map(|contender| Figure::new(contender.who)).collect();
    let began = Instant::now();
    for round in 0..=budget.rounds {
        if round > 3 && began.elapsed() > budget.time {
            break;
        }
        for place in 0..contenders.len() {
            let at = (round + place) % contenders.len();
            let figure = &mut figures[at];
            let value = match figure.failed {
                Some(_) => None,
                None => one(&mut contenders[at], figure),
            };
            if round > 0 {
                figure.rounds.push(value);
            }
        }
    }
    figures
}

fn one(contender: &mut Contender<'_>, figure: &mut Figure) -> Option<f64> {
    let outcome = catch_unwind(AssertUnwindSafe(|| (contender.run)()))
        .unwrap_or_else(|panic| Err(format!("panicked: {}", message(&*panic)).into()));
    match outcome {
        Ok(value) => return Some(value),
        Err(failure) if failure.is::<Uncounted>() => {}
        Err(failure) => figure.failed = Some(failure.to_string()),
    }
    None
}

pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Nanoseconds of one of `times` repetitions.
pub(crate) fn nanoseconds_each(took: Duration, times: u64) -> f64 {
    took.as_nanos() as f64 / times as f64
}

/// A round of a loop on this thread. Returns the nanoseconds of one repetition.
pub(crate) fn looped(times: u64, mut work: impl FnMut(u64)) -> Result<f64, Failure> {
    let began = Instant::now();
    (0..times).for_each(&mut work);
    Ok(nanoseconds_each(began.elapsed(), times))
}
