//! The services of an app, and what is to become of each.
//!
//! Nothing here waits. Facts come in (a service fell, ended, started; a restart was asked for), and [`Crew::settle`] says
//! what follows from all of them together. So any fact may come at any moment, in the middle of a restart too.
//!
//! Invariants:
//! 1. An incarnation is made when the one before it is dead, every task of it finished.
//! 2. It is made when all that its service needs is running, and nothing that depends on the service has an
//!    incarnation left.
//! 3. The supervisor kills an incarnation when nothing that depends on its service has one left.
//! 4. A service is up only as long as all that it needs is: else it is killed.
//! 5. A service that fails while something that it needs is down was taken along: its own policy neither counts that
//!    nor ends it. A failure up to [`TOGETHER`] before that of the need counts as one of the same cause.

use std::time::Duration;

use app_errors::{Error, ErrorSeverity, errors};
use app_ids::ServiceId;
use tokio::time::Instant;

use super::node::{Node, Phase};
use crate::{
    App, Restart, SERVICE_RESTARTS_EXHAUSTED, Service, ServiceEventKind, StartContext, StopCause,
    app::RestartRequest, counted, graph::Plan, lifecycle::start, show_duration,
};

/// How far apart a service and what it needs may fail of one cause, the dependent first: it may notice first.
const TOGETHER: Duration = Duration::from_secs(1);

/// What takes time.
pub(super) enum Job {
    /// Wait for the end of a service that was killed, that of a node or one that was made at run time.
    End(Option<usize>, Service),
    /// Start an incarnation.
    Start(usize, StartContext),
}

pub(super) struct Crew<'a> {
    app: &'a App,
    plan: &'a Plan,
    /// By their place in the plan.
    nodes: Vec<Node>,
}

impl<'a> Crew<'a> {
    pub(super) fn new(app: &'a App, plan: &'a Plan, services: Vec<Service>) -> Self {
        let mut nodes: Vec<_> = plan.services().iter().map(|_| Node::new()).collect();
        for need in 0..nodes.len() {
            plan.dependents(need).iter().for_each(|dependent| nodes[*dependent].needs.push(need));
        }
        for service in services {
            if let Some(node) = plan.index(service.id()) {
                (nodes[node].phase, nodes[node].service, nodes[node].ran) =
                    (Phase::Running, Some(service), true);
            }
        }
        Self { app, plan, nodes }
    }

    /// When a restart that waits is due.
    pub(super) fn next_try(&self) -> Option<Instant> {
        let waiting = self.nodes.iter().filter(|node| node.phase == Phase::Down && !node.gone);
        waiting.filter_map(|node| node.not_before).min()
    }

    /// A service was killed, by whomever.
    pub(super) fn fell(&mut self, service: Service) -> Option<Job> {
        let node = self.plan.index(service.id()).filter(|node| self.nodes[*node].is(&service));
        let Some(index) = node else {
            return (!self.is_fatal(&service)).then_some(Job::End(None, service));
        };
        let node = &mut self.nodes[index];
        let was_up = node.is_up();
        if was_up {
            node.fell_starting = node.phase == Phase::Starting;
            (node.phase, node.fell_at) = (Phase::Ending, Some(Instant::now()));
            self.excuse_dependents();
        }
        // A start that fails, whatever of, is a restart that failed.
        let is_fatal = !self.nodes[index].fell_starting && self.is_fatal(&service);
        (was_up && !is_fatal).then_some(Job::End(Some(index), service))
    }

    /// A service that was killed is dead, or was given up.
    pub(super) fn ended(&mut self, node: Option<usize>, service: &Service) {
        let Some(index) = node else {
            // It may have failed while it stopped.
            self.is_fatal(service);
            return;
        };
        let node = &mut self.nodes[index];
        node.phase = if service.is_dead() { Phase::Down } else { Phase::Stuck };
        node.died_at = Some(Instant::now());
        let (planned, asked) = (std::mem::take(&mut node.put_down), std::mem::take(&mut node.asked));
        let fell_starting = std::mem::take(&mut node.fell_starting);
        if !fell_starting && self.is_fatal(service) {
            return;
        }
        let stuck = self.nodes[index].phase == Phase::Stuck;
        match (stuck, planned || asked) {
            (false, true) => {}
            (false, false) if service.error().is_some() && self.fell_with_a_need(index) => {}
            (false, false) if fell_starting && self.nodes[index].takes_second_try(service.error()) => {}
            (false, false) => self.died(index, service),
            (true, planned) => self.stuck(index, service, planned),
        }
    }

