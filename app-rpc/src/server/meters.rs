//! The metrics of an endpoint, under the id of its service.

use std::sync::Arc;

use app_core::prelude::*;
use app_metrics::{Counter, CounterVector, Gauge, MetricDoc, Metrics};

use crate::connection::RefusedCall;
use crate::measured::{CallMeters, SERVER};
use crate::{End, Refusal};

ids! {
    /// Counter: connections with an accepted client.
    pub RPC_CONNECTIONS_ESTABLISHED: MetricId = 0xe16c_e4c6_07fa_3849, "rpc_connections_established";
    /// Counter vector, by `reason`: refused connections. The reasons are those of [`Refusal`].
    pub RPC_CONNECTIONS_REFUSED: MetricId = 0xfa87_678b_4ee3_d9b1, "rpc_connections_refused";
    /// Counter vector, by `reason`: ended connections. The reasons are those of [`End`].
    pub RPC_CONNECTIONS_ENDED: MetricId = 0xe9d6_2a74_fde4_7c49, "rpc_connections_ended";
    /// Gauge: open connections.
    pub RPC_CONNECTIONS_ACTIVE: MetricId = 0xf0ae_2f4d_7b7f_4ce8, "rpc_connections_active";
    /// Counter: refused calls of connections that have ended.
    pub RPC_CALLS_REFUSED: MetricId = 0x8c1c_2099_7791_a74d, "rpc_calls_refused";
    /// Counter vector, by `reason`: refused calls, counted at once.
    pub RPC_CALL_REFUSALS: MetricId = 0xaadc_fb6e_435c_0f29, "rpc_call_refusals";
}

/// No service yet: each endpoint has these metrics under its own id.
const NO_SERVICE: ServiceId = ServiceId::new(0);

const ESTABLISHED: MetricDoc =
    MetricDoc::counter(NO_SERVICE, RPC_CONNECTIONS_ESTABLISHED, "RPC connections whose client was let in.")
        .unit("connections")
        .meaning("By default a client keeps a connection for half an hour. A much higher rate means clients that lose their connections.")
        .queries(&[("Connections a second", "sum(rate(METRIC[5m]))")]);

const REFUSED: MetricDoc = MetricDoc::counter_vector(
    NO_SERVICE,
    RPC_CONNECTIONS_REFUSED,
    "RPC connections that were refused, by reason.",
    &[(
        "reason",
        "certificate: `no_certificate`, `unknown_authority`, `expired`, `not_yet_valid`, `wrong_purpose`, `wrong_name`, \
         `revoked`, `revocation_unknown`, `revocation_list_expired`, `chain_too_long`, `wrong_order`, `bad_certificate`; handshake: \
         `handshake_timeout`, `disconnected`, `not_tls`, `incompatible`, `by_peer`, `handshake`; this side: \
         `too_many_connections`, `too_many_of_certificate`, `too_many_handshakes`, `out_of_descriptors`, `stopping`",
    )],
)
.unit("connections")
.meaning(
    "The log has up to 10 a second for each reason, with address and serial number of the certificate. \
     `revocation_list_expired` refuses every client of the authority until there is a new list: `appctl pki crl`. \
     `too_many_of_certificate`: a client opens more connections than `maxClientConns` allows.",
)
.queries(&[
    ("Refused a second, by reason", "sum by (reason) (rate(METRIC[5m]))"),
    (
        "Refused because a revocation list or a certificate expired",
        "sum by (reason) (increase(METRIC{reason=~\"expired|revocation_list_expired\"}[1h]))",
    ),
]);

const ENDED: MetricDoc = MetricDoc::counter_vector(
    NO_SERVICE,
    RPC_CONNECTIONS_ENDED,
    "RPC connections that were open and ended, by reason.",
    &[(
        "reason",
        "normal: `peer_closed`, `idle`, `too_old`, `expired`, `stopping`; network: `lost`; peer: `too_large`, `protocol`, \
         `too_many_calls`, `too_much_memory`, `not_reading`, `stalled`, `revoked`; this side: `panicked`",
    )],
)
.unit("connections")
.meaning("`expired`: the client's certificate expired; the client reconnects with its new one. `panicked`: a handler has a bug. `not_reading`, `stalled`, `too_large`, `protocol`: a client has a bug, or is hostile.")
.queries(&[
    ("Ended a second, by reason", "sum by (reason) (rate(METRIC[5m]))"),
    ("Handlers that panicked in the last hour", "sum(increase(METRIC{reason=\"panicked\"}[1h]))"),
]);

const ACTIVE: MetricDoc = MetricDoc::gauge(NO_SERVICE, RPC_CONNECTIONS_ACTIVE, "RPC connections that are open.")
    .unit("connections")
    .meaning("Further connections than `maxConns` of the config (1,024 by default) are refused. One sixteenth is kept for clients with a grant.")
    .queries(&[("Connections, by instance", "METRIC")]);

