//! The messages of a handover: lines of JSON on a Unix socket. Descriptors come with the first byte of an offer.

use std::{
    io::{self, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    net::SocketAddr,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg, sockopt,
};
use serde::{Deserialize, Serialize};

use super::path::own_user;
use crate::Identity;

/// The version of these messages. Another version is refused.
const VERSION: u32 = 1;

/// The most listeners of an offer. The system passes at most 253 descriptors at once.
pub(super) const MOST_LISTENERS: usize = 200;

/// The longest message in bytes: an offer of that many listeners with long names.
const MOST_BYTES: usize = 64 * 1024;

/// Who a process is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Who {
    version: u32,
    domain: String,
    app: String,
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

impl Who {
    pub(super) fn of(identity: &Identity) -> Self {
        Self {
            version: VERSION,
            domain: identity.domain.hex(),
            app: identity.app.hex(),
            release: identity.release.hex(),
            instance: identity.instance.hex(),
            pid: std::process::id(),
        }
    }

    /// Why this process and `other` cannot replace each other.
    pub(super) fn objection(&self, other: &Self) -> Option<String> {
        if self.version != other.version {
            return Some(format!(
                "it speaks version {} of the handover, and this process speaks version {}; restart without a handover once",
                other.version, self.version
            ));
        }
        if (&self.domain, &self.app) != (&other.domain, &other.app) {
            return Some(format!(
                "it is app {} of domain {}, and this process is app {} of domain {}; give each app a path of its own",
                other.app, other.domain, self.app, self.domain
            ));
        }
        None
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
    /// Something else came.
    Wrong(String),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gone => f.write_str("it is gone"),
            Self::Late => f.write_str("it does not answer"),
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
        let sent = sendmsg(&self.stream, &[IoSlice::new(&line)], &mut rights, SendFlags::NOSIGNAL);
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
                let message = serde_json::from_slice(&line)
                    .map_err(|error| Missing::Wrong(format!("it sends no message of a handover: {error}")))?;
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
