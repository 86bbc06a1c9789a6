//! Accepting connections.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use app_core::listeners::{Accepting, Listener, is_out_of_descriptors};
use app_core::prelude::*;
use futures_util::FutureExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::ServerState;
use super::connection;
use super::handshakes::Handshakes;
use super::journal::SUMMARY_EVERY;
use super::threads::Spawners;
use crate::Refusal;
use crate::socket::{self, Movable};

/// The first pause after a failure to accept. Each following pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Accepts connections until `dying`, and runs their handshakes on this thread. Accepted clients go to the serving threads.
pub(super) async fn accept(
    listener: Listener,
    shared: &Arc<ServerState>,
    threads: &Spawners,
    dying: &CancellationToken,
) {
    let listener = match listener.accepting() {
        Ok(listener) => listener,
        Err(failed) => {
            error!(shared.journal.log(), "can't accept RPC connections: {failed}");
            return;
        }
    };
    let handshakes = Handshakes::new(shared.descriptors.handshakes);
    let mut reserve = Reserve::new();
    let mut failures = 0;
    let mut minutes = tokio::time::interval(SUMMARY_EVERY);
    loop {
        let accepted = tokio::select! {
            biased;
            () = dying.cancelled() => return,
            _ = minutes.tick() => {
                shared.journal.summarize();
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, from)) => {
                reserve.fill();
                if std::mem::take(&mut failures) > 0 {
                    info!(shared.journal.log(), "RPC connections are accepted again");
                }
                take(socket, from, shared, threads, &handshakes);
            }
            Err(error) if of_one_connection(&error) => {}
            Err(error) => {
                if failures == 0 {
                    warn!(shared.journal.log(), "can't accept RPC connections, will try again"; "err" => %error);
                }
                failures += 1;
                reserve.fill();
                if is_out_of_descriptors(&error) && handshakes.make_room() {
                    // A silent client gives its descriptor back.
                    tokio::task::yield_now().await;
                    continue;
                }
                match if is_out_of_descriptors(&error) { reserve.accept(&listener) } else { None } {
                    Some(Ok(from)) => {
                        shared.counts.accepted();
                        let detail = "no file descriptor is left (ulimit -n)";
                        shared.refuse(from, None, Refusal::OutOfDescriptors, detail);
                        continue;
                    }
                    // The client has gone, or another process took it.
                    Some(Err(NoneWaiting)) => continue,
                    None => {}
                }
                let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(7)).min(LONGEST_PAUSE);
                tokio::select! {
                    () = dying.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
}

/// Whether a failure to accept concerns only this connection. Most other failures are a lack of file descriptors.
fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// No connection waits to be accepted.
struct NoneWaiting;

/// A spare file descriptor for the time when there is no other. With it a client is refused at once and goes elsewhere. Without it
/// the client would wait in the queue of the system.
struct Reserve(Option<File>);

impl Reserve {
    fn new() -> Self {
        let mut new = Self(None);
        new.fill();
        new
    }

    fn fill(&mut self) {
        if self.0.is_none() {
            self.0 = File::open("/dev/null").ok();
        }
    }

    /// Accepts a connection and closes it. `None` if there is no spare descriptor, or another thread took it.
    fn accept(&mut self, listener: &Accepting) -> Option<Result<SocketAddr, NoneWaiting>> {
        drop(self.0.take()?);
        let accepted = listener.accept().now_or_never().map(|accepted| accepted.map(|(_, from)| from));
        self.fill();
        match accepted {
            Some(accepted) => accepted.ok().map(Ok),
            None => Some(Err(NoneWaiting)),
        }
    }
}

fn take(
    socket: TcpStream,
    from: SocketAddr,
    shared: &Arc<ServerState>,
    threads: &Spawners,
    handshakes: &Handshakes,
) {
    shared.counts.accepted();
    if shared.counts.active() >= shared.live().config.max_connections {
        // A refusal before the handshake saves its cost.
        shared.refuse(from, None, Refusal::TooManyConnections, "as many connections are open as may be");
        return;
    }
    socket::prepare(&socket);
    let (own, others, handshake) = (Arc::clone(shared), threads.clone(), handshakes.begin(from));
    let sent = threads
        .accepting()
        .spawn(move || connection::run(own, Movable::new(socket), from, handshake, others));
    if sent.is_err() {
        shared.refuse(from, None, Refusal::TooManyHandshakes, "the thread that shakes hands is busy");
    }
}
