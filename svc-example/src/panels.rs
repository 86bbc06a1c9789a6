//! Panels, recorded series and alerts of the quota service.

use app_metrics::{Group, Panel, Row, Rule, Severity, Target};

const QUOTA_ROW: Row = Row::new("Quota", 100);
const QUOTA_RULES: Group = Group::new("quota", 100);

app_metrics::panels! {
    Panel::lines(QUOTA_ROW, "Calls a second, by rule and outcome")
        .place(10)
        .about("Calls of acquire that were answered (quota_grants).")
        .unit("reqps")
        .targets(&[Target::new("{{rule}} {{outcome}}", "sum by (rule, outcome) (rate(quota_grants_total{INSTANCES}[$__rate_interval]))")]),
    Panel::lines(QUOTA_ROW, "Share of denied calls")
        .place(20)
        .about("By rule (quota_grants). Empty without calls.")
        .unit("percentunit")
        .range(Some(0), Some(1))
        .targets(&[Target::new("{{rule}}", r#"sum by (rule) (rate(quota_grants_total{INSTANCES,outcome="denied"}[$__rate_interval])) / sum by (rule) (rate(quota_grants_total{INSTANCES}[$__rate_interval]))"#)]),
    Panel::lines(QUOTA_ROW, "Time to answer")
        .place(30)
        .about("Percentiles of the time from a call of acquire to its answer, in the process (quota_acquire_seconds).")
        .unit("s")
        .targets(&[Target::new("50 of 100", "histogram_quantile(0.5, sum by (le) (rate(quota_acquire_seconds_bucket{INSTANCES}[$__rate_interval])))"), Target::new("95 of 100", "histogram_quantile(0.95, sum by (le) (rate(quota_acquire_seconds_bucket{INSTANCES}[$__rate_interval])))"), Target::new("99 of 100", "histogram_quantile(0.99, sum by (le) (rate(quota_acquire_seconds_bucket{INSTANCES}[$__rate_interval])))")]),
    Panel::lines(QUOTA_ROW, "Keys")
        .place(40)
        .about("Keys that have a bucket, over all rules (quota_keys).")
        .size(6, 7)
        .targets(&[Target::new("{{instance}}", "quota_keys{INSTANCES}")]),
    Panel::lines(QUOTA_ROW, "Leases of the fleet a second")
        .place(50)
        .about("Attempts to lease permits of rules that the fleet shares, by outcome (quota_fleet_leases).")
        .unit("ops")
        .size(6, 7)
        .targets(&[Target::new("{{outcome}}", "sum by (outcome) (rate(quota_fleet_leases_total{INSTANCES}[$__rate_interval]))")]),
    Panel::lines(QUOTA_ROW, "Permits of the fleet a second")
        .place(60)
        .about("Permits that were leased, given back, and lost (quota_fleet_permits).")
        .unit("ops")
        .size(6, 7)
        .targets(&[Target::new("{{fate}}", "sum by (fate) (rate(quota_fleet_permits_total{INSTANCES}[$__rate_interval]))")]),
    Panel::bars(QUOTA_ROW, "Messages about exhausted keys that were given up")
        .place(70)
        .about("In the interval (quota_exhausted_dropped).")
        .size(6, 7)
        .targets(&[Target::new("{{instance}}", "sum by (instance) (increase(quota_exhausted_dropped_total{INSTANCES}[$__rate_interval]))")]),
}

app_metrics::rules! {
    Rule::record("rule:quota_denied:ratio_rate5m", r#"sum by (job, rule) (rate(quota_grants_total{outcome="denied"}[5m]))
            / sum by (job, rule) (rate(quota_grants_total[5m]))"#)
        .why("The share of denied calls.")
        .place(10),
    Rule::record("job:quota_acquire_seconds:p99_rate5m", "histogram_quantile(0.99, sum by (job, le) (rate(quota_acquire_seconds_bucket[5m])))")
        .place(20),
    Rule::alert(QUOTA_RULES, "QuotaSlow", "job:quota_acquire_seconds:p99_rate5m > 0.05", Severity::Critical)
        .place(10)
        .lasting("5m")
        .summary("the 99th percentile of answers of {{ $labels.job }} is {{ $value | humanizeDuration }}")
        .description("Callers wait for permits. The dashboard shows whether commands wait for the command server or run too long."),
    Rule::alert(QUOTA_RULES, "QuotaDeniesMuch", "rule:quota_denied:ratio_rate5m > 0.5", Severity::Warning)
        .place(20)
        .lasting("15m")
        .summary("rule {{ $labels.rule }} of {{ $labels.job }} denies {{ $value | humanizePercentage }} of the calls")
        .description("A client asks too often, or the rule grants too few permits."),
    Rule::alert(QUOTA_RULES, "QuotaFleetAway", r#"sum by (job, instance, outcome) (increase(quota_fleet_leases_total{outcome=~"away|skewed"}[5m])) > 2"#, Severity::Critical)
        .place(30)
        .lasting("2m")
        .summary("{{ $labels.job }} on {{ $labels.instance }} leases no permits of the fleet: {{ $labels.outcome }}")
        .description("Rules of the fleet grant what whenAway says. Away: the servers of messaging do not answer. Skewed: a clock is more than half a second off."),
}
