//! Errors with and without a stack, compared with a backtrace of the standard library at the same depth.

use std::{backtrace::Backtrace, hint::black_box};

use app_core::prelude::ServiceId;
use app_errors::{Error, errors};

use crate::{
    report::{Figure, Row},
    rounds::{Budget, Contender, Failure, in_turn, looped},
    rows::Rows,
};

const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
const OURS: &str = "app-errors";
const STD: &str = "std force_capture";
/// Depth of calls above the measurement.
const DEPTH: usize = 20;
/// Errors in one round.
const TIMES: u64 = 200;
const BUDGET: Budget = Budget::new(201, 8);

/// Runs `work` at this depth of calls.
#[inline(never)]
fn deep<T>(levels: usize, work: &dyn Fn() -> T) -> T {
    // Work after the call. Without it, the compiler would turn the call into a jump.
    black_box(if levels == 0 { work() } else { deep(levels - 1, work) })
}

fn with_stack() -> Error {
    errors::BUG.error(SERVICE).message("no such rule").build()
}

fn without_stack() -> Error {
    errors::SERVICE_NOT_ALIVE.error(SERVICE).message("no such rule").build()
}

/// Runs `work` at this depth in a task of a service. Stacks of errors end at the task.
fn at_depth<T>(times: u64, work: impl Fn() -> T) -> Result<f64, Failure> {
    let mut took = Ok(0.0);
    app_errors::outermost(&mut || took = looped(times, |_| drop(deep(DEPTH, &work))));
    took
}

pub(crate) fn rows(rows: &mut Rows) -> Result<(), Failure> {
    rows.begin("errors");
    let figures = in_turn(
        BUDGET,
        vec![
            Contender::new(OURS, || at_depth(TIMES, with_stack)),
            Contender::new(STD, || at_depth(TIMES, Backtrace::force_capture)),
        ],
    );
    rows.add(Row::new("error with its stack, 20 calls deep in a task", "ns", figures).target_of(0.5, &[STD]));
    let figures = in_turn(BUDGET, vec![Contender::new(OURS, || at_depth(TIMES * 10, without_stack))]);
    rows.add(Row::new("error whose spec asks for no stack", "ns", figures).target(200.0));
    // The first print reads the debug information. That round does not count.
    let figures = in_turn(
        Budget::new(21, 5),
        vec![
            Contender::new(OURS, || at_depth(10, || with_stack().stack().map(ToString::to_string))),
            Contender::new(STD, || at_depth(10, || Backtrace::force_capture().to_string())),
        ],
    );
    rows.add(Row::new("the same raised and its stack printed", "ns", figures));
    let figure = Figure { rounds: vec![Some(named() as f64)], ..Figure::new(OURS) };
    let row = Row::new("frames of the 21 that are printed with name and line", "", vec![figure]);
    rows.add(row.higher_is_better().target(21.0));
    Ok(())
}

/// Number of calls of [`deep`] whose name, file and line are in the printed stack.
fn named() -> usize {
    let error = deep(DEPTH, &with_stack);
    let printed = error.stack().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<&str> = printed.lines().collect();
    let named = |at: &usize| {
        let place = lines[*at..].iter().take(2).any(|line| line.contains("errors.rs:"));
        lines[*at].contains("deep") && place
    };
    (0..lines.len()).filter(named).count()
}
