//! The starting process: it gets the listeners, and takes over once it is ready.

use std::{
    io,
    net::TcpListener,
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::{
    HandoverPath,
    lock::HandoverLock,
    running::HandoverSocket,
    wire::{Channel, HandoverMessage, Missing, Offered, UNEXPECTED, Who},
};
use crate::{
    Identity, Package,
    listeners::{ListenerOrigin, Offer},
};

/// How long the running process may take for an answer. It is longer than each deadline of that process for a step of this one.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// How often a full queue of the running process is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// A handover that has begun. Dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Handover {
    path: HandoverPath,
    lock: HandoverLock,
    who: Who,
    predecessor: Option<Predecessor>,
    /// Whether the socket is there, and no process listens on it.
    is_stale: bool,
}

/// The process that runs, and waits until this one is ready.
#[derive(Debug)]
pub(crate) struct Predecessor {
    channel: Channel,
    who: Who,
}

impl Handover {
    /// Asks the running process for its listeners, if there is one. Blocks the thread, for at most 40 seconds. `package` is that of
    /// the program, if it names one.
    ///
    /// # Errors
    /// What is in the way. The running process goes on.
    pub(crate) fn begin(
        path: HandoverPath,
        identity: &Identity,
        package: Option<&Package>,
    ) -> Result<(Self, Vec<Offer>), String> {
        path.check()?;
        let lock = HandoverLock::take(&path)?;
        // Again, because another process may have had the lock in between.
        path.check()?;
        let who = Who::of(identity, package);
        let stream = match connected(path.socket(), ANSWER) {
            Ok(stream) => stream,
            // There is no socket, or one that an ended process left behind.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                let is_stale = error.kind() == io::ErrorKind::ConnectionRefused;
                return Ok((Self { path, lock, who, predecessor: None, is_stale }, Vec::new()));
            }
            Err(error) => return Err(path.problem(format!("the running process cannot be asked: {error}"))),
        };
        let (predecessor, offers) = ask(stream, &who).map_err(|why| path.problem(why))?;
        Ok((Self { path, lock, who, predecessor: Some(predecessor), is_stale: false }, offers))
    }

    /// Whether a process runs that this one replaces.
    pub(crate) fn has_predecessor(&self) -> bool {
        self.predecessor.is_some()
    }

    /// The process that this one replaces.
    pub(crate) fn take_predecessor(&mut self) -> Option<Predecessor> {
        self.predecessor.take()
    }

    /// The path of a socket that an ended process left behind, which [`serve`](Self::serve) replaces.
    pub(crate) fn stale_socket(&self) -> Option<&Path> {
        self.is_stale.then(|| self.path.socket())
    }

    /// Lets the next process find this one. The lock is free then.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(crate) fn serve(self) -> io::Result<HandoverSocket> {
        let Self { path, lock, who, .. } = self;
        let serving = HandoverSocket::at(path, who)?;
        drop(lock);
        Ok(serving)
    }
}

/// Connects to the running process. Blocks the thread.
///
/// # Errors
/// Those of the system. `TimedOut` if the queue of that process stays full, because it accepts nothing.
pub(super) fn connected(path: &Path, within: Duration) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let address = SocketAddrUnix::new(path)?;
    let deadline = Instant::now() + within;
    loop {
        match connect(&socket, &address) {
            Ok(()) => break,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) if Instant::now() < deadline => {
                thread::sleep(PAUSE);
            }
            Err(rustix::io::Errno::AGAIN) => {
                let text = "it does not answer, and others wait already; end it, and start again";
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

pub(super) fn ask(stream: UnixStream, own: &Who) -> Result<(Predecessor, Vec<Offer>), String> {
    let failed = |missing: Missing| format!("the running process cannot be replaced: {missing}");
    let mut channel =
        Channel::new(stream).map_err(|why| format!("the running process cannot be replaced: {why}"))?;
    channel.send(&HandoverMessage::Ask { who: own.clone() }, &[], ANSWER).map_err(failed)?;
    let (who, listeners, descriptors) = match channel.receive(ANSWER).map_err(failed)? {
        (HandoverMessage::Offer { who, listeners }, descriptors) => (who, listeners, descriptors),
        (HandoverMessage::Refused { why }, _) => return Err(format!("the running process refuses: {why}")),
        _ => return Err(format!("the running process cannot be replaced: {UNEXPECTED}")),
    };
    if let Some(why) = own.objection(&who) {
        return Err(format!("the running process cannot be replaced: {why}"));
    }
    if listeners.len() != descriptors.len() {
        return Err(format!(
            "the running process names {} listeners and sends {}",
            listeners.len(),
            descriptors.len()
        ));
    }
    let offers = listeners.into_iter().zip(descriptors).map(|(Offered { name, address }, descriptor)| {
        let label = format!("the listener {name:?} of the running process");
        let offer =
            Offer::new(label.clone(), Some(name), TcpListener::from(descriptor), ListenerOrigin::Handover)?;
        if offer.address == address {
            Ok(offer)
        } else {
            Err(format!("{label} is not at {address}, but at {}", offer.address))
        }
    });
    let offers: Result<Vec<_>, String> = offers.collect();
    Ok((Predecessor { channel, who }, offers?))
}

impl Predecessor {
    /// Who it is, for logs.
    pub(crate) fn describe(&self) -> String {
        self.who.describe()
    }

    /// Takes over: says that this process is ready, hears that it may go on, and says that it accepts. Blocks the thread. After this
    /// the listeners belong to this process, so it must accept at once.
    ///
    /// # Errors
    /// The running process goes on, so this one must not accept. If the running process is gone, that is no error.
    pub(crate) fn take_over(mut self) -> Result<(), String> {
        self.ready(ANSWER)?;
        self.accepts(ANSWER)
    }

    pub(super) fn ready(&mut self, within: Duration) -> Result<(), String> {
        match self.channel.send(&HandoverMessage::Ready, &[], within) {
            // What the running process said before it closed its side decides (invariant 4).
            Ok(()) | Err(Missing::Gone) => {}
            Err(missing) => return Err(undecided(&missing)),
        }
        match self.channel.receive(within) {
            Ok((HandoverMessage::Go, _)) | Err(Missing::Gone) => Ok(()),
            other => Err(goes_on(other)),
        }
    }

    pub(super) fn accepts(&mut self, within: Duration) -> Result<(), String> {
        match self.channel.send(&HandoverMessage::Accepting, &[], within) {
            Ok(()) => Ok(()),
            Err(Missing::Gone) => match self.channel.receive(within) {
                Err(Missing::Gone) => Ok(()),
                other => Err(goes_on(other)),
            },
            Err(missing) => Err(undecided(&missing)),
        }
    }
}

/// Why the running process goes on, after this answer.
fn goes_on<T>(answer: Result<(HandoverMessage, T), Missing>) -> String {
    match answer {
        Ok((HandoverMessage::Refused { why }, _)) => format!("the running process goes on: {why}"),
        Ok(_) => undecided(&Missing::Wrong(UNEXPECTED.to_owned())),
        Err(missing) => undecided(&missing),
    }
}

/// Without `accepting` the running process goes on, whatever is wrong with it.
fn undecided(missing: &Missing) -> String {
    format!("the running process was told that this one is ready: {missing}")
}
