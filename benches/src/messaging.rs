//! Messages over one local server, beside async-nats alone, and messages inside of this process.
//!
//! Both sides have one connection, to the same server. The targets refer to the peer that sends the same message with the same
//! guarantees: the same content, packed, with the same headers. The lines without them show what these cost.

mod allocated;
mod content;
mod gate;
mod ours;
mod peer;

use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

// The support of tests with servers takes ports at random.
use fastrand as _;
use tokio::{runtime::Runtime, task::JoinSet, time::timeout};

pub use self::allocated::message_allocations;
use self::{
    ours::Ours,
    peer::{Acks, Form, Peer},
};
use crate::{
    nats::{NatsProgram, NatsServer},
    report::{Figure, Row},
    rounds::{Budget, Contender, Failure, in_turn},
    rows::Rows,
};

const OURS: &str = "app-messaging";
const SAME: &str = "async-nats, the same message";
const PLAIN: &str = "async-nats, payload ready, no headers";
const CONFIRMED: &str = "async-nats, double_ack";
const UNCONFIRMED: &str = "async-nats, ack without an answer";

/// Messages in one round.
const PUBLISHED: u64 = 20_000;
const SENT: u64 = 4_096;
const HANDLED: u64 = 4_096;
const ASKED_ALONE: u64 = 400;
const ASKED: u64 = 4_096;
const INSIDE: u64 = 200_000;

/// Sends that wait for their acknowledgements.
const WAITING: u64 = 256;
/// Messages that are handled at once, and requests that wait for their answers.
const IN_FLIGHT: u64 = 64;

const BUDGET: Budget = Budget::new(31, 15);
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) fn rows(rows: &mut Rows) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    inside(rows, &runtime)?;
    let Some(server) = server() else {
        let skipped = Figure { failed: Some(SKIPPED.to_owned()), ..Figure::new(OURS) };
        rows.add(Row::new("messages over a NATS server", "messages/s", vec![skipped]));
        return Ok(());
    };
    let ours = runtime.block_on(Ours::over(&server.url()))?;
    let peer = runtime.block_on(Peer::connect(&server.url()))?;
    sending(rows, &runtime, &ours, &peer);
    handling(rows, &runtime, &ours, &peer)?;
    asking(rows, &runtime, &ours, &peer);
    rows.add_those_of("message_allocations")
}

const SKIPPED: &str = "skipped, because no nats-server was found; install one, or set NATS_SERVERS";

/// The newest server of this machine. `None` when there is none.
fn server() -> Option<NatsServer> {
    let program = NatsProgram::newest()?;
    let (major, minor, patch) = program.version;
    let _ = writeln!(std::io::stderr(), "nats-server {major}.{minor}.{patch}");
    Some(program.start())
}

fn inside(rows: &mut Rows, runtime: &Runtime) -> Result<(), Failure> {
    let what = "events inside of the process, one publisher and one subscriber";
    rows.begin(what);
    let ours = runtime.block_on(Ours::inside())?;
    let round = || rate(runtime, INSIDE, ours.to_a_subscriber(INSIDE));
    let figures = in_turn(BUDGET, vec![Contender::new(OURS, round)]);
    rows.add(Row::new(what, "messages/s", figures).higher_is_better().target(2e6));
    Ok(())
}

fn sending(rows: &mut Rows, runtime: &Runtime, ours: &Ours, peer: &Peer) {
    let what = "events published";
    rows.begin(what);
    let figures = in_turn(
        BUDGET,
        vec![
            Contender::new(OURS, || rate(runtime, PUBLISHED, ours.publish(PUBLISHED))),
            Contender::new(SAME, || rate(runtime, PUBLISHED, peer.publish(Form::Same, PUBLISHED))),
            Contender::new(PLAIN, || rate(runtime, PUBLISHED, peer.publish(Form::Plain, PUBLISHED))),
        ],
    );
    rows.add(Row::new(what, "messages/s", figures).higher_is_better().target_of(0.95, &[SAME]));

    let what = format!("messages sent and stored, {WAITING} wait for their acknowledgements");
    rows.begin(&what);
    let figures = in_turn(
        BUDGET,
        vec![
            Contender::new(OURS, || rate(runtime, SENT, ours.send(SENT))),
            Contender::new(SAME, || rate(runtime, SENT, peer.send(Form::Same, SENT))),
            Contender::new(PLAIN, || rate(runtime, SENT, peer.send(Form::Plain, SENT))),
        ],
    );
    rows.add(Row::new(what, "messages/s", figures).higher_is_better().target_of(1.0, &[SAME]));
}

fn handling(rows: &mut Rows, runtime: &Runtime, ours: &Ours, peer: &Peer) -> Result<(), Failure> {
    let what = format!("stored messages handled, {IN_FLIGHT} in flight");
    rows.begin(&what);
    let ours_handles = runtime.block_on(ours.consume())?;
    let confirmed = runtime.block_on(peer.consume(Acks::Confirmed))?;
    let unconfirmed = runtime.block_on(peer.consume(Acks::Unconfirmed))?;
    let by_peer = |acks, gate: &Arc<gate::Gate>| {
        runtime.block_on(async { timeout(DEADLINE, peer.fill(acks, HANDLED)).await })??;
        handled(runtime, gate)
    };
    let figures = in_turn(
        BUDGET,
        vec![
            Contender::new(OURS, || {
                runtime.block_on(async { timeout(DEADLINE, ours.fill(HANDLED)).await })??;
                handled(runtime, &ours_handles)
            }),
            Contender::new(CONFIRMED, || by_peer(Acks::Confirmed, &confirmed)),
            Contender::new(UNCONFIRMED, || by_peer(Acks::Unconfirmed, &unconfirmed)),
        ],
    );
    rows.add(Row::new(what, "messages/s", figures).higher_is_better().target_of(0.95, &[CONFIRMED]));
    Ok(())
}

fn asking(rows: &mut Rows, runtime: &Runtime, ours: &Ours, peer: &Peer) {
    for (in_flight, count) in [(1, ASKED_ALONE), (IN_FLIGHT, ASKED)] {
        let what = format!("requests and their answers, {in_flight} at a time");
        rows.begin(&what);
        let figures = in_turn(
            BUDGET,
            vec![
                Contender::new(OURS, || rate(runtime, count, ours.ask(in_flight, count))),
                Contender::new(SAME, || rate(runtime, count, peer.ask(Form::Same, in_flight, count))),
                Contender::new(PLAIN, || rate(runtime, count, peer.ask(Form::Plain, in_flight, count))),
            ],
        );
        rows.add(Row::new(what, "requests/s", figures).higher_is_better().target_of(0.95, &[SAME]));
    }
}

/// A round: how many a second.
fn rate(
    runtime: &Runtime,
    count: u64,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<f64, Failure> {
    let began = Instant::now();
    runtime.block_on(async { timeout(DEADLINE, work).await? })?;
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// A round of a consumer whose messages wait: how many it handles a second.
fn handled(runtime: &Runtime, gate: &gate::Gate) -> Result<f64, Failure> {
    let took = runtime.block_on(async { timeout(DEADLINE, gate.lets_through(HANDLED)).await })?;
    Ok(HANDLED as f64 / took.as_secs_f64())
}

/// Repeats the work `count` times, `in_flight` at a time, each in a task of its own.
async fn concurrently<W, Run>(in_flight: u64, count: u64, work: W) -> Result<(), Failure>
where
    W: Fn() -> Run + Clone + Send + 'static,
    Run: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for _ in 0..in_flight {
        let work = work.clone();
        tasks.spawn(async move {
            for _ in 0..count / in_flight {
                work().await?;
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}
