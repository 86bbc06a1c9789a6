//! The starting process: it gets the listeners, and takes over once it is ready.

use std::{io, net::TcpListener, os::unix::net::UnixStream, time::Duration};

use super::{
    HandoverPath,
    lock::HandoverLock,
    running::HandoverSocket,
    wire::{Channel, HandoverMessage, Missing, Offered, Who},
};
use crate::{
    Identity,
    listeners::{ListenerOrigin, Offer},
};

/// How long the running process may take for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// A handover that has begun. Dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Handover {
    path: HandoverPath,
    lock: HandoverLock,
    predecessor: Option<Predecessor>,
}

/// The process that runs, and waits until this one is ready.
#[derive(Debug)]
pub(crate) struct Predecessor {
    channel: Channel,
    who: Who,
}

impl Handover {
    /// Asks the running process for its listeners, if there is one. Blocks the thread, for at most 20 seconds.
    ///
    /// # Errors
    /// What is in the way. The running process goes on.
    pub(crate) fn begin(path: HandoverPath, identity: &Identity) -> Result<(Self, Vec<Offer>), String> {
        path.check()?;
        let lock = HandoverLock::take(&path)?;
        // Again, because another process may have had the lock in between.
        path.check()?;
        let stream = match UnixStream::connect(path.socket()) {
            Ok(stream) => stream,
            // There is no socket, or one that an ended process left behind.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                return Ok((Self { path, lock, predecessor: None }, Vec::new()));
            }
            Err(error) => return Err(path.problem(format!("the running process cannot be asked: {error}"))),
        };
        let (predecessor, offers) = ask(stream, &Who::of(identity)).map_err(|why| path.problem(why))?;
        Ok((Self { path, lock, predecessor: Some(predecessor) }, offers))
    }

    /// Whether a process runs that this one replaces.
    pub(crate) fn has_predecessor(&self) -> bool {
        self.predecessor.is_some()
    }

    /// The process that this one replaces.
    pub(crate) fn take_predecessor(&mut self) -> Option<Predecessor> {
        self.predecessor.take()
    }

    /// Lets the next process find this one. The lock is free then.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(crate) fn serve(self, identity: &Identity) -> io::Result<HandoverSocket> {
        let Self { path, lock, .. } = self;
        let serving = HandoverSocket::at(path, identity)?;
        drop(lock);
        Ok(serving)
    }
}

fn ask(stream: UnixStream, own: &Who) -> Result<(Predecessor, Vec<Offer>), String> {
    let failed = |missing: Missing| format!("the running process cannot be replaced: {missing}");
    let mut channel =
        Channel::new(stream).map_err(|why| format!("the running process cannot be replaced: {why}"))?;
    channel.send(&HandoverMessage::Ask { who: own.clone() }, &[], ANSWER).map_err(failed)?;
    let (who, listeners, descriptors) = match channel.receive(ANSWER).map_err(failed)? {
        (HandoverMessage::Offer { who, listeners }, descriptors) => (who, listeners, descriptors),
        (HandoverMessage::Refused { why }, _) => return Err(format!("the running process refuses: {why}")),
        _ => return Err("the running process sends another message than expected".to_owned()),
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

    /// Says that this process is ready. Blocks the thread. After this, accept, and then call [`accepts`](Self::accepts).
    ///
    /// # Errors
    /// The running process goes on, so this one must not accept. If the running process is gone, that is no error.
    pub(crate) fn ready(&mut self) -> Result<(), String> {
        let answer = self
            .channel
            .send(&HandoverMessage::Ready, &[], ANSWER)
            .and_then(|()| self.channel.receive(ANSWER));
        match answer {
            Ok((HandoverMessage::Go, _)) | Err(Missing::Gone) => Ok(()),
            Ok((HandoverMessage::Refused { why }, _)) => Err(format!("the running process goes on: {why}")),
            Ok(_) => Err("the running process sends another message than expected".to_owned()),
            Err(missing) => Err(format!("the running process was told that this one is ready: {missing}")),
        }
    }

    /// Says that this process accepts, so that the other stops. Blocks the thread.
    ///
    /// # Errors
    /// The other process did not hear it.
    pub(crate) fn accepts(mut self) -> Result<(), String> {
        match self.channel.send(&HandoverMessage::Accepting, &[], ANSWER) {
            Ok(()) | Err(Missing::Gone) => Ok(()),
            Err(missing) => Err(missing.to_string()),
        }
    }
}
