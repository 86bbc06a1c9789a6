//! What this instance holds of one key: chunks of permits, and the callers that wait for more.

use std::collections::VecDeque;
use std::time::Duration;

use app_core::prelude::Error;
use app_core::trace::CallerSpan;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::lease::{LIFE, Seen};
use super::shared::{Nanos, SharedRate};
use crate::Grant;

/// How long it is believed that a bucket holds too few permits, before it is looked at again.
const DENIAL: Duration = Duration::from_millis(250);

/// A chunk is at most this part of the burst.
const LARGEST_PART: u32 = 8;

/// Permits that were leased.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) left: u32,
    /// From before it was asked for. Later it is not spent, whenever its answer came.
    pub(super) expires: Instant,
    /// What the lease wrote.
    pub(super) from: Seen,
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) permits: u32,
    pub(super) until: Instant,
    pub(super) caller: CallerSpan,
    pub(super) reply: oneshot::Sender<Result<Grant, Error>>,
}

/// What this instance holds of one key.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) chunks: VecDeque<Chunk>,
    pub(super) waiting: VecDeque<Waiter>,
    /// Whether an answer of the servers is awaited.
    pub(super) busy: bool,
    /// Whether its deadline is in the list of deadlines.
    pub(super) watched: bool,
    pub(super) seen: Option<Seen>,
    denied_until: Option<Instant>,
    /// The revision that the key was known to have run out at.
    told: Option<u64>,
    /// The permits that the next lease asks for.
    size: u32,
    /// Whether a chunk was used up within its life since the last lease.
    used_up: bool,
    pub(super) touched: Instant,
}

impl Held {
    pub(super) fn new() -> Self {
        Self {
            chunks: VecDeque::new(),
            waiting: VecDeque::new(),
            busy: false,
            watched: false,
            seen: None,
            denied_until: None,
            told: None,
            size: 1,
            used_up: false,
            touched: Instant::now(),
        }
    }

    /// Permits that may be spent now.
    pub(super) fn left(&self, now: Instant) -> u32 {
        let alive = self.chunks.iter().filter(|chunk| now < chunk.expires);
        alive.fold(0, |sum, chunk| sum.saturating_add(chunk.left))
    }

    /// Spends permits from the chunks, the oldest first: all of them or none.
    pub(super) fn spend(&mut self, permits: u32, now: Instant) -> bool {
        if self.left(now) < permits {
            return false;
        }
        let mut due = permits;
        for chunk in self.chunks.iter_mut().filter(|chunk| now < chunk.expires) {
            let spent = due.min(chunk.left);
            chunk.left -= spent;
            due -= spent;
        }
        self.denied_until = None;
        true
    }

    /// Spends the permits of the first call that waits, if they are held. Calls whose callers gave up are skipped and come out too, as
    /// no answer is due to them.
    pub(super) fn next_served(&mut self, now: Instant) -> Option<Waiter> {
        let first = self.waiting.front()?;
        let permits = if first.reply.is_closed() { 0 } else { first.permits };
        if !self.spend(permits, now) {
            return None;
        }
        self.waiting.pop_front().map(|waiter| Waiter { permits, ..waiter })
    }

    /// Takes out the chunks that are spent or over. Those with permits left come back, to be given back or lost.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Chunk> {
        let unspent = |chunk: &Chunk| now >= chunk.expires && chunk.left > 0;
        let (unspent, rest): (VecDeque<_>, VecDeque<_>) = self.chunks.drain(..).partition(unspent);
        self.used_up |= rest.iter().any(|chunk| chunk.left == 0 && now < chunk.expires);
        self.chunks = rest.into_iter().filter(|chunk| chunk.left > 0).collect();
        let unspent = Vec::from(unspent);
        if !unspent.is_empty() {
            // Less was needed than was leased.
            (self.size, self.used_up) = ((self.size / 2).max(1), false);
        }
        unspent
    }

    /// What the next lease needs, and what it wants: the first call alone, and all calls together or a chunk.
    pub(super) fn demand(&self, burst: u32, now: Instant) -> Option<(u32, u32)> {
        let left = self.left(now);
        let first = self.waiting.front()?.permits;
        let all = self.waiting.iter().fold(0_u32, |sum, waiter| sum.saturating_add(waiter.permits));
        let needed = first.saturating_sub(left).max(1);
        Some((needed, all.saturating_sub(left).max(self.size).clamp(needed, burst.max(needed))))
    }

    /// Takes in what was leased.
    pub(super) fn got(&mut self, permits: u32, asked: Instant, seen: Seen, burst: u32) {
        let before = self.chunks.len();
        self.chunks.retain(|chunk| chunk.left > 0);
        if std::mem::take(&mut self.used_up) || self.chunks.len() < before {
            self.size = self.size.saturating_mul(2).clamp(1, (burst / LARGEST_PART).max(1));
        }
        self.chunks.push_back(Chunk { left: permits, expires: asked + LIFE, from: seen });
        self.seen = Some(seen);
        (self.denied_until, self.told) = (None, None);
    }

    /// Takes in that the bucket holds too few permits.
    pub(super) fn denied(&mut self, wait: Duration, seen: Seen, now: Instant) {
        self.seen = Some(seen);
        self.denied_until = Some(now + wait.min(DENIAL));
    }

    /// Whether the bucket is known to hold too few permits for this call. Returns the time until it holds enough.
    pub(super) fn too_few(
        &self,
        permits: u32,
        rate: &SharedRate,
        time: Nanos,
        now: Instant,
    ) -> Option<Duration> {
        let seen = self.seen.filter(|_| self.denied_until.is_some_and(|until| now < until))?;
        rate.take(seen.full_at(), time, permits.saturating_sub(self.left(now)).max(1), permits).err()
    }

    /// The revision at which the key ran out, the first time that it is asked for.
    pub(super) fn ran_out(&mut self) -> Option<u64> {
        let revision = self.seen.and_then(Seen::revision)?;
        (self.told.replace(revision) != Some(revision)).then_some(revision)
    }

    /// Forgets what is known of the bucket, since it was changed.
    pub(super) fn look_again(&mut self) {
        (self.seen, self.denied_until, self.told) = (None, None, None);
    }

    /// Whether nothing is lost when it is forgotten.
    pub(super) fn is_idle(&self) -> bool {
        !self.busy && self.waiting.is_empty() && self.chunks.is_empty()
    }
}
