//! Panels and alerts of calls, on both sides. Every endpoint of the program is asked for.

use app_metrics::{Group, Panel, Row, Rule, Severity, Target};

use super::meters::RPC_CALL_REFUSALS;
use crate::measured::{RPC_CALL_SECONDS, RPC_CALLS, RPC_CALLS_IN_FLIGHT};

app_metrics::panels! {
    Panel::lines(Row::RPC, "RPC calls a second")
        .place(50)
        .about("Calls that ended, by endpoint, method and outcome (rpc_calls): failed is an error of the handler, refused was not executed.")
        .unit("reqps")
        .size(8, 8)
        .targets(&[Target::each(RPC_CALLS, "SERVICE {{method}} {{outcome}}", "sum by (method, outcome) (rate(METRIC{INSTANCES}[$__rate_interval]))")]),
    Panel::lines(Row::RPC, "Time of RPC calls")
        .place(52)
        .about("From reading a call to its end, by endpoint and method (rpc_call_seconds): the fastest 99 of 100, and 50 of 100. It does not include the wait for a thread.")
        .unit("s")
        .size(8, 8)
        .targets(&[
            Target::each(RPC_CALL_SECONDS, "SERVICE {{method}} 99 of 100", "histogram_quantile(0.99, sum by (le, method) (rate(METRIC_bucket{INSTANCES}[$__rate_interval])))"),
            Target::each(RPC_CALL_SECONDS, "SERVICE {{method}} 50 of 100", "histogram_quantile(0.5, sum by (le, method) (rate(METRIC_bucket{INSTANCES}[$__rate_interval])))"),
        ]),
    Panel::lines(Row::RPC, "RPC calls in flight")
        .place(54)
        .about("Calls that have not ended, by endpoint (rpc_calls_in_flight). The config limits them with maxCallsInFlight.")
        .size(4, 8)
        .targets(&[Target::each(RPC_CALLS_IN_FLIGHT, "SERVICE", "sum(METRIC{INSTANCES})")]),
    Panel::bars(Row::RPC, "RPC calls refused")
        .place(56)
        .about("Calls that were refused in the interval, by endpoint and reason (rpc_call_refusals). server_calls, queue and deadline mean overload.")
        .size(4, 8)
        .targets(&[Target::each(RPC_CALL_REFUSALS, "SERVICE {{reason}}", "sum by (reason) (increase(METRIC{INSTANCES}[$__rate_interval]))")]),
    Panel::lines(Row::RPC, "RPC calls of clients a second")
        .place(90)
        .about("Attempts of the program's own clients that ended, by server, method and outcome (rpc_client_calls). refused of the method other: no instance took the call.")
        .unit("reqps")
        .size(12, 8)
        .targets(&[Target::new("{{service}} {{server}} {{method}} {{outcome}}", "sum by (service, server, method, outcome) (rate(rpc_client_calls_total{INSTANCES}[$__rate_interval])) > 0 or on () vector(0)")]),
    Panel::lines(Row::RPC, "Time of RPC calls of clients")
        .place(100)
        .about("From sending a call to its end, by server and method (rpc_client_call_seconds), 99 of 100; and calls in flight (rpc_client_calls_in_flight), on the right.")
        .unit("s")
        .size(12, 8)
        .targets(&[
            Target::new("{{service}} {{server}} {{method}} 99 of 100", "histogram_quantile(0.99, sum by (le, service, server, method) (rate(rpc_client_call_seconds_bucket{INSTANCES}[$__rate_interval]))) or on () vector(0)"),
            Target::new("{{service}} {{server}} in flight", "sum by (service, server) (rpc_client_calls_in_flight{INSTANCES}) or on () vector(0)").right_axis("none"),
        ]),
}

app_metrics::rules! {
    Rule::alert(Group::RPC, "RpcCallsFail", r#"sum by (job, svc, method) (rate(METRIC{outcome="failed"}[10m]))
            / sum by (job, svc, method) (rate(METRIC[10m])) > 0.05"#, Severity::Warning)
        .each(RPC_CALLS)
        .place(110)
        .lasting("10m")
        .summary("{{ $value | humanizePercentage }} of the calls of {{ $labels.method }} at the RPC endpoint {{ $labels.svc }} of {{ $labels.job }} fail")
        .description("The handler returns errors. At level debug the log has them with their ids: `appctl level set`."),
    Rule::alert(Group::RPC, "RpcCallsSlow", "histogram_quantile(0.99, sum by (job, svc, method, le) (rate(METRIC_bucket[10m]))) > 1", Severity::Warning)
        .each(RPC_CALL_SECONDS)
        .place(120)
        .lasting("10m")
        .summary("the slowest percent of the calls of {{ $labels.method }} at the RPC endpoint {{ $labels.svc }} of {{ $labels.job }} takes {{ $value | humanizeDuration }}")
        .description("The handler waits for something, or blocks its thread. `appctl stacks` shows for what."),
    Rule::alert(Group::RPC, "RpcOverloaded", r#"sum by (job, instance, svc, reason) (increase(METRIC{reason=~"server_calls|queue|deadline"}[5m])) > 0"#, Severity::Warning)
        .each(RPC_CALL_REFUSALS)
        .place(130)
        .lasting("5m")
        .summary("the RPC endpoint {{ $labels.svc }} of {{ $labels.job }} on {{ $labels.instance }} refused {{ $value | humanize }} calls in 5 minutes: {{ $labels.reason }}")
        .description("It has more work than it can do. Add instances or threads, or find the handler that blocks: `appctl stacks`."),
}
