//! Calls to a command server that wait for the answer.

use std::time::{Duration, Instant};

use tokio::{runtime::Runtime, time::timeout};

use crate::{
    commands::{
        DEADLINE, OVER_BARE, by_mode,
        servers::{
            ACTIX, ACTORS, Actix, BARE, BOUNDED, Bare, INLINE, KAMEO, Kameo, Platform, QUEUED, RACTOR,
            Ractor, Server,
        },
        service,
    },
    pairs::{pin, processors},
    report::Figure,
    rounds::{Budget, Contender, Failure, in_turn, nanoseconds_each},
    rows::Rows,
};

/// Calls in one round.
const CALLS: u64 = 300;
const CAPACITY: u16 = 256;
/// Target for a queued call, as a share of the time of the best bounded actor crate.
const QUEUED_CALL: f64 = 0.9;
/// Parallel callers in the rows under load.
const CALLERS: usize = 64;
const BUDGET: Budget = Budget::new(201, 10);

/// All servers in turn. One generic function measures each type.
macro_rules! everybody {
    ($all:expr, $round:path, $runtime:expr) => {
        in_turn(
            BUDGET,
            vec![
                Contender::new(QUEUED, || $round($runtime, &$all.queued)),
                Contender::new(INLINE, || $round($runtime, &$all.inline)),
                Contender::new(BARE, || $round($runtime, &$all.bare)),
                Contender::new(KAMEO, || $round($runtime, &$all.kameo)),
                Contender::new(RACTOR, || $round($runtime, &$all.ractor)),
                Contender::new(ACTIX, || $round($runtime, &$all.actix)),
            ],
        )
    };
}

pub(crate) fn rows(rows: &mut Rows) -> Result<(), Failure> {
    same_worker(rows)?;
    let [here, there] = processors()?;
    let theirs = worker(there)?;
    let (_app, service) = service(&theirs)?;
    let all = {
        let _entered = theirs.enter();
        All {
            queued: Platform::queued(&service, CAPACITY)?,
            inline: Platform::inline(&service, CAPACITY)?,
            bare: Bare::start(CAPACITY),
            kameo: Kameo::start(CAPACITY),
            ractor: theirs.block_on(Ractor::start())?,
            actix: Actix::in_a_thread(CAPACITY, Some(there))?,
        }
    };
    let mine = worker(here)?;
    pin(here)?;
    rows.begin("call, other worker");
    add(rows, "call, other worker", "ns", everybody!(all, from_a_worker, &mine));
    rows.begin("call, from outside the runtime");
    add(rows, "call, from outside the runtime", "ns", everybody!(all, from_outside, &mine));
    rows.begin("call, p99 of 64 callers");
    let [queued, inline] = by_mode("call, 64 callers at once, p99", "us", everybody!(all, under_load, &mine));
    rows.add(queued.target_of(OVER_BARE, &[BARE]));
    rows.add(inline);
    Ok(())
}

/// Rows in which the system wakes another processor, which takes nearly all of the time. Their target is the best peer.
fn add(rows: &mut Rows, work: &str, unit: &str, figures: Vec<Figure>) {
    let [queued, inline] = by_mode(work, unit, figures);
    rows.add(queued.target_of(1.0, &ACTORS).target_of(OVER_BARE, &[BARE]));
    rows.add(inline.target_of(1.0, &ACTORS));
}

/// A runtime with one worker, pinned to a processor. Otherwise the system would put some pairs of threads on one processor and
/// others on two, and waking a thread on another processor takes ten times as long.
fn worker(processor: usize) -> Result<Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().on_thread_start(move || drop(pin(processor)));
    Ok(builder.build()?)
}

struct All {
    queued: Platform,
    inline: Platform,
    bare: Bare,
    kameo: Kameo,
    ractor: Ractor,
    actix: Actix,
}

