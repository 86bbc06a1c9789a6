//! What a client counts, and the metrics that show it.

use app_core::prelude::*;
use app_metrics::{Counter, CounterVector, Gauge, GaugeVector, MetricDoc, Metrics};
use parking_lot::Mutex;

use super::status::InstanceState;
use crate::RpcName;
use crate::ids::APP_RPC_SERVICE_ID;

ids! {
    /// Gauge vector, by `service`, `server` and `state`: the instances that a client knows. The states are those of [`InstanceState`].
    pub(crate) RPC_CLIENT_INSTANCES: MetricId = 0xc0a3_4ac5_b431_eb6c, "rpc_client_instances";
    /// Counter vector, by `service` and `server`: connections that a client made again after one was lost.
    pub(crate) RPC_CLIENT_RECONNECTS: MetricId = 0xea17_99d9_d75c_9b72, "rpc_client_reconnects";
    /// Counter vector, by `service` and `server`: how often a client ejected an instance.
    pub(crate) RPC_CLIENT_EJECTIONS: MetricId = 0x9cb9_ed49_02cb_969c, "rpc_client_ejections";
    /// Counter vector, by `service`, `server` and `reason`: calls that a client made again.
    pub(crate) RPC_CLIENT_RETRIES: MetricId = 0xb122_80c0_eefa_3658, "rpc_client_retries";
    /// Counter vector, by `service` and `server`: calls that a client did not make again, because its retry budget was used up.
    pub(crate) RPC_CLIENT_RETRIES_REFUSED: MetricId = 0x9676_2bc9_41b9_b586, "rpc_client_retries_refused";
}

const SERVICE: (&str, &str) = ("service", "the service that the client belongs to");
const SERVER: (&str, &str) = ("server", "the name of the called server: `{domain}_{app}_{service}` in hex");

const INSTANCES: MetricDoc = MetricDoc::gauge_vector(
    APP_RPC_SERVICE_ID,
    RPC_CLIENT_INSTANCES,
    "Instances of a server that an RPC client knows, by state.",
    &[SERVICE, SERVER, ("state", "`connected`, `connecting` or `ejected`")],
)
.unit("instances")
.meaning("Without an instance that is `connected` or `ejected`, calls wait for one until their deadline. An instance is `ejected` while its calls fail and those of others succeed.")
.queries(&[
    ("Instances that get calls, by service and server", "sum by (job, service, server) (METRIC{state=\"connected\"})"),
    ("Instances that are not reached", "sum by (job, service, server) (METRIC{state=\"connecting\"})"),
]);

const RECONNECTS: MetricDoc = MetricDoc::counter_vector(
    APP_RPC_SERVICE_ID,
    RPC_CLIENT_RECONNECTS,
    "Connections that an RPC client made again after one was lost.",
    &[SERVICE, SERVER],
)
.unit("connections")
.meaning("A new connection that replaces one because of its age is not counted.")
.queries(&[("Connections made again in a minute", "sum by (job, service, server) (rate(METRIC[5m])) * 60")]);

const EJECTIONS: MetricDoc = MetricDoc::counter_vector(
    APP_RPC_SERVICE_ID,
    RPC_CLIENT_EJECTIONS,
    "How often an RPC client ejected an instance, because its calls failed and those of others succeeded.",
    &[SERVICE, SERVER],
)
.unit("ejections")
.meaning("`ejectAfterFailures` and `ejectMillis` of the client's config set when, and for how long. The log names the instance.")
.queries(&[("Ejections in the last hour", "sum by (job, service, server) (increase(METRIC[1h]))")]);

const RETRIES: MetricDoc = MetricDoc::counter_vector(
    APP_RPC_SERVICE_ID,
    RPC_CLIENT_RETRIES,
    "Calls that an RPC client made again, by the reason.",
    &[
        SERVICE,
        SERVER,
        (
            "reason",
            "`not_sent`; `moved`: the instance is about to stop; `refused`: it has too much work; `maybe_executed`: the call is idempotent",
        ),
    ],
)
.unit("calls")
.meaning("`refused` and `maybe_executed` take from the retry budget.")
.queries(&[("Retries a second, by reason", "sum by (job, server, reason) (rate(METRIC[5m]))")]);

const RETRIES_REFUSED: MetricDoc = MetricDoc::counter_vector(
    APP_RPC_SERVICE_ID,
    RPC_CLIENT_RETRIES_REFUSED,
    "Calls that an RPC client did not make again, because its retry budget was used up.",
    &[SERVICE, SERVER],
)
.unit("calls")
.meaning("The server has too much work, or fails. These calls failed at once. `retryPercent` and `retriesPerSecond` of the client's config set the budget.")
.queries(&[("Calls a second that were not made again", "sum by (job, service, server) (rate(METRIC[5m]))")]);

app_metrics::document! { INSTANCES, RECONNECTS, EJECTIONS, RETRIES, RETRIES_REFUSED }

