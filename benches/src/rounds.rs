//! Short rounds, everybody in turn, so that whatever else the machine does hits all alike.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use crate::report::Figure;

/// Why a measurement failed, for people.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Who does a piece of work, and how: each run is a round, and gives its figure.
pub(crate) struct Contender<'a> {
    who: &'static str,
    run: Box<dyn FnMut() -> Result<f64, Failure> + 'a>,
}

/// The failure of a round that does not count: whoever had it goes on with the next.
#[derive(Debug)]
pub(crate) struct Uncounted;

impl fmt::Display for Uncounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a round that does not count")
    }
}

impl std::error::Error for Uncounted {}

/// How long to go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) rounds: usize,
    /// After this no round begins, if there were three.
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

/// Everybody in turn, each round begun by another one. The first round warms up and does not count. Who fails or
/// panics is out from then on, and says why.
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

/// Nanoseconds that one of so many took.
pub(crate) fn nanoseconds_each(took: Duration, times: u64) -> f64 {
    took.as_nanos() as f64 / times as f64
}

/// A round of a loop on this thread: nanoseconds for each.
pub(crate) fn looped(times: u64, mut work: impl FnMut(u64)) -> Result<f64, Failure> {
    let began = Instant::now();
    (0..times).for_each(&mut work);
    Ok(nanoseconds_each(began.elapsed(), times))
}
