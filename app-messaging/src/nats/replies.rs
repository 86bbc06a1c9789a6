//! Who waits for what arrives at the inbox of a connection: one subscription for all answers, and for what pulls get.
//!
//! The client's own requests leave an entry behind for each that has no answer. Here a guard removes the entry, whatever happens.
//!
//! An answer names its call by the last token of its subject. A delivery has the subject that it was stored with, so the stream and
//! the consumer in its reply subject name it. Both are in one map, which is bounded.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subject};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::transport::TransportError;

/// The most calls and pulls that wait on one connection.
pub(super) const MAX_WAITING: usize = 65_536;

/// How much longer than the time of a pull a delivery may be on its way. It is short beside an ack wait.
const ON_THE_WAY: Duration = Duration::from_secs(2);

/// What a call gets: a message, or why the account may not do it.
pub(super) type ReplyResult = Result<Message, String>;

struct WaitingCall {
    /// Permission violations name it.
    subject: Subject,
    to: oneshot::Sender<ReplyResult>,
}

/// A pull that was asked for.
struct AskedPull {
    token: u64,
    /// `None` after the pull ended here. The server may still send for it.
    to: Option<mpsc::Sender<Message>>,
    /// How many messages the server may still send.
    left: usize,
    until: Instant,
}

impl AskedPull {
    /// Whether nothing more can be on the way. A process that was frozen for longer must not hand back what others work on by now.
    fn is_over(&self, now: Instant) -> bool {
        self.until + ON_THE_WAY <= now
    }
}

#[derive(Default)]
struct Waiting {
    last: u64,
    calls: HashMap<u64, WaitingCall>,
    /// By `{stream}.{consumer}`.
    pulls: HashMap<Box<str>, Vec<AskedPull>>,
    keys: HashMap<u64, Box<str>>,
    /// When something came last that no pull took.
    late: Option<Instant>,
    closed: bool,
}

/// Who waits.
#[derive(Default)]
pub(super) struct Replies {
    waiting: Mutex<Waiting>,
}

/// What became of a message.
pub(super) enum Routed {
    /// A receiver got it, or no receiver needs it.
    Done,
    /// A pull that ended would have got it: it is to be handed back.
    Late(Message),
}

impl Replies {
    fn enter(&self, waiting: &mut Waiting) -> Result<u64, TransportError> {
        if waiting.closed {
            return Err(TransportError::NotConnected);
        }
        if waiting.calls.len() + waiting.keys.len() >= MAX_WAITING {
            let reason = format!("{MAX_WAITING} calls wait for their answers already; call less at once");
            return Err(TransportError::Refused(reason));
        }
        waiting.last += 1;
        Ok(waiting.last)
    }

    /// A call of this subject, which may depend on the token. The guard ends it.
    pub(super) fn call(
        self: &Arc<Self>,
        subject: impl FnOnce(u64) -> Subject,
    ) -> Result<(CallGuard, oneshot::Receiver<ReplyResult>), TransportError> {
        let (to, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        let token = self.enter(&mut waiting)?;
        waiting.calls.insert(token, WaitingCall { subject: subject(token), to });
        Ok((CallGuard { replies: Arc::clone(self), token }, answer))
    }

    /// A pull of this `{stream}.{consumer}`. The guard ends it.
    pub(super) fn pull(
        self: &Arc<Self>,
        key: &str,
        batch: usize,
        until: Instant,
    ) -> Result<(PullGuard, mpsc::Receiver<Message>), TransportError> {
        // Room for what is asked for, and for what the server says beside it.
        let (to, messages) = mpsc::channel(batch.min(MAX_WAITING) + 8);
        let mut waiting = self.waiting.lock();
        let token = self.enter(&mut waiting)?;
        let open = AskedPull { token, to: Some(to), left: batch, until };
        waiting.pulls.entry(key.into()).or_default().push(open);
        waiting.keys.insert(token, key.into());
        Ok((PullGuard { replies: Arc::clone(self), token, keeps: true }, messages))
    }

    /// Gives an answer to its call, or says something to a pull.
    pub(super) fn answer(&self, token: u64, message: Message) {
        let mut waiting = self.waiting.lock();
        if let Some(call) = waiting.calls.remove(&token) {
            drop(waiting);
            // The caller may be gone by now.
            let _ = call.to.send(Ok(message));
            return;
        }
        let Waiting { pulls, keys, .. } = &mut *waiting;
        let Some(key) = keys.get(&token) else { return };
        let Some(open) = pulls.get(key).and_then(|all| all.iter().find(|open| open.token == token)) else {
            return;
        };
        match &open.to {
            // A sign of life more or less does not matter.
            Some(to) => drop(to.try_send(message)),
            None if message.status.is_some_and(|status| status.as_u16() != 100) => waiting.forget(token),
            None => {}
        }
    }

    /// Gives a delivery to the first pull of its consumer that has room.
    pub(super) fn deliver(&self, key: &str, mut message: Message) -> Routed {
        let mut waiting = self.waiting.lock();
        let Some(all) = waiting.pulls.get_mut(key) else { return Routed::Done };
        for open in all.iter_mut().filter(|open| open.left > 0) {
            let Some(to) = &open.to else { continue };
            match to.try_send(message) {
                Ok(()) => {
                    open.left -= 1;
                    return Routed::Done;
                }
                Err(mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back)) => {
                    message = back;
                }
            }
        }
        let now = Instant::now();
        let late = all.iter_mut().find(|open| open.to.is_none()).map(|open| {
            open.left = open.left.saturating_sub(1);
            (open.token, open.left)
        });
        waiting.late = Some(now);
        if let Some((token, 0)) = late {
            waiting.forget(token);
        }
        Routed::Late(message)
    }

