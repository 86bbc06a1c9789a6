//! The supervisor's decisions: the services of an app, and what happens to each.
//!
//! No code here waits. Facts come in: a service was killed, ended or started, or a restart was requested.
//! [`Supervisor::settle`] derives the next steps from all facts together. So a fact may come at any moment, also in the
//! middle of a restart.
//!
//! Invariants:
//! 1. An incarnation is made when the last one is dead, with every task finished.
//! 2. It is made when every service that it needs runs, and no dependent has an incarnation left.
//! 3. The supervisor kills an incarnation when no dependent has one left.
//! 4. A service is up only while every service that it needs is up. Otherwise it is killed.
//! 5. A service that fails while a service that it needs is down failed because of it. Its own restart policy then neither
//!    counts the failure nor ends the service. A failure up to [`TOGETHER`] before that of the need counts as one of these.

use std::time::Duration;

use app_errors::{Error, ErrorSeverity, errors};
use app_ids::ServiceId;
use tokio::time::Instant;

use super::{
    node::{Node, NodePhase},
    service_start::{abandon_start, is_start_failure, new_incarnation},
};
use crate::{
    App, Restart, SERVICE_RESTARTS_EXHAUSTED, Service, StartContext, StopCause, counted,
    events::ServiceEventKind, graph::Plan, service::RestartRequest, show_duration,
};

/// How long before a need a dependent may fail of the same cause. The dependent may notice the cause first.
const TOGETHER: Duration = Duration::from_secs(1);

/// Work that takes time.
pub(super) enum Step {
    /// Wait for the end of a killed service. It has a node, or it was made at run time.
    End(Option<usize>, Service),
    /// Start an incarnation.
    Start(usize, StartContext),
}

/// Decides about failures and restarts.
pub(super) struct Supervisor<'a> {
    app: &'a App,
    plan: &'a Plan,
    /// In the order of the plan's services.
    nodes: Vec<Node>,
}

impl<'a> Supervisor<'a> {
    pub(super) fn new(app: &'a App, plan: &'a Plan, services: Vec<Service>) -> Self {
        let mut nodes: Vec<_> = plan.services().iter().map(|_| Node::new()).collect();
        for need in 0..nodes.len() {
            plan.dependents(need).iter().for_each(|dependent| nodes[*dependent].needs.push(need));
        }
        for service in services {
            if let Some(node) = plan.index(service.id()) {
                (nodes[node].phase, nodes[node].service, nodes[node].ran) =
                    (NodePhase::Running, Some(service), true);
            }
        }
        Self { app, plan, nodes }
    }

    /// When the next delayed restart is due.
    pub(super) fn next_try(&self) -> Option<Instant> {
        let waiting = self.nodes.iter().filter(|node| node.phase == NodePhase::Down && !node.gone);
        waiting.filter_map(|node| node.not_before).min()
    }

    /// Handles the kill of a service.
    pub(super) fn killed(&mut self, service: Service) -> Option<Step> {
        let node = self.plan.index(service.id()).filter(|node| self.nodes[*node].is(&service));
        let Some(index) = node else {
            return (!self.is_fatal(&service)).then_some(Step::End(None, service));
        };
        let node = &mut self.nodes[index];
        let was_up = node.is_up();
        if was_up {
            node.killed_while_starting = node.phase == NodePhase::Starting;
            (node.phase, node.killed_at) = (NodePhase::Stopping, Some(Instant::now()));
            self.undo_deaths_of_dependents();
        }
        // A restart that fails counts as a death, even if the error is FATAL.
        let is_fatal = !self.nodes[index].killed_while_starting && self.is_fatal(&service);
        (was_up && !is_fatal).then_some(Step::End(Some(index), service))
    }

