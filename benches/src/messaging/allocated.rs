//! Allocations of a message, on all threads of the process. The program has an allocator that counts.

use std::{process::ExitCode, sync::Arc};

use tokio::{runtime::Runtime, time::timeout};

use super::{
    CONFIRMED, DEADLINE, OURS, PLAIN, SAME, UNCONFIRMED,
    gate::Gate,
    ours::Ours,
    peer::{Acks, Form, Peer},
    server,
};
use crate::{
    Allocated,
    report::{Figure, Row},
    rounds::Failure,
    rows::{Rows, exit_code},
};

const COUNT: u64 = 4_096;

/// The body of the counting program for messages. `allocated` reads its allocator.
#[must_use]
pub fn message_allocations(allocated: impl Fn() -> Allocated) -> ExitCode {
    exit_code(rows(&mut Rows::of_this_process(), &allocated))
}

struct Counting<'a> {
    runtime: Runtime,
    allocated: &'a dyn Fn() -> Allocated,
}

impl Counting<'_> {
    /// Allocations of one repetition, after some that warm up.
    fn figure<Work: Future<Output = Result<(), Failure>>>(
        &self,
        who: &str,
        work: impl Fn(u64) -> Work,
    ) -> Figure {
        let counted = self.runtime.block_on(async {
            timeout(DEADLINE, work(COUNT)).await??;
            let before = (self.allocated)().times;
            timeout(DEADLINE, work(COUNT)).await??;
            Ok::<_, Failure>(((self.allocated)().times - before) as f64 / COUNT as f64)
        });
        match counted {
            Ok(value) => Figure { rounds: vec![Some(value)], ..Figure::new(who) },
            Err(failure) => Figure { failed: Some(failure.to_string()), ..Figure::new(who) },
        }
    }
}

fn rows(rows: &mut Rows, allocated: &dyn Fn() -> Allocated) -> Result<(), Failure> {
    // One thread, so that the counts repeat.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let counting = Counting { runtime, allocated };
    let inside = counting.runtime.block_on(Ours::inside())?;
    let figure = counting.figure(OURS, |count| inside.to_a_subscriber(count));
    rows.add(Row::new(
        "allocations of an event inside of the process, published and handled",
        "",
        vec![figure],
    ));
    drop(inside);
    let Some(server) = server() else { return Ok(()) };
    let ours = counting.runtime.block_on(Ours::over(&server.url()))?;
    let peer = counting.runtime.block_on(Peer::connect(&server.url()))?;
    let figures = vec![
        counting.figure(OURS, |count| ours.publish(count)),
        counting.figure(SAME, |count| peer.publish(Form::Same, count)),
        counting.figure(PLAIN, |count| peer.publish(Form::Plain, count)),
    ];
    rows.add(Row::new("allocations of a published event", "", figures));
    let figures = vec![
        counting.figure(OURS, |count| ours.send(count)),
        counting.figure(SAME, |count| peer.send(Form::Same, count)),
        counting.figure(PLAIN, |count| peer.send(Form::Plain, count)),
    ];
    rows.add(Row::new("allocations of a message that is sent and stored", "", figures));
    let figures = vec![
        counting.figure(OURS, |count| ours.ask(1, count)),
        counting.figure(SAME, |count| peer.ask(Form::Same, 1, count)),
        counting.figure(PLAIN, |count| peer.ask(Form::Plain, 1, count)),
    ];
    rows.add(Row::new("allocations of a request and its answer, both sides", "", figures));
    handling(rows, &counting, &ours, &peer)
}

fn handling(rows: &mut Rows, counting: &Counting<'_>, ours: &Ours, peer: &Peer) -> Result<(), Failure> {
    let runtime = &counting.runtime;
    // Twice as many, for the repetition that warms up.
    runtime.block_on(ours.fill(2 * COUNT))?;
    runtime.block_on(peer.fill(Acks::Confirmed, 2 * COUNT))?;
    runtime.block_on(peer.fill(Acks::Unconfirmed, 2 * COUNT))?;
    let gates = [
        (OURS, runtime.block_on(ours.consume())?),
        (CONFIRMED, runtime.block_on(peer.consume(Acks::Confirmed))?),
        (UNCONFIRMED, runtime.block_on(peer.consume(Acks::Unconfirmed))?),
    ];
    let through = |gate: &Arc<Gate>, count| {
        let gate = Arc::clone(gate);
        async move {
            gate.lets_through(count).await;
            Ok(())
        }
    };
    let figures =
        gates.iter().map(|(who, gate)| counting.figure(who, |count| through(gate, count))).collect();
    rows.add(Row::new("allocations of a stored message that is handled", "", figures));
    Ok(())
}