/// The metrics of every client.
pub const CLIENT_METRICS: [MetricDoc; 5] = [INSTANCES, RECONNECTS, EJECTIONS, RETRIES, RETRIES_REFUSED];

/// Why a call is made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryReason {
    NotSent,
    Moved,
    Refused,
    MaybeExecuted,
}

impl RetryReason {
    const ALL: [Self; 4] = [Self::NotSent, Self::Moved, Self::Refused, Self::MaybeExecuted];

    const fn label(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Moved => "moved",
            Self::Refused => "refused",
            Self::MaybeExecuted => "maybe_executed",
        }
    }
}

/// The states in the order of the gauges.
const STATES: [InstanceState; 3] =
    [InstanceState::Connecting, InstanceState::Connected, InstanceState::Ejected];

/// What a client counts. Without the metrics service it counts for itself.
///
/// Clients of one service that call the same server share their series. So each adds to a gauge what has changed, and takes it back at
/// its end.
#[derive(Default)]
pub(crate) struct ClientCounts {
    pub(crate) reconnects: Counter,
    pub(crate) ejections: Counter,
    pub(crate) retries_refused: Counter,
    retries: [Counter; RetryReason::ALL.len()],
    instances: [Gauge; STATES.len()],
    /// What this client added to the gauges.
    shown: Mutex<[u32; STATES.len()]>,
}

impl ClientCounts {
    /// The counts of a client of `service` that calls `server`.
    pub(crate) fn register(service: &Service, server: RpcName) -> Self {
        let Ok(metrics) = App::of(service).get::<Metrics>() else { return Self::default() };
        let (service, server) = (service.name(), server.to_string());
        let counters = |doc: &MetricDoc| metrics.counter_vector(doc.counter_vector_spec()).ok();
        let counter = |doc: &MetricDoc| {
            let series = counters(doc).and_then(|vector: CounterVector| vector.with([service, &server]).ok());
            series.unwrap_or_default()
        };
        let retries = counters(&RETRIES);
        let retry = |reason: RetryReason| {
            retries
                .as_ref()
                .and_then(|all| all.with([service, &server, reason.label()]).ok())
                .unwrap_or_default()
        };
        let gauges: Option<GaugeVector> = metrics.gauge_vector(INSTANCES.gauge_vector_spec()).ok();
        let gauge = |state: InstanceState| {
            gauges
                .as_ref()
                .and_then(|all| all.with([service, &server, state.label()]).ok())
                .unwrap_or_default()
        };
        Self {
            reconnects: counter(&RECONNECTS),
            ejections: counter(&EJECTIONS),
            retries_refused: counter(&RETRIES_REFUSED),
            retries: RetryReason::ALL.map(retry),
            instances: STATES.map(gauge),
            shown: Mutex::default(),
        }
    }

    pub(super) fn retried(&self, reason: RetryReason) {
        self.retries[reason as usize].inc();
    }

    /// Shows how many instances are in each state.
    pub(super) fn show(&self, states: impl Iterator<Item = InstanceState>) {
        let mut now = [0_u32; STATES.len()];
        states.filter_map(|state| STATES.iter().position(|one| *one == state)).for_each(|at| now[at] += 1);
        let mut shown = self.shown.lock();
        for ((gauge, now), before) in self.instances.iter().zip(now).zip(*shown) {
            if now != before {
                gauge.add(f64::from(now) - f64::from(before));
            }
        }
        *shown = now;
    }
}

#[cfg(test)]
impl ClientCounts {
    /// The instances in each state: connecting, connected, ejected.
    pub(crate) fn shown(&self) -> [u32; STATES.len()] {
        *self.shown.lock()
    }

    pub(crate) fn retries(&self, reason: RetryReason) -> f64 {
        self.retries[reason as usize].get()
    }
}

impl Drop for ClientCounts {
    fn drop(&mut self) {
        self.show(std::iter::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_has_the_instances_of_all_clients_of_one_service() {
        let gauges: [Gauge; 3] = std::array::from_fn(|_| Gauge::default());
        let client = || {
            let mut counts = ClientCounts::default();
            counts.instances = gauges.clone();
            counts
        };
        let (one, other) = (client(), client());
        let shown = || [0, 1, 2].map(|at: usize| gauges[at].get());
        one.show([InstanceState::Connected, InstanceState::Connecting].into_iter());
        other.show([InstanceState::Connected, InstanceState::Ejected].into_iter());
        assert_eq!(shown(), [1.0, 2.0, 1.0]);
        one.show([InstanceState::Connected, InstanceState::Connected].into_iter());
        assert_eq!(shown(), [0.0, 3.0, 1.0]);
        drop(other);
        assert_eq!(shown(), [0.0, 2.0, 0.0]);
        drop(one);
        assert_eq!(shown(), [0.0, 0.0, 0.0]);
    }
}