    /// Handles the end of a killed service: it is dead, or it was abandoned.
    pub(super) fn ended(&mut self, node: Option<usize>, service: &Service) {
        let Some(index) = node else {
            // It may have failed during its stop.
            self.is_fatal(service);
            return;
        };
        let node = &mut self.nodes[index];
        node.phase = if service.is_dead() { NodePhase::Down } else { NodePhase::Stuck };
        node.died_at = Some(Instant::now());
        let planned = std::mem::take(&mut node.stopped_by_supervisor);
        let requested = std::mem::take(&mut node.restart_requested);
        let while_starting = std::mem::take(&mut node.killed_while_starting);
        if !while_starting && self.is_fatal(service) {
            return;
        }
        let stuck = self.nodes[index].phase == NodePhase::Stuck;
        match (stuck, planned || requested) {
            (false, true) => {}
            (false, false) if service.error().is_some() && self.failed_with_a_need(index) => {}
            (false, false) if while_starting && self.nodes[index].takes_second_try(service.error()) => {}
            (false, false) => self.died(index, service),
            (true, planned) => self.stuck(index, service, planned),
        }
    }

    /// Handles the end of a start.
    pub(super) fn started(&mut self, index: usize, service: &Service, well: bool) {
        let node = &mut self.nodes[index];
        if well && node.phase == NodePhase::Starting && node.is(service) {
            (node.phase, node.ran) = (NodePhase::Running, true);
            let down = node.died_at.map(|at| at.elapsed()).unwrap_or_default();
            service.emit(ServiceEventKind::Restarted { down });
        }
    }

    /// Handles the request for a restart.
    pub(super) fn restart_requested(&mut self, request: RestartRequest) {
        let RestartRequest { service, reason, answer } = request;
        // Fails if the caller has gone. The restart takes place all the same.
        let _ = answer.send(self.request_restart(service, reason));
    }

    fn request_restart(&mut self, id: ServiceId, reason: String) -> Result<(), Error> {
        let Some(index) = self.plan.index(id) else {
            return Err(app_errors::service_not_registered_error(id));
        };
        let refused = |why: String| {
            let message = format!("service {} cannot be restarted: {why}", self.name(index));
            Err(errors::SERVICE_NOT_AVAILABLE.error(id).message(message).build())
        };
        if let Some(gone) = self.gone_below(index) {
            return refused(format!(
                "service {}, which it depends on, is gone; restart that service",
                self.name(gone)
            ));
        }
        let node = &self.nodes[index];
        if node.phase == NodePhase::Stuck {
            let alive = node.service.as_ref().filter(|service| !service.is_dead());
            if let Some(service) = alive {
                return refused(format!("it has not stopped, tasks: {}", service.open_tasks().join(", ")));
            }
        }
        let node = &mut self.nodes[index];
        node.reset();
        match node.phase {
            NodePhase::Stuck => node.phase = NodePhase::Down,
            NodePhase::Down => {}
            NodePhase::Starting | NodePhase::Running | NodePhase::Stopping => node.restart_requested = true,
        }
        node.why.clone_from(&reason);
        if let Some(service) = &node.service {
            service.emit(ServiceEventKind::RestartRequested { reason });
        }
        Ok(())
    }

    /// A direct or indirect need of a service that is gone.
    fn gone_below(&self, index: usize) -> Option<usize> {
        self.below(index, |need| need.gone)
    }

    /// A direct or indirect need of a service for which this is true.
    fn below(&self, index: usize, which: impl Fn(&Node) -> bool) -> Option<usize> {
        let (mut seen, mut open) = (vec![false; self.nodes.len()], vec![index]);
        while let Some(at) = open.pop() {
            for need in &self.nodes[at].needs {
                if which(&self.nodes[*need]) {
                    return Some(*need);
                }
                if !std::mem::replace(&mut seen[*need], true) {
                    open.push(*need);
                }
            }
        }
        None
    }

    /// Whether a need of a service was killed before the service, or a moment later, and is still down (invariant 5).
    fn failed_with_a_need(&self, index: usize) -> bool {
        let Some(killed_at) = self.nodes[index].killed_at else { return false };
        let together = |need: &Node| {
            need.phase != NodePhase::Running && need.killed_at.is_some_and(|at| at <= killed_at + TOGETHER)
        };
        self.below(index, together).is_some()
    }

