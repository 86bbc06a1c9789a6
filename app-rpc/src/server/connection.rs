//! One connection of a server, from the handshake to its end.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use app_core::{prelude::Duration, show_duration};
use capnp::capability;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::handshakes::Handshake;
use super::{Live, Shared};
use crate::connection::{self, Control, System, not_executed};
use crate::tls::{Revocation, clock, valid_until, witnessed};
use crate::{Certificate, End, Limits, Peer, Refusal, words};

/// A handshake that is counted, until it is dropped.
struct Connecting<'a>(&'a AtomicUsize);

impl<'a> Connecting<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves a client that connected.
pub(super) async fn run(
    shared: Arc<Shared>,
    socket: std::net::TcpStream,
    from: SocketAddr,
    handshake: Handshake,
) {
    let stream = match TcpStream::from_std(socket) {
        Ok(stream) => stream,
        Err(error) => {
            shared.counts.refused(Refusal::Disconnected);
            return shared.journal.refused(from, None, Refusal::Disconnected, &words::of_io(&error));
        }
    };
    converse(shared, stream, from, handshake).await;
}

/// Serves a client at the other end of a stream.
pub(super) async fn converse<S>(shared: Arc<Shared>, stream: S, from: SocketAddr, handshake: Handshake)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let live = shared.live();
    let connecting = Connecting::of(shared.counts.connecting());
    let (result, refused) = shake_hands(&shared, &live, stream, &handshake).await;
    drop((handshake, connecting));
    let (stream, certificate, shown) = match result {
        Ok(established) => established,
        Err((why, detail)) => {
            shared.counts.refused(why);
            shared.journal.refused(from, refused.as_ref(), why, &detail);
            return;
        }
    };
    let most = live.config.max_connections;
    let Some(_active) = shared.counts.enter(most) else {
        let why = Refusal::TooManyConnections;
        shared.counts.refused(why);
        shared.journal.refused(from, Some(&certificate), why, "as many connections are open as may be");
        return turn_away(stream, &live.config.limits).await;
    };
    let Ok(seat) = shared.accounts.enter(certificate.identity, most) else {
        return turn_away(stream, &live.config.limits).await;
    };
    shared.counts.established();
    shared.journal.established(from, &certificate);
    let peer = Peer::new(from, certificate, shared.grants.clone(), Arc::clone(seat.account()));
    let Ok(bootstrap) = catch_unwind(AssertUnwindSafe(|| shared.bootstrap.make(&peer))) else {
        shared.counts.ended(End::Panicked, 0);
        return shared.journal.ended(from, &peer.certificate, End::Panicked, "the bootstrap panicked");
    };
    let limits = live.config.limits;
    let age = live.config.max_connection_age;
    // Old keys are not kept by connections that were made with them.
    drop(live);
    let control = Rc::new(Control::new(limits));
    let (revocation, valid_until) = shown;
    let bounds = Bounds { age, valid_until, revocation, stop: &shared.stop };
    let (end, detail) = serve(stream, bootstrap, &control, bounds).await;
    shared.counts.ended(end, control.refusals());
    shared.journal.ended(from, &peer.certificate, end, &detail);
}

type Established<S> = (TlsStream<S>, Certificate, (Revocation, SystemTime));

/// The TLS handshake, and the certificate that was shown in it.
async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared,
    live: &Live,
    socket: S,
    handshake: &Handshake,
) -> (Result<Established<S>, (Refusal, String)>, Option<Certificate>) {
    let limit = live.config.limits.handshake;
    let accepting = TlsAcceptor::from(Arc::clone(&live.tls)).accept(socket);
    let (result, mut shown) = witnessed(async {
        let refused = |why, detail: &str| Err(Failed::Refused(why, detail.to_owned()));
        tokio::select! {
            biased;
            result = timeout(limit, accepting) => match result {
                Ok(accepted) => accepted.map_err(Failed::Handshake),
                Err(_) => refused(Refusal::HandshakeTimeout, &format!("no handshake within {}", show_duration(limit))),
            },
            () = handshake.displaced() => {
                refused(Refusal::TooManyHandshakes, "too many others connect at the same time")
            }
            () = shared.stop.cancelled() => refused(Refusal::Stopping, "the server stops"),
        }
    })
    .await;
    let result = result.map_err(|failed| match failed {
        Failed::Handshake(error) => words::of_handshake(&error, &mut shown),
        Failed::Refused(why, detail) => (why, detail),
    });
    let result = result.and_then(|stream| {
        let (_, session) = stream.get_ref();
        let chain = session.peer_certificates().unwrap_or_default();
        let certificate = chain.first().and_then(|leaf| Certificate::parse(leaf));
        let unreadable = || (Refusal::BadCertificate, "its certificate can't be read".to_owned());
        let certificate = certificate.ok_or_else(unreadable)?;
        let revocation = Revocation::of(chain, shared.revoked.subscribe());
        let valid_until = valid_until(chain, clock::now()).unwrap_or(certificate.not_after);
        Ok((stream, certificate, (revocation, valid_until)))
    });
    (result, shown.certificate)
}

/// Why there was no handshake.
enum Failed {
    Handshake(std::io::Error),
    Refused(Refusal, String),
}

/// Tells a client that it can't be served, and closes.
async fn turn_away<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S, limits: &Limits) {
    let control = Rc::new(Control::new(*limits));
    control.close(End::Stopping, not_executed("as many connections are open as may be"));
    connection::run(System::server(stream, None, &control)).await;
}

/// What ends a connection, apart from what happens on it.
struct Bounds<'a> {
    age: Duration,
    /// When the first certificate of the client's chain ends.
    valid_until: SystemTime,
    revocation: Revocation,
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
        () = revocation.happens() => (End::Revoked, "the client's certificate was revoked"),
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
