//! What the supervisor knows of one service.

use std::{collections::VecDeque, time::Duration};

use app_errors::Error;
use tokio::time::Instant;

use crate::{Restart, Service, StartContext, param::StartHistory};

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
    /// Whether the incarnation ran, or else the last one.
    pub(super) ran: bool,
    /// The start of the incarnation, unless the app's own start made it.
    pub(super) start: Option<StartContext>,
    /// Why the last start failed, where a second try is due.
    pub(super) second_try: Option<Error>,
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
            ran: false,
            start: None,
            second_try: None,
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

    /// The start of the next incarnation.
    pub(super) fn next_start(&mut self, service: Service) -> StartContext {
        let history = StartHistory { ran: std::mem::take(&mut self.ran), failure: self.second_try.take() };
        let context = StartContext::new(service.clone(), history);
        (self.phase, self.service, self.start) = (Phase::Starting, Some(service), Some(context.clone()));
        self.on_account_of = None;
        context
    }

    /// Whether the start that has just failed is tried again at once, because a parameter asked for it.
    pub(super) fn takes_second_try(&mut self, failure: Option<Error>) -> bool {
        let wanted = self.start.as_ref().is_some_and(StartContext::wants_second_try);
        self.second_try = failure.filter(|_| wanted);
        self.second_try.is_some()
    }

    /// Starts over: nothing counts, nothing waits.
    pub(super) fn forgive(&mut self) {
        self.gone = false;
        self.second_try = None;
        self.not_before = None;
        self.history.clear();
    }
}