    /// The start of an incarnation came back.
    pub(super) fn started(&mut self, index: usize, service: &Service, well: bool) {
        let node = &mut self.nodes[index];
        if well && node.phase == Phase::Starting && node.is(service) {
            (node.phase, node.ran) = (Phase::Running, true);
            let down = node.died_at.map(|at| at.elapsed()).unwrap_or_default();
            service.emit(ServiceEventKind::Restarted { down });
        }
    }

    /// Somebody asked for a restart.
    pub(super) fn asked(&mut self, request: RestartRequest) {
        let RestartRequest { service, reason, answer } = request;
        // Who asked may be gone; the restart takes place all the same.
        let _ = answer.send(self.ask(service, reason));
    }

    fn ask(&mut self, id: ServiceId, reason: String) -> Result<(), Error> {
        let Some(index) = self.plan.index(id) else {
            return Err(app_errors::service_not_registered_error(id));
        };
        let refused = |why: String| {
            let message = format!("service {} can't be restarted: {why}", self.name(index));
            Err(errors::SERVICE_NOT_AVAILABLE.error(id).message(message).build())
        };
        if let Some(gone) = self.gone_below(index) {
            return refused(format!(
                "service {}, which it depends on, is gone: restart that",
                self.name(gone)
            ));
        }
        let node = &self.nodes[index];
        if node.phase == Phase::Stuck {
            let alive = node.service.as_ref().filter(|service| !service.is_dead());
            if let Some(service) = alive {
                return refused(format!("it has not stopped, tasks: {}", service.open_tasks().join(", ")));
            }
        }
        let node = &mut self.nodes[index];
        node.forgive();
        match node.phase {
            Phase::Stuck => node.phase = Phase::Down,
            Phase::Down => {}
            Phase::Starting | Phase::Running | Phase::Ending => node.asked = true,
        }
        node.why.clone_from(&reason);
        if let Some(service) = &node.service {
            service.emit(ServiceEventKind::RestartRequested { reason });
        }
        Ok(())
    }

    /// Something that a service needs, directly or not, and that is dead for good.
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

    /// Whether something that a service needs fell before it did, or a moment later, and is still down (invariant 5).
    fn fell_with_a_need(&self, index: usize) -> bool {
        let Some(fell_at) = self.nodes[index].fell_at else { return false };
        let together = |need: &Node| {
            need.phase != Phase::Running && need.fell_at.is_some_and(|at| at <= fell_at + TOGETHER)
        };
        self.below(index, together).is_some()
    }

