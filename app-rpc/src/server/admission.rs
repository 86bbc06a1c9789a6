//! Accepting a client: the TLS handshake, and a slot for the connection.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use app_core::duration::show_duration;
use app_core::prelude::Duration;
use app_tls::{RevocationWatch, record_handshake, valid_until};
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::counts::Active;
use super::handshakes::Handshake;
use super::{Live, ServerState};
use crate::accounts::AccountSlot;
use crate::clock;
use crate::connection::{self, Control, Memory, System, not_executed};
use crate::{Certificate, End, Limits, Peer, Refusal, Role, words};

/// An accepted client with its slots. It can move to another thread.
pub(super) struct Admitted<S> {
    pub(super) stream: TlsStream<S>,
    pub(super) peer: Peer,
    pub(super) limits: Limits,
    pub(super) age: Duration,
    /// When the first certificate of the client's chain expires.
    pub(super) valid_until: SystemTime,
    pub(super) revocation: RevocationWatch,
    pub(super) account_slot: AccountSlot,
    pub(super) active: Active,
}

/// Makes the handshake with a client, and takes its slots. A client that is refused is told the reason, counted and logged.
pub(super) async fn admit<S>(
    shared: &ServerState,
    stream: S,
    from: SocketAddr,
    handshake: Handshake,
) -> Option<Admitted<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let live = shared.live();
    let connecting = Connecting::of(shared.counts.connecting());
    let (result, shown) = run_handshake(shared, &live, stream, &handshake).await;
    drop(connecting);
    let (stream, certificate, (revocation, valid_until)) = match result {
        Ok(established) => established,
        Err((why, detail)) => {
            shared.refuse(from, shown.as_ref(), why, &detail);
            return None;
        }
    };
    let slots = take_slots(shared, &live, &certificate);
    let limits = Limits { capabilities: shared.bootstrap.capabilities, ..live.config.limits };
    let age = live.config.max_connection_age;
    // Otherwise a connection would keep an old key after a reload.
    drop(live);
    match slots {
        Ok((account_slot, active)) => {
            let account = Arc::clone(account_slot.account());
            account.memory().set_limit(limits.peer_memory_bytes);
            let peer = Peer::new(from, certificate, shared.grants.clone(), account);
            Some(Admitted { stream, peer, limits, age, valid_until, revocation, account_slot, active })
        }
        Err((why, detail)) => {
            shared.refuse(from, Some(&certificate), why, detail);
            // It still counts as a handshake, so a client that does not go is displaced by others.
            tokio::select! {
                () = turn_away(stream, limits, shared.accounts.memory_of(false).clone(), detail) => {}
                () = handshake.displaced() => {}
            }
            None
        }
    }
}

/// Takes a slot of the certificate, and a slot of the server.
fn take_slots(
    shared: &ServerState,
    live: &Live,
    certificate: &Certificate,
) -> Result<(AccountSlot, Active), (Refusal, &'static str)> {
    let most = live.config.connections_of_client();
    let is_granted = shared.grants.role(certificate) > Role::Read;
    let account_slot = shared.accounts.enter(certificate.identity, most, is_granted);
    let of_certificate = "as many connections of its certificate are open as may be (maxClientConns)";
    let account_slot = account_slot.map_err(|_| (Refusal::TooManyOfCertificate, of_certificate))?;
    let active = shared.counts.enter(live.slots(), is_granted, account_slot.account().connections());
    let of_all = "as many connections are open as may be (maxConns)";
    Ok((account_slot, active.ok_or((Refusal::TooManyConnections, of_all))?))
}

/// Tells a client why it can't be served, and closes.
async fn turn_away<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    stream: TlsStream<S>,
    limits: Limits,
    memory: Memory,
    why: &str,
) {
    let control = Rc::new(Control::new(limits, memory));
    control.close(End::Stopping, not_executed(why));
    connection::run(System::server(stream, None, &control)).await;
}

/// A counted handshake, until this is dropped.
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

type Established<S> = (TlsStream<S>, Certificate, (RevocationWatch, SystemTime));

/// Makes the TLS handshake. The result comes with the certificate that the client showed.
async fn run_handshake<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &ServerState,
    live: &Live,
    socket: S,
    handshake: &Handshake,
) -> (Result<Established<S>, (Refusal, String)>, Option<Certificate>) {
    let limit = live.config.limits.handshake;
    let accepting = async {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
        handshake.received_hello();
        hello.into_stream(Arc::clone(&live.tls)).await
    };
    let (result, mut shown) = record_handshake(async {
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
        let revocation = RevocationWatch::new(chain, shared.revoked.subscribe());
        let valid_until = valid_until(chain, clock::now()).unwrap_or(certificate.not_after);
        Ok((stream, certificate, (revocation, valid_until)))
    });
    (result, shown.certificate)
}

/// Why a handshake failed.
enum Failed {
    Handshake(std::io::Error),
    Refused(Refusal, String),
}
