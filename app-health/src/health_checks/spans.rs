//! Spans of runs. Only a run that fails reaches the sink, because there are many runs, and most say nothing.

use std::time::Duration;

use app_core::trace::OwnSpan;

use crate::{HealthCheckSpec, HealthOutcome, entry::Entry, errors, outcome::RunOutcome};

/// The span of a run that begins. `None` if no sink wants it.
pub(super) fn begin(entry: &Entry) -> Option<OwnSpan> {
    let mut span = OwnSpan::begin("health check", "app_health")?;
    let spec = &entry.spec;
    span.set("app.healthcheck.id", &*spec.id.hex());
    span.set("app.healthcheck.name", spec.shown_name());
    span.set("app.healthcheck.critical", spec.critical);
    Some(span)
}

/// Runs a check in its span.
pub(super) async fn within<F: Future>(span: Option<&OwnSpan>, check: F) -> F::Output {
    match span {
        Some(span) => span.context().scope(check).await,
        None => check.await,
    }
}

/// The run has ended after this time. Its outcome is `None` if it was dropped. That of a run beyond its timeout does not count.
pub(super) fn end(
    span: Option<OwnSpan>,
    spec: &HealthCheckSpec,
    took: Duration,
    outcome: Option<&RunOutcome>,
) {
    let Some(mut span) = span else { return };
    let failed = if took >= spec.timeout {
        Some((HealthOutcome::TimedOut, errors::timed_out(spec)))
    } else {
        outcome.and_then(|outcome| Some((outcome.kind, outcome.error.clone()?)))
    };
    if let Some((outcome, error)) = failed {
        span.set("app.healthcheck.outcome", outcome.as_str());
        span.fail(&error);
        span.deliver();
    }
}
