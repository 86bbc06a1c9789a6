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

use super::Shared;
use super::admission::{Admitted, admit};
use super::handshakes::Handshake;
use super::threads::Spawners;
use crate::clock;
use crate::connection::{self, Control, System, not_executed};
use crate::socket::Movable;
use crate::{End, Refusal, words};

/// Shakes hands with a client that connected, on this thread, and gives it to one that serves clients with its role.
pub(super) async fn run(
    shared: Arc<Shared>,
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
            Ok(()) => converse(&own, admitted).await,
            Err(error) => own.refuse(from, None, Refusal::Disconnected, &words::of_io(&error)),
        }
    });
    if sent.is_err() {
        shared.refuse(from, None, Refusal::TooManyHandshakes, "the threads that serve are busy");
    }
}

/// Serves a client that was let in, until the connection ends.
pub(super) async fn converse<S>(shared: &Shared, admitted: Admitted<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let Admitted { stream, peer, limits, age, valid_until, revocation, seat, active } = admitted;
    shared.counts.established();
    shared.journal.established(peer.address, &peer.certificate);
    let (from, certificate) = (peer.address, &peer.certificate);
    let Ok(bootstrap) = catch_unwind(AssertUnwindSafe(|| shared.bootstrap.make(&peer))) else {
        shared.counts.ended(End::Panicked, 0);
        return shared.journal.ended(from, certificate, End::Panicked, "the bootstrap panicked");
    };
    let control = Rc::new(Control::new(limits, seat.account().memory().clone()));
    let bounds = Bounds { age, valid_until, revocation, stop: &shared.stop };
    let (end, detail) = serve(stream, bootstrap, &control, bounds).await;
    shared.counts.ended(end, control.refusals());
    shared.journal.ended(from, certificate, end, &detail);
    drop((seat, active));
}

/// What ends a connection, apart from what happens on it.
struct Bounds<'a> {
    age: Duration,
    /// When the first certificate of the client's chain ends.
    valid_until: SystemTime,
    revocation: RevocationWatch,
    stop: &'a CancellationToken,
}

/// Serves calls until the connection ends, and says why it did.
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
        see_to_its_end(control, bounds).await;
        std::future::pending().await
    };
    tokio::select! {
        biased;
        ended = connection::run(system) => ended,
        ended = closing => ended,
    }
}

/// Waits until the connection has to end, and tells it to.
async fn see_to_its_end(control: &Control, bounds: Bounds<'_>) {
    let Bounds { age, valid_until, revocation, stop } = bounds;
    let (end, reason) = tokio::select! {
        biased;
        () = stop.cancelled() => (End::Stopping, "the server stops"),
        () = revocation.revoked() => (End::Revoked, "the client's certificate was revoked"),
        () = clock::passed(valid_until) => (End::Expired, "the client's certificate has expired"),
        () = control.worn_out() => (End::TooOld, "the connection is worn out, make a new one"),
        () = sleep(age) => (End::TooOld, "the connection is too old, make a new one"),
        () = idle(control) => (End::Idle, "the connection was idle"),
    };
    control.refuse_calls(reason);
    let drained = timeout(control.limits().drain, control.answered()).await.is_ok();
    // What was not answered by now was not executed, if nothing runs; otherwise nobody knows.
    control.close(
        end,
        if drained {
            not_executed(reason)
        } else {
            capnp::Error::disconnected(format!("{reason}; the call was cancelled"))
        },
    );
}

/// Waits until nothing has happened on the connection for as long as may be.
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