const CALLS_REFUSED: MetricDoc = MetricDoc::counter(
    NO_SERVICE,
    RPC_CALLS_REFUSED,
    "RPC calls that were refused because their connection had too many; counted when the connection ends.",
)
.unit("calls")
.meaning("They were not executed. Clients of this platform retry them on another connection. See `limits` of the config.")
.queries(&[("Refused a second", "sum(rate(METRIC[5m]))")]);

const CALL_REFUSALS: MetricDoc = MetricDoc::counter_vector(
    NO_SERVICE,
    RPC_CALL_REFUSALS,
    "RPC calls that were refused, by reason. Nothing of them was executed.",
    &[(
        "reason",
        "overload: `server_calls`: more than `maxCallsInFlight`; `queue`: calls wait longer than `maxQueueMillis`; `deadline`: the client \
         does not wait any more; limits of a client: `connection_calls`, `client_calls`, `held_bytes`, `memory`, `capabilities`; \
         the call: `on_refused`, `too_deep`, `unsupported`; the end: `closing`",
    )],
)
.unit("calls")
.meaning(
    "Clients of this platform make a refused call again, on another instance if there is one. `closing` is normal: connections have a \
     maximum age.",
)
.queries(&[
    ("Refused a second, by reason", "sum by (reason) (rate(METRIC[5m]))"),
    ("Refused because of overload", "sum(rate(METRIC{reason=~\"server_calls|queue|deadline\"}[5m]))"),
]);

/// The metrics of every endpoint. [`rpc_endpoint!`](crate::rpc_endpoint) documents them under the id of its service.
pub const ENDPOINT_METRICS: [MetricDoc; 9] = [
    ESTABLISHED,
    REFUSED,
    ENDED,
    ACTIVE,
    CALLS_REFUSED,
    CALL_REFUSALS,
    SERVER.calls,
    SERVER.seconds,
    SERVER.in_flight,
];

/// The metrics of an endpoint.
pub(crate) struct Meters {
    pub(super) established: Counter,
    pub(super) active: Gauge,
    pub(super) calls_refused: Counter,
    refused: [Counter; Refusal::ALL.len()],
    ended: [Counter; End::ALL.len()],
    call_refusals: [Counter; RefusedCall::ALL.len()],
    pub(super) calls: Arc<CallMeters>,
}

impl Meters {
    /// Registers the metrics of the endpoint of `service`.
    pub(crate) fn register(metrics: &Metrics, service: ServiceId) -> Result<Self, Error> {
        let counter = |doc: MetricDoc| metrics.counter(doc.of_service(service).counter_spec());
        let vector = |doc: MetricDoc| metrics.counter_vector(doc.of_service(service).counter_vector_spec());
        Ok(Self {
            established: counter(ESTABLISHED)?,
            active: metrics.gauge(ACTIVE.of_service(service).gauge_spec())?,
            calls_refused: counter(CALLS_REFUSED)?,
            refused: series(&vector(REFUSED)?, Refusal::ALL.map(Refusal::label))?,
            ended: series(&vector(ENDED)?, End::ALL.map(End::label))?,
            call_refusals: series(&vector(CALL_REFUSALS)?, RefusedCall::ALL.map(RefusedCall::label))?,
            calls: Arc::new(CallMeters::of_server(metrics, service)?),
        })
    }

    pub(super) fn refused(&self, refusal: Refusal) -> &Counter {
        &self.refused[refusal as usize]
    }

    pub(super) fn call_refused(&self, why: RefusedCall) -> &Counter {
        &self.call_refusals[why as usize]
    }

    pub(super) fn ended(&self, end: End) -> &Counter {
        &self.ended[end as usize]
    }
}

/// The counter of each label. It exists from the start, so the rate of something that has not happened is 0.
fn series<const N: usize>(vector: &CounterVector, labels: [&str; N]) -> Result<[Counter; N], Error> {
    let counters = labels.into_iter().map(|label| vector.with([label])).collect::<Result<Vec<_>, _>>()?;
    let wrong = |_| errors::BUG.error(ServiceId::new(0)).message("not as many counters as labels").build();
    counters.try_into().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_is_documented_and_nothing_else_is() {
        let told = |doc: MetricDoc| -> BTreeSet<String> {
            let page = app_metrics::metrics_page(&[&doc]);
            let line = page.lines().find(|line| line.starts_with("- label `reason`")).unwrap();
            line.split('`').skip(3).step_by(2).map(str::to_owned).collect()
        };
        assert_eq!(told(REFUSED), Refusal::ALL.map(|why| why.label().to_owned()).into());
        let told_of_calls: BTreeSet<String> = told(CALL_REFUSALS)
            .into_iter()
            .filter(|word| !["maxCallsInFlight", "maxQueueMillis"].contains(&word.as_str()))
            .collect();
        assert_eq!(told_of_calls, RefusedCall::ALL.map(|why| why.label().to_owned()).into());
        assert_eq!(told(ENDED), End::ALL.map(|why| why.label().to_owned()).into());
    }
}
