//! The running process: it hands its listeners over, and goes on until the other process accepts.

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
    wire::{Channel, HandoverMessage, MOST_LISTENERS, Missing, Offered, Who},
};
use crate::Identity;

/// How long the other process may take for an answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the other process may take to become ready. It gives up earlier by itself.
const STARTING: Duration = Duration::from_secs(300);

/// The handover socket of a process that runs.
#[derive(Debug)]
pub(crate) struct HandoverSocket {
    path: HandoverPath,
    /// Which file is this socket: another process may have replaced it.
    file: (u64, u64),
    who: Who,
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
    pub(super) fn at(path: HandoverPath, identity: &Identity) -> io::Result<Self> {
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
        Ok(Self { path, file: (found.dev(), found.ino()), who: Who::of(identity), listener: Some(listener) })
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

    /// Serves one process that asks, to its end: it accepts now, or this process goes on. Blocks the thread. `stops` says why this
    /// process stops, if it does; `copies` are its listeners; `began` is called once they were sent.
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
        let unknown = |why: String| format!("a process asked for the listeners and was refused: {why}");
        stream.set_nonblocking(false).map_err(|error| unknown(error.to_string()))?;
        let mut channel = Channel::new(stream).map_err(unknown)?;
        let successor = match channel.receive(ANSWER) {
            Ok((HandoverMessage::Ask { who }, _)) => who,
            Ok(_) => return Err(unknown("it sends another message than expected".to_owned())),
            Err(missing) => return Err(unknown(missing.to_string())),
        };
        let name = successor.describe();
        // In the words of the other process, which prints it.
        let objection = successor.objection(&self.who);
        let stops = stops().map(|cause| format!("it stops already ({cause}); start again when it is gone"));
        if let Some(why) = objection.or(stops) {
            // The other process may be gone.
            let _ = channel.send(&HandoverMessage::Refused { why: why.clone() }, &[], ANSWER);
            return Err(format!("{name} asked for the listeners and was told of this process: {why}"));
        }
        let lost = |missing: Missing| format!("{name} did not take over: {missing}; this process goes on");
        let copies = copies().map_err(|error| lost(Missing::Wrong(error.to_string())))?;
        let copies = &copies[..copies.len().min(MOST_LISTENERS)];
        let listeners =
            copies.iter().map(|(name, address, _)| Offered { name: name.clone(), address: *address });
        let offer = HandoverMessage::Offer { who: self.who.clone(), listeners: listeners.collect() };
        let descriptors: Vec<_> = copies.iter().map(|(_, _, socket)| socket.as_fd()).collect();
        channel.send(&offer, &descriptors, ANSWER).map_err(lost)?;
        began(&name);
        match channel.receive(STARTING) {
            Ok((HandoverMessage::Ready, _)) => {}
            Err(Missing::Late) => {
                let why = "it took too long to become ready".to_owned();
                let _ = channel.send(&HandoverMessage::Refused { why: why.clone() }, &[], ANSWER);
                return Err(lost(Missing::Wrong(why)));
            }
            Ok(_) => return Err(lost(Missing::Wrong("it sends another message than expected".to_owned()))),
            Err(missing) => return Err(lost(missing)),
        }
        channel.send(&HandoverMessage::Go, &[], ANSWER).map_err(lost)?;
        match channel.receive(ANSWER) {
            Ok((HandoverMessage::Accepting, _)) => Ok(HandedOver(successor)),
            Ok(_) => Err(lost(Missing::Wrong("it sends another message than expected".to_owned()))),
            Err(missing) => Err(lost(missing)),
        }
    }
}
