//! capnp-rpc on a connection, from the start to an orderly end.
//!
//! Parts of capnp-rpc refer to each other. If it is dropped without an orderly end, they can stay for ever, with calls and results.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use capnp::capability::Client;
use capnp_rpc::RpcSystem;
use capnp_rpc::rpc_twoparty_capnp::Side;
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite};

use super::network::{StreamCloser, TwoPartyNetwork};
use super::{Control, End};

/// How long a closing connection may take to tell its peer.
const CLOSING: Duration = Duration::from_secs(3);

/// capnp-rpc on a stream.
pub(crate) struct System<S> {
    rpc: RpcSystem<Side>,
    control: Rc<Control>,
    closer: StreamCloser<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> System<S> {
    /// The side of a server, with the capability that clients may call.
    pub(crate) fn server(stream: S, bootstrap: Option<Client>, control: &Rc<Control>) -> Self {
        let network = TwoPartyNetwork::new(stream, Side::Server, Rc::clone(control));
        let closer = network.closer();
        Self { rpc: RpcSystem::new(Box::new(network), bootstrap), control: Rc::clone(control), closer }
    }

    /// The side of a client, and the capability that it may call.
    pub(crate) fn client(stream: S, control: &Rc<Control>) -> (Self, Client) {
        let network = TwoPartyNetwork::new(stream, Side::Client, Rc::clone(control));
        let closer = network.closer();
        let mut rpc = RpcSystem::new(Box::new(network), None);
        let client = rpc.bootstrap(Side::Server);
        (Self { rpc, control: Rc::clone(control), closer }, client)
    }
}

/// Runs the connection to its end, and returns the reason.
pub(crate) async fn run<S>(system: System<S>) -> (End, String) {
    let System { mut rpc, control, closer } = system;
    let closing = async {
        control.closed().await;
        tokio::time::sleep(CLOSING).await;
    };
    let result = tokio::select! {
        biased;
        result = drive(&mut rpc, &control) => result,
        () = closing => Ok(()),
    };
    drop(closer);
    // Dropping the remains of a panicked handler may panic too.
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(rpc)));
    if dropped.is_err() {
        control.note(End::Panicked);
    }
    control.settle();
    let end = control.end().unwrap_or(if result.is_ok() { End::PeerClosed } else { End::Protocol });
    let why =
        control.why().or_else(|| result.err().map(|error| error.extra)).unwrap_or_else(|| end.to_string());
    (end, why)
}

/// Drives capnp-rpc to its end. After a panic in it, or in a handler, it reads nothing more and only tells the peer. Its memory of
/// that moment may stay for ever.
async fn drive(rpc: &mut RpcSystem<Side>, control: &Control) -> capnp::Result<()> {
    for _ in 0..2 {
        match AssertUnwindSafe(&mut *rpc).catch_unwind().await {
            Ok(result) => return result,
            Err(_) => control.abort(End::Panicked, "a handler panicked"),
        }
    }
    Err(capnp::Error::failed("it panicked, and again when it was to end".to_owned()))
}
