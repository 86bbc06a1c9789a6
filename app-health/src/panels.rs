//! Panels and alerts of health checks.

use app_metrics::{Group, Panel, Row, Rule, Severity, Target};

const HEALTH_ROW: Row = Row::new("Health checks", 450);

app_metrics::panels! {
    Panel::number(Row::OVERVIEW, "Health checks that fail", "green", "red")
        .place(30)
        .about("Checks whose last run failed (healthcheck); /healthz of the instance has their names and errors.")
        .targets(&[Target::new("failing", "count(health_healthcheck{INSTANCES} > 0) or vector(0)")]),
    Panel::lines(HEALTH_ROW, "Health checks")
        .place(50)
        .about("Failures in a row, by check (healthcheck, healthcheck_info): 0 passed, -1 has not run yet.")
        .size(6, 7)
        .range(Some(-1), None)
        .targets(&[Target::new("{{name}}", "max by (name) (health_healthcheck{INSTANCES} * on (job, instance, healthcheck) group_left (name) health_healthcheck_info{INSTANCES})")]),
    Panel::lines(HEALTH_ROW, "Duration of health checks")
        .place(60)
        .about("Duration of the last run (healthcheck_run_duration, healthcheck_info).")
        .unit("ns")
        .size(6, 7)
        .targets(&[Target::new("{{name}}", "max by (name) (health_healthcheck_run_duration{INSTANCES} * on (job, instance, healthcheck) group_left (name) health_healthcheck_info{INSTANCES})")]),
    Panel::lines(HEALTH_ROW, "Runs of health checks")
        .place(70)
        .about("In the interval: all runs (healthcheck_runs), failures (healthcheck_failures), timeouts among them (healthcheck_timeouts), abandoned runs (healthcheck_abandoned), changes between passing and failing (healthcheck_transitions), and checks that are paused now (healthcheck_paused_since).")
        .size(6, 7)
        .targets(&[Target::new("runs", "sum(increase(health_healthcheck_runs_total{INSTANCES}[$__rate_interval]))"), Target::new("failed", "sum(increase(health_healthcheck_failures_total{INSTANCES}[$__rate_interval]))"), Target::new("timed out", "sum(increase(health_healthcheck_timeouts_total{INSTANCES}[$__rate_interval]))"), Target::new("given up", "sum(increase(health_healthcheck_abandoned_total{INSTANCES}[$__rate_interval]))"), Target::new("changes", "sum(increase(health_healthcheck_transitions_total{INSTANCES}[$__rate_interval]))"), Target::new("paused now", "count(health_healthcheck_paused_since_seconds{INSTANCES} > 0) or vector(0)")]),
}

app_metrics::rules! {
    Rule::alert(Group::PLATFORM, "HealthCheckFails", "(health_healthcheck > 2)
            * on (job, instance, healthcheck) group_left (name) health_healthcheck_info", Severity::Critical)
        .place(40)
        .summary("the health check {{ $labels.name }} of {{ $labels.job }} on {{ $labels.instance }} failed {{ $value }} times in a row")
        .description("`/healthz` of the instance has its last error."),
    Rule::alert(Group::PLATFORM, "HealthCheckPaused", "(time() - (health_healthcheck_paused_since_seconds > 0) > 3600)
            * on (job, instance, healthcheck) group_left (name) health_healthcheck_info", Severity::Warning)
        .why("A pause lasts until the check is resumed, and a forgotten one hides a failure.")
        .place(50)
        .summary("the health check {{ $labels.name }} of {{ $labels.job }} on {{ $labels.instance }} has been paused for {{ $value | humanizeDuration }}")
        .description("A paused check does not run, and readiness does not depend on it. Resume it with `appctl health resume`."),
}
