//! Panels and alerts of clients.

use app_metrics::{Group, Panel, Row, Rule, Severity, Target};

use super::counts::{
    RPC_CLIENT_EJECTIONS, RPC_CLIENT_INSTANCES, RPC_CLIENT_RECONNECTS, RPC_CLIENT_RETRIES,
    RPC_CLIENT_RETRIES_REFUSED,
};

app_metrics::panels! {
    Panel::stacked(Row::RPC, "Instances of called servers")
        .place(60)
        .about("The instances that clients know, by state (rpc_client_instances). A connected one gets calls. An ejected one gets none for a while, because its calls fail and those of others do not. Without either, calls wait.")
        .size(8, 8)
        .targets(&[Target::each(RPC_CLIENT_INSTANCES, "{{service}} to {{server}}: {{state}}", "sum by (service, server, state) (METRIC{INSTANCES})")]),
    Panel::bars(Row::RPC, "Calls made again")
        .place(70)
        .about("Calls that clients made again in the interval, by reason (rpc_client_retries), and those that they did not make again, because the retry budget was used up (rpc_client_retries_refused).")
        .size(8, 8)
        .targets(&[
            Target::each(RPC_CLIENT_RETRIES, "{{service}} to {{server}}: {{reason}}", "sum by (service, server, reason) (increase(METRIC{INSTANCES}[$__rate_interval]))"),
            Target::each(RPC_CLIENT_RETRIES_REFUSED, "{{service}} to {{server}}: no budget", "sum by (service, server) (increase(METRIC{INSTANCES}[$__rate_interval]))"),
        ]),
    Panel::bars(Row::RPC, "Lost connections and ejections of clients")
        .place(80)
        .about("Connections that clients made again after one was lost (rpc_client_reconnects), and ejections of instances (rpc_client_ejections), in the interval.")
        .size(8, 8)
        .targets(&[
            Target::each(RPC_CLIENT_RECONNECTS, "{{service}} to {{server}}: connected again", "sum by (service, server) (increase(METRIC{INSTANCES}[$__rate_interval]))"),
            Target::each(RPC_CLIENT_EJECTIONS, "{{service}} to {{server}}: ejected", "sum by (service, server) (increase(METRIC{INSTANCES}[$__rate_interval]))"),
        ]),
}

app_metrics::rules! {
    Rule::alert(Group::RPC, "RpcServerNotReached", r#"sum by (job, instance, service, server) (METRIC{state!="connecting"}) == 0 and sum by (job, instance, service, server) (METRIC) > 0"#, Severity::Critical)
        .each(RPC_CLIENT_INSTANCES)
        .place(60)
        .lasting("2m")
        .summary("service {{ $labels.service }} of {{ $labels.job }} on {{ $labels.instance }} is connected to no instance of {{ $labels.server }}")
        .description("Its calls wait, and fail at their deadlines. The log and `/healthz` have the reason for each address."),
    Rule::alert(Group::RPC, "RpcRetryBudgetUsedUp", "increase(METRIC[10m]) > 10", Severity::Warning)
        .each(RPC_CLIENT_RETRIES_REFUSED)
        .place(70)
        .summary("service {{ $labels.service }} of {{ $labels.job }} on {{ $labels.instance }} gave up {{ $value | humanize }} calls to {{ $labels.server }} in 10 minutes")
        .description("The server refuses calls because it has too much work, or its answers do not come. Add instances of the server, or find what slows it down."),
}
