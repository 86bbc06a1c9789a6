//! The messages of a handover: lines of JSON on a Unix socket. Descriptors come with the first byte of an offer.

use std::{
    io::{self, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    net::{Shutdown, SocketAddr},
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use rustix::{
    io::retry_on_intr,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg, sockopt,
    },
};
use serde::{Deserialize, Serialize};

use super::path::own_user;
use crate::{Identity, Package};

/// The version of these messages. Another version is refused. Every version has it in `who.version`, and has `refused` as it is here,
/// so that two versions can tell each other.
pub(super) const VERSION: u32 = 1;

/// The most listeners of an offer. The system passes at most 253 descriptors at once.
pub(super) const MOST_LISTENERS: usize = 200;

/// What is wrong with a message that does not belong there.
pub(super) const UNEXPECTED: &str = "it sends another message than expected";

/// The longest message in bytes: an offer of that many listeners with long names.
const MOST_BYTES: usize = 64 * 1024;

/// Who a process is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Who {
    version: u32,
    domain: String,
    app: String,
    /// Empty if it is not known.
    #[serde(default)]
    package: String,
    pub(super) release: String,
    pub(super) instance: String,
    pub(super) pid: u32,
}

/// A listener of an offer. The descriptors come in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offered {
    pub(super) name: String,
    pub(super) address: SocketAddr,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub(super) enum HandoverMessage {
    Ask { who: Who },
    Offer { who: Who, listeners: Vec<Offered> },
    Refused { why: String },
    Ready,
    Go,
    Accepting,
}

/// The part of a message that every version has.
#[derive(Deserialize)]
struct Versioned {
    who: VersionOfSender,
}

#[derive(Deserialize)]
struct VersionOfSender {
    version: u32,
}

impl HandoverMessage {
    fn parse(line: &[u8]) -> Result<Self, Missing> {
        match serde_json::from_slice::<Versioned>(line) {
            Ok(Versioned { who }) if who.version != VERSION => Err(Missing::Version(who.version)),
            _ => serde_json::from_slice(line)
                .map_err(|error| Missing::Wrong(format!("it sends no message of a handover: {error}"))),
        }
    }
}

/// Why a process of another version is refused, for the process of version `own`.
pub(super) fn other_version(its: u32, own: u32) -> String {
    format!(
        "it speaks version {its} of the handover, and this process speaks version {own}; restart without a handover once"
    )
}

impl Who {
    /// The package is only given if the program names it. Its file name is none: releases may have different ones.
    pub(super) fn of(identity: &Identity, package: Option<&Package>) -> Self {
        Self {
            version: VERSION,
            domain: identity.domain.hex(),
            app: identity.app.hex(),
            package: package.map(|package| package.name().to_owned()).unwrap_or_default(),
            release: identity.release.hex(),
            instance: identity.instance.hex(),
            pid: std::process::id(),
        }
    }

    /// Why this process and `other` cannot replace each other.
    pub(super) fn objection(&self, other: &Self) -> Option<String> {
        if (&self.domain, &self.app) != (&other.domain, &other.app) {
            return Some(format!(
                "it is app {} of domain {}, and this process is app {} of domain {}; give each app a path of its own",
                other.app, other.domain, self.app, self.domain
            ));
        }
        let are_known = !self.package.is_empty() && !other.package.is_empty();
        (are_known && self.package != other.package).then(|| {
            format!(
                "it is of package {}, and this process is of package {}; give each app a path of its own, or restart without a handover if the package has a new name",
                other.package, self.package
            )
        })
    }

    pub(super) fn describe(&self) -> String {
        format!("process {} (release {}, instance {})", self.pid, self.release, self.instance)
    }
}

