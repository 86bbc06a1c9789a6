//! The running process: it hands its listeners over, and goes on until they belong to the other process.

use std::{
    fs, io,
    net::SocketAddr,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::MetadataExt, net::UnixListener, net::UnixStream},
    },
    path::Path,
    time::Duration,
};

use rustix::{
    fs::{Mode, fchmod},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with},
};

use super::{
    HandoverPath,
    lock::HandoverLock,
    wire::{
        Channel, HandoverMessage, MOST_LISTENERS, Missing, Offered, UNEXPECTED, VERSION, Who, other_version,
    },
};

/// How long a message of this process may take to be sent.
const ANSWER: Duration = Duration::from_secs(5);

/// How long each step of the other process may take. That process waits longer for each answer, so this process decides (invariant 5).
#[derive(Debug)]
pub(super) struct Deadlines {
    /// To say who it is. A process that connects does so at once, and others wait in the meantime.
    pub(super) ask: Duration,
    /// To become ready. Usually it gives up earlier by itself.
    pub(super) ready: Duration,
    /// To accept, once it may.
    pub(super) accepting: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            ask: Duration::from_secs(2),
            ready: Duration::from_secs(300),
            accepting: Duration::from_secs(5),
        }
    }
}

/// The handover socket of a process that runs.
#[derive(Debug)]
pub(crate) struct HandoverSocket {
    path: HandoverPath,
    /// Which file is this socket: another process may have replaced it.
    file: (u64, u64),
    who: Who,
    pub(super) deadlines: Deadlines,
    listener: Option<UnixListener>,
}

/// A process that accepts now in place of this one.
#[derive(Debug)]
pub(crate) struct HandedOver(Who);

impl HandedOver {
    /// Who it is, for logs.
    pub(crate) fn describe(&self) -> String {
        self.0.describe()
    }
}

impl HandoverSocket {
    /// Makes the socket, in place of an older one. Only a process with the lock may call this.
    pub(super) fn at(path: HandoverPath, who: Who) -> io::Result<Self> {
        let new = path.new_socket();
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // Before it has a name, so that it never has another mode.
        fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        bind(&socket, &SocketAddrUnix::new(&new)?)?;
        listen(&socket, 16)?;
        fs::rename(&new, path.socket())?;
        let found = fs::symlink_metadata(path.socket())?;
        let listener = UnixListener::from(socket);
        listener.set_nonblocking(true)?;
        Ok(Self {
            path,
            file: (found.dev(), found.ino()),
            who,
            deadlines: Deadlines::default(),
            listener: Some(listener),
        })
    }

    /// The path of the socket.
    pub(crate) fn path(&self) -> &Path {
        self.path.socket()
    }

    /// The socket, once.
    pub(crate) fn take_listener(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }

