//! What the supervisor knows about one service.

use std::{collections::VecDeque, time::Duration};

use app_errors::Error;
use tokio::time::Instant;

use crate::{Restart, Service, StartContext, plugins::StartHistory};

/// The phase of a service, as the supervisor knows it. The service itself may be further along, but is never behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodePhase {
    /// There is no incarnation.
    Down,
    /// The start function of the incarnation runs.
    Starting,
    /// The incarnation has started.
    Running,
    /// The incarnation was killed, and its stop timeout runs.
    Stopping,
    /// The incarnation was abandoned, and one of its tasks has not ended. That task blocks its thread.
    Stuck,
}

pub(super) struct Node {
    pub(super) phase: NodePhase,
    /// The current incarnation, or else the last one.
    pub(super) service: Option<Service>,
    pub(super) needs: Vec<usize>,
    /// Dead, and only a requested restart starts it again.
    pub(super) gone: bool,
    /// Why it died by itself, or the reason of the last requested restart.
    pub(super) why: String,
    /// A restart was requested and has not begun.
    pub(super) restart_requested: bool,
    /// Whether the supervisor killed this incarnation.
    pub(super) stopped_by_supervisor: bool,
    /// Whether this incarnation was killed while it was being started again.
    pub(super) killed_while_starting: bool,
    /// Whether the current incarnation ran, or else the last one.
    pub(super) ran: bool,
    /// The start of the current incarnation. `None` if the start of the app made it.
    pub(super) start: Option<StartContext>,
    /// Why the last start failed, if a second try is due.
    pub(super) second_try: Option<Error>,
    /// The service at fault for the stop of this one, or for its failed start.
    pub(super) because_of: Option<usize>,
    /// The earliest time of the next restart.
    pub(super) not_before: Option<Instant>,
    /// When the last incarnation was killed.
    pub(super) killed_at: Option<Instant>,
    /// When the last incarnation was dead.
    pub(super) died_at: Option<Instant>,
    /// The restarts within the window.
    history: VecDeque<Instant>,
}

impl Node {
    pub(super) fn new() -> Self {
        Self {
            phase: NodePhase::Down,
            service: None,
            needs: Vec::new(),
            gone: false,
            why: String::new(),
            restart_requested: false,
            stopped_by_supervisor: false,
            killed_while_starting: false,
            ran: false,
            start: None,
            second_try: None,
            because_of: None,
            not_before: None,
            killed_at: None,
            died_at: None,
            history: VecDeque::new(),
        }
    }

    /// Whether there is an incarnation that was not killed, as far as the supervisor knows.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.phase, NodePhase::Starting | NodePhase::Running)
    }

    /// Whether there is no incarnation that can still end.
    pub(super) fn is_out(&self) -> bool {
        matches!(self.phase, NodePhase::Down | NodePhase::Stuck)
    }

    pub(super) fn is(&self, service: &Service) -> bool {
        self.service.as_ref().is_some_and(|own| own.same(service))
    }

    /// Counts a restart. Returns its number within the window, and its delay. `None` if the window allows no more.
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

    /// Takes back what followed from the last death, because the service died of a service that it needs.
    pub(super) fn undo_death(&mut self) {
        if self.not_before.take().is_some() {
            self.history.pop_back();
        }
        self.gone = false;
    }

    /// Begins the start of the next incarnation.
    pub(super) fn next_start(&mut self, service: Service) -> StartContext {
        let history = StartHistory { ran: std::mem::take(&mut self.ran), failure: self.second_try.take() };
        let context = StartContext::new(service.clone(), history);
        (self.phase, self.service, self.start) = (NodePhase::Starting, Some(service), Some(context.clone()));
        self.because_of = None;
        context
    }

    /// Whether the failed start is tried again at once, because a parameter asked for a second try.
    pub(super) fn takes_second_try(&mut self, failure: Option<Error>) -> bool {
        let wanted = self.start.as_ref().is_some_and(StartContext::wants_second_try);
        self.second_try = failure.filter(|_| wanted);
        self.second_try.is_some()
    }

    /// Forgets earlier restarts and any delay.
    pub(super) fn reset(&mut self) {
        self.gone = false;
        self.second_try = None;
        self.not_before = None;
        self.history.clear();
    }
}