/// One side of a handover. Every wait has a deadline, and the other side belongs to the same user.
#[derive(Debug)]
pub(crate) struct Channel {
    stream: UnixStream,
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

/// What came instead of a message.
#[derive(Debug)]
pub(super) enum Missing {
    /// The other side has closed the socket, so its process is gone, or gave up.
    Gone,
    /// No message came in time.
    Late,
    /// A message of another version.
    Version(u32),
    /// Something else came.
    Wrong(String),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gone => f.write_str("it is gone"),
            Self::Late => f.write_str("it does not answer"),
            Self::Version(its) => f.write_str(&other_version(*its, VERSION)),
            Self::Wrong(what) => f.write_str(what),
        }
    }
}

impl Channel {
    /// Takes a connection.
    ///
    /// # Errors
    /// The other side belongs to another user.
    pub(super) fn new(stream: UnixStream) -> Result<Self, String> {
        let peer =
            sockopt::socket_peercred(&stream).map_err(|error| format!("its user is unknown: {error}"))?;
        let (user, own) = (peer.uid.as_raw(), own_user());
        if user != own {
            return Err(format!(
                "it belongs to user {user}, and this process to user {own}; run both as one user"
            ));
        }
        Ok(Self { stream, bytes: Vec::new(), descriptors: Vec::new() })
    }

    /// Sends a message, with descriptors.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub(super) fn send(
        &mut self,
        message: &HandoverMessage,
        descriptors: &[BorrowedFd<'_>],
        within: Duration,
    ) -> Result<(), Missing> {
        let mut line = serde_json::to_vec(message).map_err(|error| Missing::Wrong(error.to_string()))?;
        line.push(b'\n');
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Missing::Late,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Missing::Gone,
            _ => Missing::Wrong(error.to_string()),
        };
        self.stream.set_write_timeout(Some(within)).map_err(failed)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_LISTENERS))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !rights.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(Missing::Wrong("too many descriptors".to_owned()));
        }
        // A signal ends the call: every dump of stacks sends one.
        let sent =
            retry_on_intr(|| sendmsg(&self.stream, &[IoSlice::new(&line)], &mut rights, SendFlags::NOSIGNAL));
        let sent = sent.map_err(|error| failed(error.into()))?;
        (&self.stream).write_all(&line[sent..]).map_err(failed)
    }

    /// Receives a message, with its descriptors. Blocks the thread.
    ///
    /// # Errors
    /// None came within the time, or something else did.
    pub(super) fn receive(&mut self, within: Duration) -> Result<(HandoverMessage, Vec<OwnedFd>), Missing> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                let message = HandoverMessage::parse(&line)?;
                return Ok((message, std::mem::take(&mut self.descriptors)));
            }
            if self.bytes.len() > MOST_BYTES {
                return Err(Missing::Wrong(format!("it sends more than {MOST_BYTES} bytes")));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Missing::Late);
            }
            self.read(left)?;
        }
    }

    /// Ends receiving. What the other side has sent can still be received. What it sends from now on fails at its side with
    /// [`Missing::Gone`].
    ///
    /// The system puts this and each message in an order. So a message is either received, or its sender knows that it is not.
    pub(super) fn close_incoming(&self) {
        // Fails only for a socket without another side.
        let _ = self.stream.shutdown(Shutdown::Read);
    }

    fn read(&mut self, within: Duration) -> Result<(), Missing> {
        let wrong = |error: io::Error| Missing::Wrong(error.to_string());
        self.stream.set_read_timeout(Some(within)).map_err(wrong)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_LISTENERS))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let mut buffer = [0; 4096];
        let received =
            recvmsg(&self.stream, &mut [IoSliceMut::new(&mut buffer)], &mut rights, RecvFlags::CMSG_CLOEXEC);
        let received = match received {
            Ok(received) => received,
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => return Ok(()),
            Err(rustix::io::Errno::CONNRESET) => return Err(Missing::Gone),
            Err(error) => return Err(wrong(error.into())),
        };
        for message in rights.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) || self.descriptors.len() > MOST_LISTENERS {
            return Err(Missing::Wrong(
                "it sends more descriptors than this process can take (ulimit -n)".to_owned(),
            ));
        }
        if received.bytes == 0 {
            return Err(Missing::Gone);
        }
        self.bytes.extend_from_slice(&buffer[..received.bytes]);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