    /// A service fell: what depends on it and has just died of a failure was taken along (invariant 5).
    fn excuse_dependents(&mut self) {
        let failed = |node: &Node| node.service.as_ref().is_some_and(|service| service.error().is_some());
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            let died = node.phase == Phase::Down && (node.gone || node.not_before.is_some()) && failed(node);
            if died && self.fell_with_a_need(index) {
                self.nodes[index].excuse();
            }
        }
    }

    /// A service died by itself: what its policy says.
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

    /// A service did not stop, so that it can't be started again without being there twice.
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
                format!("can't be restarted, since it did not stop (tasks: {tasks})"),
            );
        }
    }

    /// More than a restart can cure: the app stops.
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

    /// A failure that ends the app, at once.
    fn is_fatal(&self, service: &Service) -> bool {
        let failure = service.error().filter(|failure| failure.severity() == ErrorSeverity::Fatal);
        let is_fatal = failure.is_some();
        failure.into_iter().for_each(|failure| self.app.kill(StopCause::Fatal(failure)));
        is_fatal
    }

    /// What follows from all that is known: which services end, and which start.
    pub(super) fn settle(&mut self) -> Vec<Job> {
        let order: Vec<_> = self.plan.order().collect();
        let (accounts, occupied) = (self.accounts(&order), self.occupied(&order));
        let mut jobs = Vec::new();
        for index in order.iter().rev().copied().filter(|index| !occupied[*index]) {
            if let (true, Some(account)) = (self.nodes[index].is_up(), accounts[index]) {
                jobs.extend(self.put_down(index, account));
            }
        }
        let now = Instant::now();
        for index in order {
            let node = &mut self.nodes[index];
            if node.phase != Phase::Down || node.gone {
                continue;
            }
            // One that is due and waits for something else wakes nobody any more.
            node.not_before = node.not_before.filter(|at| *at > now);
            let node = &self.nodes[index];
            let ready = |need: &usize| self.nodes[*need].phase == Phase::Running && accounts[*need].is_none();
            if !node.needs.iter().all(ready) {
                self.wait_for_needs(index, &accounts);
            } else if !occupied[index] && node.not_before.is_none() {
                jobs.push(self.start(index));
            }
        }
        jobs
    }

    /// By service, on whose account it can't be up as it is: its own, or that of something that it depends on.
    fn accounts(&self, order: &[usize]) -> Vec<Option<usize>> {
        let mut accounts = vec![None; self.nodes.len()];
        for index in order {
            let node = &self.nodes[*index];
            let of_need = |need: &usize| match self.nodes[*need].phase {
                // One that dies by itself is told when it is dead: until then it is not known what follows.
                Phase::Running | Phase::Ending => accounts[*need],
                _ if self.nodes[*need].gone => Some(*need),
                _ => Some(accounts[*need].unwrap_or(*need)),
            };
            accounts[*index] = if node.asked { Some(*index) } else { node.needs.iter().find_map(of_need) };
        }
        accounts
    }

    /// By service, whether anything that depends on it has an incarnation left.
    fn occupied(&self, order: &[usize]) -> Vec<bool> {
        let mut occupied = vec![false; self.nodes.len()];
        for index in order.iter().rev() {
            let mut dependents = self.plan.dependents(*index).iter();
            occupied[*index] =
                dependents.any(|dependent| !self.nodes[*dependent].is_out() || occupied[*dependent]);
        }
        occupied
    }

    fn put_down(&mut self, index: usize, account: usize) -> Option<Job> {
        let service = self.nodes[index].service.clone()?;
        let reason = self.reason(index, account);
        let node = &mut self.nodes[index];
        node.on_account_of = Some(account);
        // Who was killed by somebody else in this moment has died by himself: that is told soon.
        if !service.kill_first(reason.into()) {
            return None;
        }
        if node.phase == Phase::Starting {
            service.abort_start();
        }
        (node.phase, node.fell_at, node.put_down) = (Phase::Ending, Some(Instant::now()), true);
        Some(Job::End(Some(index), service))
    }

    /// Says on whose account a service is down, where that has changed.
    fn wait_for_needs(&mut self, index: usize, accounts: &[Option<usize>]) {
        let Some(account) = accounts[index].filter(|account| *account != index) else { return };
        if self.nodes[account].gone && self.nodes[index].on_account_of != Some(account) {
            self.nodes[index].on_account_of = Some(account);
            let id = self.plan.services()[index].id();
            self.app.inner.board.blame(id, self.reason(index, account));
        }
    }

    fn reason(&self, index: usize, account: usize) -> String {
        let (name, Node { gone, why, .. }) = (self.name(account), &self.nodes[account]);
        match (index == account, gone) {
            (true, _) => format!("restart asked for: {why}"),
            (false, true) => format!("service {name}, which it depends on, is gone: {why}"),
            (false, false) => format!("service {name}, which it depends on, restarts: {why}"),
        }
    }

    fn start(&mut self, index: usize) -> Job {
        let service = start::made(self.app, &self.plan.services()[index]);
        Job::Start(index, self.nodes[index].next_start(service))
    }

    /// The app stops: start functions that have not come back are dropped.
    pub(super) fn abandon_starts(&self) {
        let starting = self.nodes.iter().filter(|node| node.phase == Phase::Starting);
        for service in starting.filter_map(|node| node.service.as_ref()) {
            service.kill("the app stops");
            service.abort_start();
        }
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
