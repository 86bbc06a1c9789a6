//! Accepting, until told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use app_core::prelude::*;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::connection;
use super::handshakes::Handshakes;
use crate::Refusal;
use crate::threads::LocalSpawner;

/// The first pause after a failure to accept; each that follows is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Accepts connections, and gives them to the threads, until `dying`.
pub(super) async fn accept(
    listener: TcpListener,
    shared: &Arc<Shared>,
    spawner: &LocalSpawner,
    dying: &CancellationToken,
) {
    let handshakes = Handshakes::default();
    let mut failures = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            () = dying.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, from)) => {
                if std::mem::take(&mut failures) > 0 {
                    info!(shared.journal.log(), "RPC connections are accepted again");
                }
                take(socket, from, shared, spawner, &handshakes);
            }
            Err(error) if of_one_connection(&error) => {}
            Err(error) => {
                if failures == 0 {
                    warn!(shared.journal.log(), "can't accept RPC connections, will try again"; "err" => %error);
                }
                let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(7)).min(LONGEST_PAUSE);
                failures += 1;
                tokio::select! {
                    () = dying.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
}

/// Whether a failure to accept is of the one connection only. Others are mostly that there are no file descriptors.
fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

fn take(
    socket: TcpStream,
    from: SocketAddr,
    shared: &Arc<Shared>,
    spawner: &LocalSpawner,
    handshakes: &Handshakes,
) {
    shared.counts.accepted();
    let most = shared.live().config.max_connections;
    if shared.counts.active() >= most {
        // Before the handshake, which costs something.
        refuse(shared, from, Refusal::TooManyConnections, "as many connections are open as may be");
        return;
    }
    let _ = socket.set_nodelay(true);
    let socket = match socket.into_std() {
        Ok(socket) => socket,
        Err(error) => return refuse(shared, from, Refusal::Disconnected, &error.to_string()),
    };
    let (own, handshake) = (Arc::clone(shared), handshakes.begin());
    let sent = spawner.spawn(move || connection::run(own, socket, from, handshake));
    if sent.is_err() {
        refuse(shared, from, Refusal::TooManyHandshakes, "the threads are busy");
    }
}

fn refuse(shared: &Shared, from: SocketAddr, why: Refusal, detail: &str) {
    shared.counts.refused(why);
    shared.journal.refused(from, None, why, detail);
}
