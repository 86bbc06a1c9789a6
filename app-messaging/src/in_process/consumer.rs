//! A durable consumer: what was delivered, and when it is delivered again. It knows time only as an argument.
//!
//! A message that waits after a delayed nak still counts against `max_ack_pending`, as in NATS.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::stream::Kept;
use super::subjects::covers;
use crate::transport::{ConsumerConfig, ConsumerInfo, ConsumerState, DeliverPolicy, Settlement};

struct Pending {
    due: Instant,
    deliveries: u64,
}

/// A durable consumer.
pub(super) struct Durable {
    config: ConsumerConfig,
    /// The first sequence that was not looked at.
    next: u64,
    /// The last sequence that was delivered.
    delivered: u64,
    pending: BTreeMap<u64, Pending>,
    due: BTreeSet<(Instant, u64)>,
    /// Messages that a fault delivers once more, whatever was said of them meanwhile, with the number of the delivery.
    again: VecDeque<(u64, u64)>,
    /// Told when there may be something to deliver.
    pub(super) changed: Arc<Notify>,
}

/// A message to deliver.
pub(super) struct Taken {
    pub(super) sequence: u64,
    pub(super) deliveries: u64,
    /// How many messages wait behind it, at most.
    pub(super) pending: u64,
}

impl Durable {
    pub(super) fn new(config: ConsumerConfig, messages: &BTreeMap<u64, Kept>, last_sequence: u64) -> Self {
        let next = match config.deliver {
            DeliverPolicy::All => 1,
            DeliverPolicy::FromSequence(sequence) => sequence,
            DeliverPolicy::FromTime(time) => {
                let first = messages.iter().find(|(_, kept)| kept.stored_at >= time);
                first.map_or(last_sequence + 1, |(sequence, _)| *sequence)
            }
        };
        let changed = Arc::default();
        Self {
            config,
            next,
            delivered: next.saturating_sub(1),
            pending: BTreeMap::new(),
            due: BTreeSet::new(),
            again: VecDeque::new(),
            changed,
        }
    }

    /// Takes over the ack wait, the limit and the release. Where the consumer is stays.
    pub(super) fn change(&mut self, to: &ConsumerConfig) {
        self.config.ack_wait = to.ack_wait;
        self.config.max_ack_pending = to.max_ack_pending;
        self.config.release = to.release;
        self.changed.notify_waiters();
    }

    pub(super) fn filter(&self) -> Option<&str> {
        self.config.filter.as_deref()
    }

    /// The next delivery. Messages that are due again come first.
    pub(super) fn take(
        &mut self,
        messages: &BTreeMap<u64, Kept>,
        last_sequence: u64,
        now: Instant,
    ) -> Option<Taken> {
        let behind = |next: u64| (last_sequence + 1).saturating_sub(next);
        while let Some((sequence, deliveries)) = self.again.pop_front() {
            if messages.contains_key(&sequence) {
                return Some(Taken { sequence, deliveries, pending: behind(self.next) });
            }
        }
        while let Some(&(due, sequence)) = self.due.first().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, sequence));
            let Some(pending) = self.pending.get_mut(&sequence) else { continue };
            // The stream may have dropped it by its limits.
            if !messages.contains_key(&sequence) {
                self.pending.remove(&sequence);
                continue;
            }
            pending.deliveries += 1;
            pending.due = now + self.config.ack_wait;
            self.due.insert((pending.due, sequence));
            return Some(Taken { sequence, deliveries: pending.deliveries, pending: behind(self.next) });
        }
        if self.pending.len() >= self.config.max_ack_pending {
            return None;
        }
        let wanted = |kept: &Kept| {
            self.config.filter.as_deref().is_none_or(|filter| covers(filter, &kept.message.subject))
        };
        let found = messages.range(self.next..).find(|(_, kept)| wanted(kept)).map(|(sequence, _)| *sequence);
        let Some(sequence) = found else {
            self.next = self.next.max(last_sequence + 1);
            return None;
        };
        self.next = sequence + 1;
        self.delivered = sequence;
        let due = now + self.config.ack_wait;
        self.pending.insert(sequence, Pending { due, deliveries: 1 });
        self.due.insert((due, sequence));
        Some(Taken { sequence, deliveries: 1, pending: behind(self.next) })
    }

    /// When a message is due again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Delivers a message once more, at once, as a network may.
    pub(super) fn repeat(&mut self, taken: &Taken) {
        self.again.push_back((taken.sequence, taken.deliveries + 1));
    }

    /// Does what was said of a delivery. Of one that is settled nothing is left to do. As in NATS, an old delivery of a message
    /// counts as much as its last one.
    pub(super) fn settle(&mut self, sequence: u64, settlement: Settlement, now: Instant) {
        match settlement {
            Settlement::Ack | Settlement::Term => {
                if let Some(pending) = self.pending.remove(&sequence) {
                    self.due.remove(&(pending.due, sequence));
                }
            }
            Settlement::Nak(delay) => self.set_due(sequence, now + delay),
            Settlement::Progress => self.set_due(sequence, now + self.config.ack_wait),
        }
        self.changed.notify_waiters();
    }

    fn set_due(&mut self, sequence: u64, due: Instant) {
        if let Some(pending) = self.pending.get_mut(&sequence) {
            self.due.remove(&(pending.due, sequence));
            pending.due = due;
            self.due.insert((due, sequence));
        }
    }

    pub(super) fn state(&self, messages: &BTreeMap<u64, Kept>) -> ConsumerState {
        let wanted = |kept: &Kept| {
            self.config.filter.as_deref().is_none_or(|filter| covers(filter, &kept.message.subject))
        };
        let pending = messages.range(self.next..).filter(|(_, kept)| wanted(kept)).count() as u64;
        // A message that was deleted has nothing to wait for.
        let ack_pending =
            self.pending.keys().filter(|sequence| messages.contains_key(sequence)).count() as u64;
        ConsumerState { pending, ack_pending, delivered_sequence: self.delivered }
    }

    pub(super) fn info(&self, messages: &BTreeMap<u64, Kept>) -> ConsumerInfo {
        ConsumerInfo { config: self.config.clone(), state: self.state(messages), unfit: Vec::new() }
    }
}
