//! What the supervisor knows of one service.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::{Restart, Service};

/// Where a service is, as the supervisor sees it: behind what really happens, never ahead of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No incarnation is there.
    Down,
    /// The start function of an incarnation runs.
    Starting,
    /// An incarnation is there for others.
    Running,
    /// An incarnation was killed, and has its time to stop.
    Ending,
    /// An incarnation was given up, and a task of it is still there: it blocks its thread.
    Stuck,
}

pub(super) struct Node {
    pub(super) phase: Phase,
    /// The incarnation, or else the last one.
    pub(super) service: Option<Service>,
    pub(super) needs: Vec<usize>,
    /// Dead for good: only a restart that is asked for brings it back.
    pub(super) gone: bool,
    /// Why it died by itself, or was last asked to restart.
    pub(super) why: String,
    /// Its restart was asked for and has not begun.
    pub(super) asked: bool,
    /// Whether the supervisor killed this incarnation, and so has planned its end.
    pub(super) put_down: bool,
    /// Whether this incarnation fell while it was being started again.
    pub(super) fell_starting: bool,
    /// The service on whose account this one was stopped, or can't be started.
    pub(super) on_account_of: Option<usize>,
    /// A restart waits until then.
    pub(super) not_before: Option<Instant>,
    /// When the last incarnation was killed, or failed.
    pub(super) fell_at: Option<Instant>,
    /// When the last incarnation was dead.
    pub(super) died_at: Option<Instant>,
    /// The restarts that still count.
    history: VecDeque<Instant>,
}

impl Node {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Down,
            service: None,
            needs: Vec::new(),
            gone: false,
            why: String::new(),
            asked: false,
            put_down: false,
            fell_starting: false,
            on_account_of: None,
            not_before: None,
            fell_at: None,
            died_at: None,
            history: VecDeque::new(),
        }
    }

    /// Whether an incarnation is there that nobody has killed, as far as is known.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Running)
    }

    /// Whether no incarnation is there that could still end.
    pub(super) fn is_out(&self) -> bool {
        matches!(self.phase, Phase::Down | Phase::Stuck)
    }

    pub(super) fn is(&self, service: &Service) -> bool {
        self.service.as_ref().is_some_and(|own| own.same(service))
    }

    /// Counts a restart: its number within the window, and how long it waits. `None` when it is one too many.
    pub(super) fn count(&mut self, policy: &Restart, now: Instant) -> Option<(u32, Duration)> {
        let (max_restarts, window) = policy.limits();
        while self.history.front().is_some_and(|at| now.saturating_duration_since(*at) >= window) {
            self.history.pop_front();
        }
        let attempt = u32::try_from(self.history.len()).unwrap_or(u32::MAX).saturating_add(1);
        if attempt > max_restarts {
            return None;
        }
        self.history.push_back(now);
        let delay = policy.delay(attempt);
        self.not_before = Some(now + delay);
        Some((attempt, delay))
    }

    /// Takes the last death back: the service died of something that it needs.
    pub(super) fn excuse(&mut self) {
        if self.not_before.take().is_some() {
            self.history.pop_back();
        }
        self.gone = false;
    }

    /// Starts over: nothing counts, nothing waits.
    pub(super) fn forgive(&mut self) {
        self.gone = false;
        self.not_before = None;
        self.history.clear();
    }
}
