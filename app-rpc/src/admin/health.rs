//! The interface `Health`: health checks, and how operators run, pause and resume them.

use std::rc::Rc;
use std::sync::Arc;

use app_core::prelude::*;
use app_health::{
    HealthCheckResult, HealthCheckSpec, HealthCheckState, HealthChecks, HealthStatus, HealthTransition,
    LIVENESS_GROUP, READINESS_GROUP, STARTUP_GROUP,
};
use capnp::Error as RpcError;
use schema::admin_capnp::{self, health, health_check, health_result, health_transition};

use super::gate::Session;
use super::text::short;
use super::{count, failed, millis, millis_of};

/// Serves `Health`.
pub(super) struct HealthServer {
    session: Rc<Session>,
}

impl HealthServer {
    pub(super) fn new(session: Rc<Session>) -> Self {
        Self { session }
    }

    /// The checks of the current incarnation of the health service.
    fn registry(&self) -> capnp::Result<Arc<HealthChecks>> {
        self.session.admin.app().get::<HealthChecks>().map_err(|error| failed(&error))
    }
}

impl health::Server for HealthServer {
    async fn checks(
        self: Rc<Self>,
        _: health::ChecksParams,
        mut results: health::ChecksResults,
    ) -> Result<(), RpcError> {
        let states = self.registry()?.states().map_err(|error| failed(&error))?;
        let mut list = results.get().init_checks(count(states.len()));
        for (place, state) in (0..).zip(&states) {
            write(state, list.reborrow().get(place));
        }
        Ok(())
    }

    async fn check(
        self: Rc<Self>,
        params: health::CheckParams,
        mut results: health::CheckResults,
    ) -> Result<(), RpcError> {
        let (id, checks) = (HealthCheckId::new(params.get()?.get_id()), self.registry()?);
        let failed = |error: Error| failed(&error);
        let state = checks.state(id).map_err(failed)?;
        let (history, transitions) =
            (checks.history(id).map_err(failed)?, checks.transitions(id).map_err(failed)?);
        let mut results = results.get();
        write(&state, results.reborrow().init_check());
        let mut list = results.reborrow().init_history(count(history.len()));
        for (place, result) in (0..).zip(&*history) {
            write_result(result, list.reborrow().get(place));
        }
        let mut list = results.init_transitions(count(transitions.len()));
        for (place, transition) in (0..).zip(&*transitions) {
            write_transition(transition, list.reborrow().get(place));
        }
        Ok(())
    }

    async fn run(
        self: Rc<Self>,
        params: health::RunParams,
        mut results: health::RunResults,
    ) -> Result<(), RpcError> {
        let (id, checks) = (HealthCheckId::new(params.get()?.get_id()), self.registry()?);
        let result = tokio::select! {
            result = checks.run(id) => result.map_err(|error| failed(&error))?,
            () = self.session.admin.service.dying() => {
                return Err(RpcError::failed("the run may go on, but the application stops: look at its result in the log".to_owned()));
            }
        };
        write_result(&result, results.get().init_result());
        Ok(())
    }

    async fn pause(
        self: Rc<Self>,
        params: health::PauseParams,
        mut results: health::PauseResults,
    ) -> Result<(), RpcError> {
        let (id, checks) = (HealthCheckId::new(params.get()?.get_id()), self.registry()?);
        let was_paused = checks.state(id).map_err(|error| failed(&error))?.paused;
        let paused = checks.pause(id).map_err(|error| failed(&error))?;
        results.get().set_paused(paused && !was_paused);
        Ok(())
    }

    async fn resume(
        self: Rc<Self>,
        params: health::ResumeParams,
        mut results: health::ResumeResults,
    ) -> Result<(), RpcError> {
        let (id, checks) = (HealthCheckId::new(params.get()?.get_id()), self.registry()?);
        let was_paused = checks.state(id).map_err(|error| failed(&error))?.paused;
        checks.resume(id).map_err(|error| failed(&error))?;
        results.get().set_resumed(was_paused);
        Ok(())
    }
}

fn write(state: &HealthCheckState, mut to: health_check::Builder<'_>) {
    let spec = &state.spec;
    to.set_id(spec.id.as_u64());
    to.set_name(short(&name(spec)));
    to.set_service_id(state.owner.map_or(0, ServiceId::as_u64));
    to.set_critical(spec.critical);
    to.set_paused(state.paused);
    to.set_paused_since_millis(state.paused_since.map_or(0, millis_of));
    to.set_status(status(state.status));
    to.set_interval_millis(millis(spec.interval));
    to.set_timeout_millis(millis(spec.timeout));
    to.set_problem(short(&state.problem().unwrap_or_default()));
    to.set_since_millis(millis_of(state.since));
    to.set_failure_threshold(spec.failure_threshold);
    to.set_success_threshold(spec.success_threshold);
    let groups = groups(spec);
    let mut list = to.reborrow().init_groups(count(groups.len()));
    for (place, group) in (0..).zip(groups) {
        list.set(place, short(group));
    }
    if let Some(result) = &state.result {
        to.set_failures(result.error_count);
        to.set_has_result(true);
        write_result(result, to.init_result());
    }
}

/// The check's own name, or else the name of its id.
pub(super) fn name(spec: &HealthCheckSpec) -> String {
    spec.name.as_deref().or_else(|| spec.id.name()).unwrap_or_default().to_owned()
}

/// The groups of the check, including those that its spec implies.
fn groups(spec: &HealthCheckSpec) -> Vec<&str> {
    let probes = [READINESS_GROUP, LIVENESS_GROUP, STARTUP_GROUP];
    let own = spec.groups.iter().map(AsRef::as_ref).filter(|group| !probes.contains(group));
    probes.into_iter().filter(|probe| spec.in_group(probe)).chain(own).collect()
}

fn write_result(result: &HealthCheckResult, mut to: health_result::Builder<'_>) {
    to.set_started_on_millis(millis_of(result.started_at));
    to.set_duration_nanos(u64::try_from(result.duration.as_nanos()).unwrap_or(u64::MAX));
    to.set_failures(result.error_count);
    to.set_outcome(result.outcome.as_str());
    if let Some(error) = &result.error {
        to.set_error(short(&error.to_string()));
    }
}

fn write_transition(transition: &HealthTransition, mut to: health_transition::Builder<'_>) {
    to.set_from(status(transition.from));
    to.set_to(status(transition.to));
    to.set_at_millis(millis_of(transition.at));
    if let Some(error) = transition.result.as_ref().and_then(|result| result.error.as_ref()) {
        to.set_error(short(&error.to_string()));
    }
}

fn status(status: HealthStatus) -> admin_capnp::HealthStatus {
    match status {
        HealthStatus::Passing => admin_capnp::HealthStatus::Healthy,
        HealthStatus::Failing => admin_capnp::HealthStatus::Unhealthy,
        _ => admin_capnp::HealthStatus::Unknown,
    }
}
