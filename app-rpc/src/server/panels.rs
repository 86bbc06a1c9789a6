//! Panels and alerts of endpoints and of certificates. Every endpoint of the program is asked for.

use app_metrics::{Group, Panel, Row, Rule, Severity, Target};

use super::meters::{
    RPC_CALLS_REFUSED, RPC_CONNECTIONS_ACTIVE, RPC_CONNECTIONS_ENDED, RPC_CONNECTIONS_ESTABLISHED,
    RPC_CONNECTIONS_REFUSED,
};

app_metrics::panels! {
    Panel::bars(Row::RPC, "RPC connections")
        .place(10)
        .about("Open connections (rpc_connections_active), and connections that were let in during the interval (rpc_connections_established), by endpoint.")
        .size(6, 8)
        .targets(&[
            Target::each(RPC_CONNECTIONS_ACTIVE, "SERVICE open", "sum(METRIC{INSTANCES})"),
            Target::each(RPC_CONNECTIONS_ESTABLISHED, "SERVICE let in", "sum(increase(METRIC{INSTANCES}[$__rate_interval]))"),
        ]),
    Panel::bars(Row::RPC, "RPC connections refused")
        .place(20)
        .about("Connections that were refused in the interval, by reason (rpc_connections_refused). revocation_list_expired refuses every client of the authority: make a new list with appctl pki crl.")
        .size(6, 8)
        .targets(&[Target::each(RPC_CONNECTIONS_REFUSED, "SERVICE {{reason}}", "sum by (reason) (increase(METRIC{INSTANCES}[$__rate_interval]))")]),
    Panel::bars(Row::RPC, "Ended RPC connections and refused calls")
        .place(30)
        .about("Connections that ended in the interval, by reason (rpc_connections_ended): panicked is a bug of a handler. Also calls that were refused because their connection had too many (rpc_calls_refused).")
        .size(6, 8)
        .targets(&[
            Target::each(RPC_CONNECTIONS_ENDED, "SERVICE {{reason}}", "sum by (reason) (increase(METRIC{INSTANCES}[$__rate_interval]))"),
            Target::each(RPC_CALLS_REFUSED, "SERVICE calls refused", "sum(increase(METRIC{INSTANCES}[$__rate_interval]))"),
        ]),
    Panel::bars(Row::RPC, "Time until certificates expire")
        .place(40)
        .about("Time until the first certificate or revocation list of each kind expires, by service (certificate_end). Below zero it has expired, and connections that need it are refused. 0 if none is in use.")
        .unit("s")
        .size(6, 8)
        .range(None, None)
        .targets(&[Target::new("{{service}} {{what}}", "min by (service, what) (rpc_certificate_end_seconds{INSTANCES} - time()) or on () vector(0)")]),
}

app_metrics::rules! {
    Rule::alert(Group::RPC, "CertificateEndsSoon", "rpc_certificate_end_seconds - time() < 14 * 86400", Severity::Warning)
        .why("For certificates and revocation lists in use, of servers and clients.")
        .place(10)
        .summary("{{ $labels.what }} {{ $labels.name }} of service {{ $labels.service }} of {{ $labels.job }} on {{ $labels.instance }} expires in {{ $value | humanizeDuration }}")
        .description("Replace it in the config of the service: `appctl pki renew` for a certificate, `appctl pki crl` for a revocation list."),
    Rule::alert(Group::RPC, "CertificateEnds", "rpc_certificate_end_seconds - time() < 86400", Severity::Critical)
        .place(20)
        .summary("{{ $labels.what }} {{ $labels.name }} of service {{ $labels.service }} of {{ $labels.job }} on {{ $labels.instance }} expires within a day, or has expired")
        .description("Connections that need it are then refused. Replace it in the config of the service."),
    Rule::alert(Group::RPC, "RpcRefusesEverybody", r#"increase(METRIC{reason="revocation_list_expired"}[15m]) > 0"#, Severity::Critical)
        .each(RPC_CONNECTIONS_REFUSED)
        .place(30)
        .summary("the RPC endpoint {{ $labels.svc }} of {{ $labels.job }} on {{ $labels.instance }} has a stale revocation list")
        .description("Every client of its authority is refused until the config has a new list: `appctl pki crl`."),
    Rule::alert(Group::RPC, "RpcClientsRefused", r#"increase(METRIC{reason=~"no_certificate|unknown_authority|expired|not_yet_valid|wrong_purpose|revoked|revocation_unknown|bad_certificate"}[15m]) > 10"#, Severity::Warning)
        .each(RPC_CONNECTIONS_REFUSED)
        .place(40)
        .summary("the RPC endpoint {{ $labels.svc }} of {{ $labels.job }} on {{ $labels.instance }} refused {{ $value | humanize }} connections in 15 minutes: {{ $labels.reason }}")
        .description("A client has the wrong certificate, or an unknown client tries to connect. The log has addresses and serial numbers."),
    Rule::alert(Group::RPC, "RpcHandlersPanic", r#"increase(METRIC{reason="panicked"}[15m]) > 0"#, Severity::Warning)
        .each(RPC_CONNECTIONS_ENDED)
        .place(50)
        .summary("a handler of the RPC endpoint {{ $labels.svc }} of {{ $labels.job }} on {{ $labels.instance }} panicked")
        .description("The handler has a bug. The connection was lost, and the log has the place."),
}
