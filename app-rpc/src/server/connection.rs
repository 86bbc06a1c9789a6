//! One connection of a server, from the handshake to its end.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use app_core::prelude::Duration;
use app_tls::RevocationWatch;
use capnp::capability;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::ServerState;
use super::admission::{Admitted, admit};
use super::calls::PeerCalls;
use super::generations::Generations;
use super::handshakes::Handshake;
use super::threads::Spawners;
use crate::clock;
use crate::connection::{self, Control, System, not_executed};
use crate::socket::Movable;
use crate::{End, Refusal, words};

/// Makes the handshake with a client on this thread, and gives the client to a thread that serves its role.
pub(super) async fn run(
    shared: Arc<ServerState>,
    socket: Movable,
    from: SocketAddr,
    handshake: Handshake,
    threads: Spawners,
) {
    let Some(mut admitted) = admit(&shared, socket, from, handshake).await else { return };
    if let Err(error) = admitted.stream.get_mut().0.leave() {
        return shared.refuse(from, None, Refusal::Disconnected, &words::of_io(&error));
    }
    let (own, serving) = (Arc::clone(&shared), threads.serving(admitted.peer.role).clone());
    let sent = serving.spawn(move || async move {
        match admitted.stream.get_mut().0.arrive() {
            Ok(()) => serve_client(&own, admitted).await,
            Err(error) => own.refuse(from, None, Refusal::Disconnected, &words::of_io(&error)),
        }
    });
    if sent.is_err() {
        shared.refuse(from, None, Refusal::TooManyHandshakes, "the threads that serve are busy");
    }
}

/// Serves an accepted client until the connection ends.
pub(super) async fn serve_client<S>(shared: &Arc<ServerState>, admitted: Admitted<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let Admitted { stream, peer, limits, age, valid_until, revocation, account_slot, active } = admitted;
    shared.counts.established();
    shared.journal.established(peer.address, &peer.certificate);
    let (from, certificate) = (peer.address, &peer.certificate);
    let Ok(bootstrap) = catch_unwind(AssertUnwindSafe(|| shared.bootstrap.make(&peer))) else {
        shared.counts.ended(End::Panicked, 0);
        return shared.journal.ended(from, certificate, End::Panicked, "the bootstrap panicked");
    };
    let memory = account_slot.account().memory().clone();
    let control = Rc::new(Control::watched(limits, memory, Some(Rc::new(PeerCalls::new(shared, &peer)))));
    let bounds =
        Bounds { age, valid_until, revocation, stop: &shared.stop, generations: &shared.generations };
    let (end, detail) = serve(stream, bootstrap, &control, bounds).await;
    shared.counts.ended(end, control.refusals());
    shared.journal.ended(from, certificate, end, &detail);
    drop((account_slot, active));
}

/// What ends a connection from the side of the server.
struct Bounds<'a> {
    age: Duration,
    /// When the first certificate of the client's chain expires.
    valid_until: SystemTime,
    revocation: RevocationWatch,
    stop: &'a CancellationToken,
    generations: &'a Generations,
}

/// Serves calls until the connection ends, and returns the reason.
async fn serve<S>(
    stream: S,
    bootstrap: capability::Client,
    control: &Rc<Control>,
    bounds: Bounds<'_>,
) -> (End, String)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let system = System::server(stream, Some(bootstrap), control);
    let closing = async {
        close_when_due(control, bounds).await;
        std::future::pending().await
    };
    tokio::select! {
        biased;
        ended = connection::run(system) => ended,
        ended = closing => ended,
    }
}

/// Waits until the connection has to end, and ends it.
async fn close_when_due(control: &Control, bounds: Bounds<'_>) {
    let Bounds { age, valid_until, revocation, stop, generations } = bounds;
    let generation = generations.current();
    let (end, reason) = tokio::select! {
        biased;
        () = stop.cancelled() => (End::Stopping, "the server stops"),
        () = generation.retired() => (End::Stopping, "the server stops"),
        () = revocation.revoked() => (End::Revoked, "the client's certificate was revoked"),
        () = clock::passed(valid_until) => (End::Expired, "the client's certificate has expired"),
        () = control.worn_out() => (End::TooOld, "the connection is worn out, make a new one"),
        () = sleep(age) => (End::TooOld, "the connection is too old, make a new one"),
        () = idle(control) => (End::Idle, "the connection was idle"),
    };
    control.refuse_calls(reason);
    let drained = timeout(generations.drain(control.limits().drain), control.answered()).await.is_ok();
    // If no call runs now, a call without an answer was not executed. Otherwise it may have been.
    control.close(
        end,
        if drained {
            not_executed(reason)
        } else {
            capnp::Error::disconnected(format!("{reason}; the call was cancelled"))
        },
    );
}

/// Waits until the connection was without a message and without a running call for the idle limit.
async fn idle(control: &Control) {
    let limit = control.limits().idle;
    loop {
        let until = control.last_message() + limit;
        sleep_until(until).await;
        if control.running() > 0 || control.queued() > 0 {
            sleep(limit).await;
        } else if control.last_message() + limit <= Instant::now() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
