//! The metrics of an endpoint, in the name of its service.

use app_core::prelude::*;
use app_metrics::{Counter, CounterSpec, CounterVector, CounterVectorSpec, Gauge, GaugeSpec, Metrics};

use crate::{End, Refusal};

ids! {
    /// Counter: connections whose client was let in.
    pub RPC_CONNECTIONS_ESTABLISHED: MetricId = 0xe16c_e4c6_07fa_3849, "RpcConnectionsEstablished";
    /// Counter vector, by `reason`: connections that were refused. The reasons are those of [`Refusal`].
    pub RPC_CONNECTIONS_REFUSED: MetricId = 0xfa87_678b_4ee3_d9b1, "RpcConnectionsRefused";
    /// Counter vector, by `reason`: connections that ended. The reasons are those of [`End`].
    pub RPC_CONNECTIONS_ENDED: MetricId = 0xe9d6_2a74_fde4_7c49, "RpcConnectionsEnded";
    /// Gauge: connections that are open.
    pub RPC_CONNECTIONS_ACTIVE: MetricId = 0xf0ae_2f4d_7b7f_4ce8, "RpcConnectionsActive";
    /// Counter: calls that were refused because a connection had too many.
    pub RPC_CALLS_REFUSED: MetricId = 0x8c1c_2099_7791_a74d, "RpcCallsRefused";
}

/// The metrics of an endpoint.
pub(crate) struct Meters {
    pub(super) established: Counter,
    pub(super) active: Gauge,
    pub(super) calls_refused: Counter,
    refused: [Counter; Refusal::ALL.len()],
    ended: [Counter; End::ALL.len()],
}

impl Meters {
    /// Registers the metrics of the endpoint of `service`.
    pub(crate) fn register(metrics: &Metrics, service: ServiceId) -> Result<Self, Error> {
        let counter = |metric, help: &str| metrics.counter(CounterSpec::new(service, metric, help));
        let vector = |metric, help: &str| {
            metrics.counter_vector(CounterVectorSpec::new(service, metric, help, ["reason"]))
        };
        let refused = vector(RPC_CONNECTIONS_REFUSED, "RPC connections that were refused, by reason.")?;
        let ended = vector(RPC_CONNECTIONS_ENDED, "RPC connections that were open and ended, by reason.")?;
        let active = GaugeSpec::new(service, RPC_CONNECTIONS_ACTIVE, "RPC connections that are open.");
        Ok(Self {
            established: counter(RPC_CONNECTIONS_ESTABLISHED, "RPC connections whose client was let in.")?,
            active: metrics.gauge(active)?,
            calls_refused: counter(
                RPC_CALLS_REFUSED,
                "RPC calls that were refused because their connection had too many; counted when it ends.",
            )?,
            refused: series(&refused, Refusal::ALL.map(Refusal::label))?,
            ended: series(&ended, End::ALL.map(End::label))?,
        })
    }

    pub(super) fn refused(&self, refusal: Refusal) -> &Counter {
        &self.refused[refusal as usize]
    }

    pub(super) fn ended(&self, end: End) -> &Counter {
        &self.ended[end as usize]
    }
}

/// The counter of each label, there from the start: a rate of what has not happened is 0, not missing.
fn series<const N: usize>(vector: &CounterVector, labels: [&str; N]) -> Result<[Counter; N], Error> {
    let counters = labels.into_iter().map(|label| vector.with([label])).collect::<Result<Vec<_>, _>>()?;
    let wrong = |_| errors::BUG.error(ServiceId::new(0)).message("not as many counters as labels").build();
    counters.try_into().map_err(wrong)
}
