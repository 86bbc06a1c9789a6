//! The time that a log record costs its caller, and the loss of records when there are too many.

mod flood;
mod foundations;
mod loggers;

use std::time::{Duration, Instant};

use crate::{
    log::foundations::Foundations,
    log::loggers::{PlatformLog, SlogJson, Tracing, ten_fields, traced},
    pairs::side_by_side,
    report::Row,
    rounds::{Budget, Contender, Failure, in_turn, looped, nanoseconds_each},
    rows::Rows,
};

const OURS: &str = "app-core";
const SLOG_JSON: &str = "slog-json, mutex, flushed";
const SLOG_JSON_UNFLUSHED: &str = "slog-json, mutex, 8 KB";
const TRACING: &str = "tracing-subscriber json";
const FOUNDATIONS: &str = "foundations";
const NON_BLOCKING: &str = "tracing-subscriber json, non-blocking";
/// Records in one round. All buffers can hold more.
const RECORDS: u64 = 1_000;
/// Records of each of two threads. If one thread is late, the other logs several times as many.
const OF_EACH: u64 = 500;
const BUDGET: Budget = Budget::new(201, 8);
/// Longest time for the writer to catch up after a round.
const FLUSH: Duration = Duration::from_secs(2);

pub(crate) fn rows(rows: &mut Rows) -> Result<(), Failure> {
    let ours = PlatformLog::new()?;
    let (flushed, unflushed) = (SlogJson::new(true)?, SlogJson::new(false)?);
    let (plain, non_blocking) = (Tracing::plain()?, Tracing::non_blocking()?);
    let mut foundations = Foundations::start(RECORDS);
    rows.begin("10 fields, 1 thread");
    let figures = in_turn(
        BUDGET,
        vec![
            Contender::new(OURS, || {
                let took = looped(RECORDS, |_| ten_fields(&ours.logger));
                ours.written(FLUSH)?;
                took
            }),
            Contender::new(SLOG_JSON, || looped(RECORDS, |_| ten_fields(&flushed.logger))),
            Contender::new(SLOG_JSON_UNFLUSHED, || looped(RECORDS, |_| ten_fields(&unflushed.logger))),
            Contender::new(TRACING, || plain.with(|| looped(RECORDS, |_| traced()))),
            Contender::new(NON_BLOCKING, || non_blocking.with(|| looped(RECORDS, |_| traced()))),
            Contender::new(FOUNDATIONS, || match &mut foundations {
                Ok(process) => process.round(),
                Err(failure) => Err(failure.to_string().into()),
            }),
        ],
    );
    let row = Row::new("record with 10 fields, 1 thread, as the caller sees it", "ns", figures);
    rows.add(row.target_of(0.6, &[SLOG_JSON]).target_of(0.4, &[TRACING, NON_BLOCKING]));

    rows.begin("10 fields, 2 threads");
    let logger = &ours.logger;
    let figures = in_turn(
        BUDGET,
        vec![
            Contender::new(OURS, || {
                let took = side_by_side(OF_EACH, |_| ten_fields(logger));
                ours.written(FLUSH)?;
                took
            }),
            Contender::new(SLOG_JSON, || side_by_side(OF_EACH, |_| ten_fields(&flushed.logger))),
            Contender::new(SLOG_JSON_UNFLUSHED, || side_by_side(OF_EACH, |_| ten_fields(&unflushed.logger))),
            Contender::new(TRACING, || side_by_side(OF_EACH, |_| plain.with(traced))),
            Contender::new(NON_BLOCKING, || side_by_side(OF_EACH, |_| non_blocking.with(traced))),
        ],
    );
    let row = Row::new("record with 10 fields, 2 threads, as each sees it", "ns", figures);
    rows.add(row.target_of(0.5, &[SLOG_JSON]).target_of(0.5, &[TRACING, NON_BLOCKING]));
    until_written(rows, &ours, &flushed, &plain);
    disabled(rows, &ours, &plain);
    drop((ours, foundations));
    flood::rows(rows)
}

/// Includes the work of the writer's thread.
fn until_written(rows: &mut Rows, ours: &PlatformLog, flushed: &SlogJson, plain: &Tracing) {
    rows.begin("10 fields, until written");
    let figures = in_turn(
        BUDGET,
        vec![
            Contender::new(OURS, || {
                let began = Instant::now();
                looped(RECORDS, |_| ten_fields(&ours.logger))?;
                ours.written(FLUSH)?;
                Ok(nanoseconds_each(began.elapsed(), RECORDS))
            }),
            Contender::new(SLOG_JSON, || looped(RECORDS, |_| ten_fields(&flushed.logger))),
            Contender::new(TRACING, || plain.with(|| looped(RECORDS, |_| traced()))),
        ],
    );
    rows.add(Row::new("1,000 records with 10 fields, until all are written; of one", "ns", figures));
}

fn disabled(rows: &mut Rows, ours: &PlatformLog, plain: &Tracing) {
    rows.begin("disabled level");
    let debug = |_| app_core::debug!(ours.logger, "acquired"; "rule" => std::hint::black_box("default"));
    let figures = in_turn(
        BUDGET,
        vec![
            Contender::new(OURS, || looped(RECORDS * 100, debug)),
            Contender::new(TRACING, || {
                plain.with(|| {
                    looped(RECORDS * 100, |_| {
                        tracing::debug!(rule = std::hint::black_box("default"), "acquired")
                    })
                })
            }),
        ],
    );
    rows.add(Row::new("record of a disabled level", "ns", figures).target(3.0));
}