    /// Takes back the deaths of dependents that failed because of a service that was killed (invariant 5).
    fn undo_deaths_of_dependents(&mut self) {
        let failed = |node: &Node| node.service.as_ref().is_some_and(|service| service.error().is_some());
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            let died =
                node.phase == NodePhase::Down && (node.gone || node.not_before.is_some()) && failed(node);
            if died && self.failed_with_a_need(index) {
                self.nodes[index].undo_death();
            }
        }
    }

    /// Applies the restart policy of a service that died by itself.
    fn died(&mut self, index: usize, service: &Service) {
        let (policy, failure) = (self.policy(index), service.error());
        let why = failure.as_ref().map_or_else(|| why_killed(service), ToString::to_string);
        let node = &mut self.nodes[index];
        node.why.clone_from(&why);
        if !policy.follows(failure.is_some()) {
            node.gone = true;
            return;
        }
        let (max_restarts, window) = policy.limits();
        if let Some((attempt, delay)) = node.count(&policy, Instant::now()) {
            service.emit(ServiceEventKind::RestartScheduled {
                attempt,
                max_restarts,
                window,
                delay,
                reason: why,
            });
            return;
        }
        let (times, window) = (counted(max_restarts.into(), "restart"), show_duration(window));
        self.escalate(index, service, format!("died once more after {times} in {window}: {why}"));
    }

    /// Handles a service that did not stop. Starting it again would overlap two incarnations.
    fn stuck(&mut self, index: usize, service: &Service, planned: bool) {
        let policy = self.policy(index);
        let failure = service.error();
        let node = &mut self.nodes[index];
        node.gone = true;
        node.why = failure.as_ref().map_or_else(|| why_killed(service), ToString::to_string);
        if !policy.is_never() && (planned || policy.follows(failure.is_some())) {
            let tasks = service.open_tasks().join(", ");
            self.escalate(
                index,
                service,
                format!("cannot be restarted, because it did not stop (tasks: {tasks})"),
            );
        }
    }

    /// Stops the app, because a restart cannot help.
    fn escalate(&mut self, index: usize, service: &Service, what: String) {
        self.nodes[index].gone = true;
        let message = format!("service {} {what}", self.name(index));
        let error = SERVICE_RESTARTS_EXHAUSTED.error(service.id()).message(message);
        let error = match service.error() {
            Some(failure) => error.context(serde_json::json!({ "failure": failure.to_json_without_stack() })),
            None => error,
        };
        let error = error.build();
        service.emit(ServiceEventKind::RestartsExhausted { error: error.clone() });
        self.app.kill(StopCause::Fatal(error));
    }

    /// Stops the app at once if the failure of a service is FATAL.
    ///
    /// A failed start of a supervised service is a death, whatever its restart policy is. The init hook of a command server
    /// may run after the start function has returned, and its failure is a failed start too.
    fn is_fatal(&self, service: &Service) -> bool {
        let failure = service.error().filter(|failure| {
            let counts_as_death = service.is_on_board() && is_start_failure(service, failure);
            failure.severity() == ErrorSeverity::Fatal && !counts_as_death
        });
        let is_fatal = failure.is_some();
        failure.into_iter().for_each(|failure| self.app.kill(StopCause::Fatal(failure)));
        is_fatal
    }

    /// Derives the next steps from all facts: which services end, and which start.
    pub(super) fn settle(&mut self) -> Vec<Step> {
        let order: Vec<_> = self.plan.order().collect();
        let (causes, occupied) = (self.causes(&order), self.occupied(&order));
        let mut jobs = Vec::new();
        for index in order.iter().rev().copied().filter(|index| !occupied[*index]) {
            if let (true, Some(cause)) = (self.nodes[index].is_up(), causes[index]) {
                jobs.extend(self.stop_service(index, cause));
            }
        }
        let now = Instant::now();
        for index in order {
            let node = &mut self.nodes[index];
            if node.phase != NodePhase::Down || node.gone {
                continue;
            }
            // A restart that is due and waits for a need must not wake the supervisor again.
            node.not_before = node.not_before.filter(|at| *at > now);
            let node = &self.nodes[index];
            let ready =
                |need: &usize| self.nodes[*need].phase == NodePhase::Running && causes[*need].is_none();
            if !node.needs.iter().all(ready) {
                self.note_cause(index, &causes);
            } else if !occupied[index] && node.not_before.is_none() {
                jobs.push(self.start(index));
            }
        }
        jobs
    }

    /// For each service that cannot stay up, the service at fault: itself, or one of its dependencies.
    fn causes(&self, order: &[usize]) -> Vec<Option<usize>> {
        let mut causes = vec![None; self.nodes.len()];
        for index in order {
            let node = &self.nodes[*index];
            let of_need = |need: &usize| match self.nodes[*need].phase {
                // What follows from the death of a service is only known when it is dead.
                NodePhase::Running | NodePhase::Stopping => causes[*need],
                _ if self.nodes[*need].gone => Some(*need),
                _ => Some(causes[*need].unwrap_or(*need)),
            };
            causes[*index] =
                if node.restart_requested { Some(*index) } else { node.needs.iter().find_map(of_need) };
        }
        causes
    }

    /// By service, whether a dependent has an incarnation left.
    fn occupied(&self, order: &[usize]) -> Vec<bool> {
        let mut occupied = vec![false; self.nodes.len()];
        for index in order.iter().rev() {
            let mut dependents = self.plan.dependents(*index).iter();
            occupied[*index] =
                dependents.any(|dependent| !self.nodes[*dependent].is_out() || occupied[*dependent]);
        }
        occupied
    }

    /// Kills a service that cannot stay up.
    fn stop_service(&mut self, index: usize, cause: usize) -> Option<Step> {
        let service = self.nodes[index].service.clone()?;
        let reason = self.reason(index, cause);
        let node = &mut self.nodes[index];
        node.because_of = Some(cause);
        // If another caller killed it first, it died by itself. The mailbox has that fact.
        if !service.kill_first(reason.into()) {
            return None;
        }
        if node.phase == NodePhase::Starting {
            service.abort_start();
        }
        (node.phase, node.killed_at) = (NodePhase::Stopping, Some(Instant::now()));
        node.stopped_by_supervisor = true;
        Some(Step::End(Some(index), service))
    }

    /// Puts the cause on the board for a service that waits for a service that is gone.
    fn note_cause(&mut self, index: usize, causes: &[Option<usize>]) {
        let Some(cause) = causes[index].filter(|cause| *cause != index) else { return };
        if self.nodes[cause].gone && self.nodes[index].because_of != Some(cause) {
            self.nodes[index].because_of = Some(cause);
            let id = self.plan.services()[index].id();
            self.app.host().bus.board().set_reason(id, self.reason(index, cause));
        }
    }

    fn reason(&self, index: usize, cause: usize) -> String {
        let (name, Node { gone, why, .. }) = (self.name(cause), &self.nodes[cause]);
        match (index == cause, gone) {
            (true, _) => format!("restart asked for: {why}"),
            (false, true) => format!("service {name}, which it depends on, is gone: {why}"),
            (false, false) => format!("service {name}, which it depends on, restarts: {why}"),
        }
    }

    fn start(&mut self, index: usize) -> Step {
        let service = new_incarnation(self.app, &self.plan.services()[index]);
        Step::Start(index, self.nodes[index].next_start(service))
    }

    /// Drops the start functions that have not returned, because the app stops.
    pub(super) fn abandon_starts(&self) {
        let starting = self.nodes.iter().filter(|node| node.phase == NodePhase::Starting);
        starting.filter_map(|node| node.service.as_ref()).for_each(abandon_start);
    }

    fn policy(&self, index: usize) -> Restart {
        let descriptor = &self.plan.services()[index];
        self.app.restart_policy(descriptor.id()).unwrap_or_else(|| descriptor.restart_policy())
    }

    fn name(&self, index: usize) -> String {
        let service = &self.plan.services()[index];
        format!("{} ({})", service.name(), service.id())
    }
}

fn why_killed(service: &Service) -> String {
    service.reason().map_or_else(|| "it ended".to_owned(), |reason| reason.to_string())
}