    /// Fails the calls of a subject that the account may not use.
    pub(super) fn deny(&self, subject: &str, why: &str) {
        self.fail(|call| call.subject.as_str() == subject, why);
    }

    /// Fails every call.
    pub(super) fn deny_all(&self, why: &str) {
        self.fail(|_| true, why);
    }

    fn fail(&self, which: impl Fn(&WaitingCall) -> bool, why: &str) {
        let mut waiting = self.waiting.lock();
        let tokens: Vec<_> =
            waiting.calls.iter().filter(|(_, call)| which(call)).map(|(token, _)| *token).collect();
        for call in tokens.into_iter().filter_map(|token| waiting.calls.remove(&token)) {
            let _ = call.to.send(Err(why.to_owned()));
        }
    }

    /// The connection is gone: nothing more arrives.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        waiting.calls.clear();
        waiting.pulls.clear();
        waiting.keys.clear();
    }

    /// How many calls wait for their answers.
    pub(super) fn calls(&self) -> usize {
        self.waiting.lock().calls.len()
    }

    /// How many pulls the server may still send for that ended here, and when it did so last.
    pub(super) fn late(&self) -> (usize, Option<Instant>) {
        let mut waiting = self.waiting.lock();
        waiting.expire(Instant::now());
        let ended = waiting.pulls.values().flatten().filter(|open| open.to.is_none()).count();
        (ended, waiting.late)
    }

    /// How many deliveries the server may still send for pulls that ended here.
    pub(super) fn on_the_way(&self) -> usize {
        let mut waiting = self.waiting.lock();
        waiting.expire(Instant::now());
        waiting.pulls.values().flatten().filter(|open| open.to.is_none()).map(|open| open.left).sum()
    }
}

impl Waiting {
    fn forget(&mut self, token: u64) {
        let Some(key) = self.keys.remove(&token) else { return };
        if let Some(all) = self.pulls.get_mut(&key) {
            all.retain(|open| open.token != token);
            if all.is_empty() {
                self.pulls.remove(&key);
            }
        }
    }

    /// Forgets pulls that ended here, and at the server too.
    fn expire(&mut self, now: Instant) {
        let over = |open: &&AskedPull| open.to.is_none() && open.is_over(now);
        let tokens: Vec<_> = self.pulls.values().flatten().filter(over).map(|open| open.token).collect();
        for token in tokens {
            self.forget(token);
        }
    }
}

/// Ends a call when it is dropped.
pub(super) struct CallGuard {
    replies: Arc<Replies>,
    token: u64,
}

impl CallGuard {
    pub(super) fn token(&self) -> u64 {
        self.token
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.replies.waiting.lock().calls.remove(&self.token);
    }
}

/// Ends a pull when it is dropped.
pub(super) struct PullGuard {
    replies: Arc<Replies>,
    token: u64,
    /// Whether the server may still send for it.
    keeps: bool,
}

impl PullGuard {
    pub(super) fn token(&self) -> u64 {
        self.token
    }

    /// The server does not send for it any more.
    pub(super) fn is_over(&mut self) {
        self.keeps = false;
    }
}

impl Drop for PullGuard {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut waiting = self.replies.waiting.lock();
        waiting.expire(now);
        let Waiting { pulls, keys, late, .. } = &mut *waiting;
        let key = keys.get(&self.token);
        let open = key
            .and_then(|key| pulls.get_mut(key))
            .and_then(|all| all.iter_mut().find(|open| open.token == self.token));
        match open {
            Some(open) if self.keeps && open.left > 0 && !open.is_over(now) => {
                open.to = None;
                *late = Some(now);
            }
            _ => waiting.forget(self.token),
        }
    }
}

#[cfg(test)]
mod tests;
