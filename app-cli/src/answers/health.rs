//! Health checks of an app.

use std::time::Duration;

use capnp::struct_list;
use schema::admin_capnp::{HealthStatus, health_check, health_result, health_transition};
use serde::{Serialize, Serializer};

use super::{elements, some_text, text, texts};
use crate::output::{Hex, Moment, seconds};

/// The status of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckStatus(Option<HealthStatus>);

impl CheckStatus {
    fn of(status: Result<HealthStatus, capnp::NotInSchema>) -> Self {
        Self(status.ok())
    }

    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            Some(HealthStatus::Healthy) => "healthy",
            Some(HealthStatus::Unhealthy) => "unhealthy",
            Some(HealthStatus::Unknown) | None => "unknown",
        }
    }
}

impl Serialize for CheckStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A health check.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Check {
    pub(crate) id: Hex,
    pub(crate) name: String,
    pub(crate) service: Option<Hex>,
    pub(crate) status: CheckStatus,
    pub(crate) since: Option<Moment>,
    pub(crate) problem: Option<String>,
    pub(crate) critical: bool,
    pub(crate) paused: bool,
    pub(crate) paused_since: Option<Moment>,
    pub(crate) groups: Vec<String>,
    pub(crate) failures: u32,
    pub(crate) failure_threshold: u32,
    pub(crate) success_threshold: u32,
    pub(crate) interval_seconds: f64,
    #[serde(skip)]
    pub(crate) interval_millis: u64,
    pub(crate) timeout_seconds: f64,
    #[serde(skip)]
    pub(crate) timeout_millis: u64,
    pub(crate) result: Option<CheckResult>,
}

impl Check {
    pub(crate) fn all(list: struct_list::Reader<'_, health_check::Owned>) -> capnp::Result<Vec<Self>> {
        elements(list, Self::of)
    }

    pub(crate) fn of(check: health_check::Reader<'_>) -> capnp::Result<Self> {
        let result = if check.get_has_result() { Some(CheckResult::of(check.get_result()?)?) } else { None };
        Ok(Self {
            id: Hex(check.get_id()),
            name: text(check.get_name())?,
            service: Some(check.get_service_id()).filter(|id| *id != 0).map(Hex),
            status: CheckStatus::of(check.get_status()),
            since: Moment::known(check.get_since_millis()),
            problem: some_text(check.get_problem())?,
            critical: check.get_critical(),
            paused: check.get_paused(),
            paused_since: Moment::known(check.get_paused_since_millis()),
            groups: texts(check.get_groups())?,
            failures: check.get_failures(),
            failure_threshold: check.get_failure_threshold(),
            success_threshold: check.get_success_threshold(),
            interval_seconds: seconds(check.get_interval_millis()),
            interval_millis: check.get_interval_millis(),
            timeout_seconds: seconds(check.get_timeout_millis()),
            timeout_millis: check.get_timeout_millis(),
            result,
        })
    }

    /// The name of the check for people.
    pub(crate) fn shown(&self) -> String {
        if self.name.is_empty() { self.id.to_string() } else { format!("{} ({})", self.name, self.id) }
    }
}

/// The result of one run of a check.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CheckResult {
    pub(crate) started_at: Moment,
    pub(crate) duration_seconds: f64,
    #[serde(skip)]
    pub(crate) took: Duration,
    pub(crate) outcome: String,
    pub(crate) error: Option<String>,
    pub(crate) failures: u32,
}

impl CheckResult {
    pub(crate) fn of(result: health_result::Reader<'_>) -> capnp::Result<Self> {
        let took = Duration::from_nanos(result.get_duration_nanos());
        let error = some_text(result.get_error())?;
        let outcome = some_text(result.get_outcome())?;
        let outcome = outcome.unwrap_or_else(|| if error.is_some() { "failed" } else { "passed" }.to_owned());
        Ok(Self {
            started_at: Moment(result.get_started_on_millis()),
            duration_seconds: took.as_secs_f64(),
            took,
            outcome,
            error,
            failures: result.get_failures(),
        })
    }

    pub(crate) fn passed(&self) -> bool {
        self.error.is_none() && self.outcome == "passed"
    }
}

/// A change of the status of a check.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Transition {
    pub(crate) at: Moment,
    pub(crate) from: CheckStatus,
    pub(crate) to: CheckStatus,
    pub(crate) error: Option<String>,
}

/// A check with its last results and status changes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct History {
    pub(crate) check: Check,
    pub(crate) results: Vec<CheckResult>,
    pub(crate) transitions: Vec<Transition>,
}

impl History {
    pub(crate) fn of(
        check: health_check::Reader<'_>,
        results: struct_list::Reader<'_, health_result::Owned>,
        transitions: struct_list::Reader<'_, health_transition::Owned>,
    ) -> capnp::Result<Self> {
        let transition = |transition: health_transition::Reader<'_>| {
            Ok(Transition {
                at: Moment(transition.get_at_millis()),
                from: CheckStatus::of(transition.get_from()),
                to: CheckStatus::of(transition.get_to()),
                error: some_text(transition.get_error())?,
            })
        };
        Ok(Self {
            check: Check::of(check)?,
            results: elements(results, CheckResult::of)?,
            transitions: elements(transitions, transition)?,
        })
    }
}