    /// Removes the socket's file, unless it belongs to another process by now. A process that holds the lock replaces the file, so it
    /// stays then.
    pub(crate) fn remove(&self) {
        let path = self.path.socket();
        let Some(_lock) = HandoverLock::take_free(&self.path) else { return };
        if fs::symlink_metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == self.file) {
            // Fails if the folder is gone, and then there is nothing to remove.
            let _ = fs::remove_file(path);
        }
    }

    /// Serves one process that asks, to its end: the listeners belong to it then, or this process goes on. Blocks the thread. `stops`
    /// says why this process stops, if it does; `copies` are its listeners; `began` is called once they were sent.
    ///
    /// # Errors
    /// Why this process goes on, for the log.
    pub(crate) fn hand_over(
        &self,
        stream: UnixStream,
        stops: impl Fn() -> Option<String>,
        copies: impl FnOnce() -> io::Result<Vec<(String, SocketAddr, OwnedFd)>>,
        began: impl FnOnce(&str),
    ) -> Result<HandedOver, String> {
        let (channel, successor) = self.asked(stream, stops)?;
        let name = successor.describe();
        let lost = |missing: Missing| format!("{name} did not take over: {missing}; this process goes on");
        let mut open = OpenHandover::new(channel);
        let copies = copies().map_err(|error| lost(Missing::Wrong(error.to_string())))?;
        let copies = &copies[..copies.len().min(MOST_LISTENERS)];
        let listeners =
            copies.iter().map(|(name, address, _)| Offered { name: name.clone(), address: *address });
        let offer = HandoverMessage::Offer { who: self.who.clone(), listeners: listeners.collect() };
        let descriptors: Vec<_> = copies.iter().map(|(_, _, socket)| socket.as_fd()).collect();
        open.channel.send(&offer, &descriptors, ANSWER).map_err(lost)?;
        began(&name);
        open.settle(&self.deadlines).map_err(lost)?;
        Ok(HandedOver(successor))
    }

    /// Hears which process asks, and refuses it if it cannot replace this one.
    fn asked(
        &self,
        stream: UnixStream,
        stops: impl Fn() -> Option<String>,
    ) -> Result<(Channel, Who), String> {
        let unknown = |why: String| format!("a process asked for the listeners and was refused: {why}");
        stream.set_nonblocking(false).map_err(|error| unknown(error.to_string()))?;
        let mut channel = Channel::new(stream).map_err(unknown)?;
        let successor = match channel.receive(self.deadlines.ask) {
            Ok((HandoverMessage::Ask { who }, _)) => who,
            Ok(_) => return Err(unknown(UNEXPECTED.to_owned())),
            Err(missing) => {
                if let Missing::Version(its) = missing {
                    refuse(&mut channel, other_version(VERSION, its));
                }
                return Err(unknown(missing.to_string()));
            }
        };
        // In the words of the other process, which prints it.
        let objection = successor.objection(&self.who);
        let stops = stops().map(|cause| format!("it stops already ({cause}); start again when it is gone"));
        if let Some(why) = objection.or(stops) {
            refuse(&mut channel, why.clone());
            let name = successor.describe();
            return Err(format!("{name} asked for the listeners and was told of this process: {why}"));
        }
        Ok((channel, successor))
    }
}

/// A handover between the question and the decision. Dropped before it is decided, it refuses the other process: this process goes on
/// (invariant 4).
struct OpenHandover {
    channel: Channel,
    /// Why this process goes on. `None` once the listeners belong to the other one.
    refusal: Option<&'static str>,
}

impl OpenHandover {
    fn new(channel: Channel) -> Self {
        Self { channel, refusal: Some("its handover failed") }
    }

    /// Waits until the listeners belong to the other process.
    ///
    /// # Errors
    /// They belong to this one.
    fn settle(&mut self, deadlines: &Deadlines) -> Result<(), Missing> {
        match self.channel.receive(deadlines.ready) {
            Ok((HandoverMessage::Ready, _)) => {}
            Err(Missing::Late) => {
                let why = "it took too long to become ready";
                self.refusal = Some("this process took too long to become ready");
                return Err(Missing::Wrong(why.to_owned()));
            }
            Ok(_) => return Err(Missing::Wrong(UNEXPECTED.to_owned())),
            Err(missing) => return Err(missing),
        }
        self.refusal = Some("this process was ready and did not accept in time");
        self.channel.send(&HandoverMessage::Go, &[], ANSWER)?;
        let heard = self.channel.receive(deadlines.accepting);
        if is_accepting(&heard) || self.accepted_meanwhile() {
            self.refusal = None;
            return Ok(());
        }
        Err(heard.err().unwrap_or_else(|| Missing::Wrong(UNEXPECTED.to_owned())))
    }

    /// Ends the wait for `accepting`. Returns whether it came before (invariant 3).
    fn accepted_meanwhile(&mut self) -> bool {
        self.channel.close_incoming();
        // At once, because nothing more can come.
        is_accepting(&self.channel.receive(ANSWER))
    }
}

impl Drop for OpenHandover {
    fn drop(&mut self) {
        if let Some(why) = self.refusal {
            refuse(&mut self.channel, why.to_owned());
        }
    }
}

fn is_accepting(heard: &Result<(HandoverMessage, Vec<OwnedFd>), Missing>) -> bool {
    matches!(heard, Ok((HandoverMessage::Accepting, _)))
}

/// Tells the other process that this one goes on.
fn refuse(channel: &mut Channel, why: String) {
    // The other process may be gone.
    let _ = channel.send(&HandoverMessage::Refused { why }, &[], ANSWER);
}