/// The caller and the server share a thread. In one row the caller is a task, as in a service. In the other it is the future that
/// the thread blocks on, which polls the system for events at each wake-up.
fn same_worker(rows: &mut Rows) -> Result<(), Failure> {
    rows.begin("call, same worker");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (_app, service) = service(&runtime)?;
    let _entered = runtime.enter();
    let (queued, inline) = (Platform::queued(&service, CAPACITY)?, Platform::inline(&service, CAPACITY)?);
    let bare = Bare::start(CAPACITY);
    let kameo = Kameo::start(CAPACITY);
    let ractor = runtime.block_on(Ractor::start())?;
    let arbiter = actix::System::new();
    let actix = arbiter.block_on(async { Actix::start(CAPACITY) });
    let figures = in_turn(
        BUDGET,
        vec![
            Contender::new(QUEUED, || from_a_worker(&runtime, &queued)),
            Contender::new(INLINE, || from_a_worker(&runtime, &inline)),
            Contender::new(BARE, || from_a_worker(&runtime, &bare)),
            Contender::new(KAMEO, || from_a_worker(&runtime, &kameo)),
            Contender::new(RACTOR, || from_a_worker(&runtime, &ractor)),
            Contender::new(ACTIX, || {
                let actix = actix.clone();
                arbiter
                    .block_on(async { tokio::task::spawn_local(async move { called(&actix).await }).await })?
            }),
        ],
    );
    add_same_worker(rows, "call, same worker, from a task", figures);
    let figures = in_turn(
        BUDGET,
        vec![
            Contender::new(QUEUED, || runtime.block_on(called(&queued))),
            Contender::new(INLINE, || runtime.block_on(called(&inline))),
            Contender::new(BARE, || runtime.block_on(called(&bare))),
            Contender::new(KAMEO, || runtime.block_on(called(&kameo))),
            Contender::new(RACTOR, || runtime.block_on(called(&ractor))),
            Contender::new(ACTIX, || arbiter.block_on(called(&actix))),
        ],
    );
    add_same_worker(rows, "call, same worker, from block_on", figures);
    Ok(())
}

fn add_same_worker(rows: &mut Rows, work: &str, figures: Vec<Figure>) {
    let [queued, inline] = by_mode(work, "ns", figures);
    rows.add(queued.target_of(QUEUED_CALL, &BOUNDED).target_of(OVER_BARE, &[BARE]));
    rows.add(inline.target_of(1.0, &ACTORS));
}

async fn called(server: &impl Server) -> Result<f64, Failure> {
    let round = async {
        let began = Instant::now();
        for _ in 0..CALLS {
            server.call().await?;
        }
        Ok(nanoseconds_each(began.elapsed(), CALLS))
    };
    timeout(DEADLINE, round).await?
}

fn from_a_worker<S: Server>(mine: &Runtime, server: &S) -> Result<f64, Failure> {
    let server = server.clone();
    mine.block_on(mine.spawn(async move { called(&server).await }))?
}

/// A caller that is a thread and waits for each answer.
fn from_outside(mine: &Runtime, server: &impl Server) -> Result<f64, Failure> {
    let began = Instant::now();
    for _ in 0..CALLS {
        mine.block_on(async { timeout(DEADLINE, server.call()).await })??;
    }
    Ok(nanoseconds_each(began.elapsed(), CALLS))
}

/// Each caller always has one call in flight.
fn under_load<S: Server>(mine: &Runtime, server: &S) -> Result<f64, Failure> {
    let caller = |server: S| async move {
        let mut took = Vec::with_capacity(50);
        for _ in 0..50 {
            let began = Instant::now();
            timeout(DEADLINE, server.call()).await??;
            took.push(began.elapsed());
        }
        Ok::<_, Failure>(took)
    };
    let callers: Vec<_> = (0..CALLERS).map(|_| mine.spawn(caller(server.clone()))).collect();
    let mut took: Vec<Duration> = Vec::with_capacity(CALLERS * 50);
    for caller in callers {
        took.extend(mine.block_on(caller)??);
    }
    took.sort();
    Ok(took[took.len() * 99 / 100].as_secs_f64() * 1e6)
}
