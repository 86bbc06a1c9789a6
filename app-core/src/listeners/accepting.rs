//! A listener in its two phases: it listens, and it accepts.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
    sync::{Arc, Weak},
    time::Duration,
};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::ListenerOrigin;

/// How often a process without file descriptors looks whether a connection waits. A client waits this long until it is refused.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// When the listeners of a process accept. All of its listeners share this.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Cancelled once this process may accept.
    open: CancellationToken,
    /// Cancelled once another process accepts in place of this one.
    released: CancellationToken,
}

impl Gate {
    /// A gate that is open from the start.
    pub(super) fn opened() -> Self {
        let gate = Self::default();
        gate.open();
        gate
    }

    pub(super) fn open(&self) {
        self.open.cancel();
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_cancelled()
    }

    pub(super) fn release(&self) {
        self.released.cancel();
    }

    pub(super) fn is_released(&self) -> bool {
        self.released.is_cancelled()
    }
}

/// Held by a listener for as long as its service has it.
#[derive(Debug, Default)]
pub(super) struct InUse {
    /// Whether the socket stays open when this process ends. Written once it is known.
    outlives: CancellationToken,
}

impl InUse {
    pub(super) fn outlives(&self) -> bool {
        self.outlives.is_cancelled()
    }

    pub(super) fn set_outlives(&self) {
        self.outlives.cancel();
    }
}

/// A listening socket. Clients can connect, and wait until it is [accepting](Self::accepting).
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) origin: ListenerOrigin,
    pub(super) without_ipv6: Option<io::Error>,
    pub(super) gate: Arc<Gate>,
    pub(super) in_use: Arc<InUse>,
}

impl Listener {
    /// Where it listens, with the actual port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it came from.
    #[must_use]
    pub fn origin(&self) -> ListenerOrigin {
        self.origin
    }

    /// Why it listens on IPv4 alone, if all addresses were requested.
    #[must_use]
    pub fn without_ipv6(&self) -> Option<&io::Error> {
        self.without_ipv6.as_ref()
    }

    /// Whether to accept last, which is known at the stop.
    #[must_use]
    pub fn accepts_last(&self) -> AcceptsLast {
        AcceptsLast { gate: Arc::clone(&self.gate), in_use: Arc::downgrade(&self.in_use) }
    }

    /// Accepts on the current tokio runtime.
    ///
    /// # Errors
    /// The runtime cannot watch the socket.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn accepting(self) -> io::Result<Accepting> {
        let Self { socket, gate, in_use, .. } = self;
        Ok(Accepting { listener: tokio::net::TcpListener::from_std(socket)?, gate, _in_use: in_use })
    }
}

/// A listener that accepts connections. Dropping it ends that. The socket may stay open: for a restart of the service, or for the
/// next process.
#[derive(Debug)]
pub struct Accepting {
    listener: tokio::net::TcpListener,
    gate: Arc<Gate>,
    /// Held for as long as this accepts.
    _in_use: Arc<InUse>,
}

impl Accepting {
    /// Waits for a connection. Cancel safe: no connection is lost.
    ///
    /// A process that replaces another one accepts nothing before it is ready. A process that was replaced accepts nothing any more.
    /// In both cases this waits, and the connections go to the other process.
    ///
    /// # Errors
    /// Those of the system. A lack of file descriptors is an error only while a connection waits.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let Gate { open, released } = &*self.gate;
        if !open.is_cancelled() {
            open.cancelled().await;
        }
        tokio::select! {
            biased;
            () = released.cancelled() => std::future::pending().await,
            accepted = self.accept_when_one_waits() => accepted,
        }
    }

    async fn accept_when_one_waits(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            match self.listener.accept().await {
                // Without a descriptor, the system fails before it looks whether a connection waits.
                Err(error) if is_out_of_descriptors(&error) && !waits(&self.listener) => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                accepted => return accepted,
            }
        }
    }
}

/// Whether this error says that the process, or the machine, has no file descriptor left (`ulimit -n`).
#[must_use]
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EMFILE | Errno::ENFILE))
}

/// Whether a connection waits to be accepted. True if the system does not say.
fn waits(listener: &impl AsFd) -> bool {
    let mut asked = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    poll(&mut asked, PollTimeout::ZERO).map_or(true, |ready| ready > 0)
}

/// Whether a listener goes on accepting while the connections of its service are drained. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AcceptsLast {
    gate: Arc<Gate>,
    in_use: Weak<InUse>,
}

impl AcceptsLast {
    /// Whether it does, if its service stops now.
    ///
    /// It does if the socket outlives the process and no other process accepts on it yet. Then a client that connects during the
    /// drain would wait for the next process, and this one can still answer it.
    #[must_use]
    pub fn holds(&self) -> bool {
        let outlives = self.in_use.upgrade().is_some_and(|in_use| in_use.outlives());
        outlives && !self.gate.is_released()
    }
}
