//! The documents of the metrics of calls.

use app_core::prelude::*;
use app_metrics::MetricDoc;

use super::Side;
use crate::ids::APP_RPC_SERVICE_ID;

ids! {
    /// Counter vector, by `method` and `outcome`: calls that an endpoint received.
    pub RPC_CALLS: MetricId = 0xcaa7_6ae1_d708_2f49, "rpc_calls";
    /// Histogram vector, by `method`: seconds that an endpoint took to answer.
    pub RPC_CALL_SECONDS: MetricId = 0xd237_ff8e_0141_b22a, "rpc_call_seconds";
    /// Gauge vector, by `method`: calls that an endpoint has not answered yet.
    pub RPC_CALLS_IN_FLIGHT: MetricId = 0xe880_4469_b089_ed89, "rpc_calls_in_flight";
    /// Counter vector, by `service`, `server`, `method` and `outcome`: calls that a client sent.
    pub RPC_CLIENT_CALLS: MetricId = 0xf8a9_5806_7ab2_d672, "rpc_client_calls";
    /// Histogram vector, by `service`, `server` and `method`: seconds that answers to a client took.
    pub RPC_CLIENT_CALL_SECONDS: MetricId = 0xd77b_81d2_0eb8_26c3, "rpc_client_call_seconds";
    /// Gauge vector, by `service`, `server` and `method`: calls of a client that have no answer yet.
    pub RPC_CLIENT_CALLS_IN_FLIGHT: MetricId = 0xfae7_d3b0_5237_d1a2, "rpc_client_calls_in_flight";
}

/// No service yet: each endpoint has these metrics under its own id.
const NO_SERVICE: ServiceId = ServiceId::new(0);

/// Seconds: half a millisecond to ten seconds.
const BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

const METHOD: (&str, &str) = (
    "method",
    "`Interface.method`, or `0x{interface id}.{ordinal}` without a registered name. `other` stands for methods beyond the first 128",
);

const SERVICE: (&str, &str) = ("service", "the service that the client belongs to");
const SERVER_NAME: (&str, &str) =
    ("server", "the name of the called server: `{domain}_{app}_{service}` in hex");

impl Side {
    /// The same metrics for another service.
    pub(super) const fn of_service(&self, service: ServiceId) -> Self {
        Self {
            calls: self.calls.of_service(service),
            seconds: self.seconds.of_service(service),
            in_flight: self.in_flight.of_service(service),
        }
    }
}

/// The metrics of the calls of an endpoint.
pub(crate) const SERVER: Side = Side {
    calls: MetricDoc::counter_vector(
        NO_SERVICE,
        RPC_CALLS,
        "RPC calls that came in and have ended, by method and outcome.",
        &[
            METHOD,
            (
                "outcome",
                "`ok`; `failed`: the handler returned an error; `refused`: nothing was executed; `cancelled`: the client let go of it; \
                 `lost`: the connection ended before",
            ),
        ],
    )
    .unit("calls")
    .meaning("The errors of failed calls are in the log at level debug, with their ids.")
    .queries(&[
        ("Calls a second, by method", "sum by (method) (rate(METRIC[5m]))"),
        (
            "Share of calls that failed, by method",
            "sum by (method) (rate(METRIC{outcome=\"failed\"}[5m])) / sum by (method) (rate(METRIC[5m]))",
        ),
    ]),
    seconds: MetricDoc::histogram_vector(
        NO_SERVICE,
        RPC_CALL_SECONDS,
        "Seconds from reading an RPC call to its end, by method.",
        &[METHOD],
        BUCKETS,
    )
    .unit("seconds")
    .meaning("Without calls that were refused. The time that a call waits for its thread before it is read is not in it.")
    .queries(&[(
        "Slowest percent, by method",
        "histogram_quantile(0.99, sum by (method, le) (rate(METRIC_bucket[5m])))",
    )]),
    in_flight: MetricDoc::gauge_vector(
        NO_SERVICE,
        RPC_CALLS_IN_FLIGHT,
        "RPC calls that came in and have not ended, by method.",
        &[METHOD],
    )
    .unit("calls")
    .meaning("All methods together are limited by `maxCallsInFlight` of the config.")
    .queries(&[("Calls in flight, by method", "sum by (method) (METRIC)")]),
};

/// The metrics of the calls of a client.
pub(crate) const CLIENT: Side = Side {
    calls: MetricDoc::counter_vector(
        APP_RPC_SERVICE_ID,
        RPC_CLIENT_CALLS,
        "RPC calls that a client sent and that have ended, by method and outcome.",
        &[
            SERVICE,
            SERVER_NAME,
            METHOD,
            (
                "outcome",
                "`ok`; `failed`: the server answered with an error; `refused`: the server executed nothing; `cancelled`: the deadline \
                 passed, or the caller let go of it; `lost`: the connection ended before",
            ),
        ],
    )
    .unit("calls")
    .meaning(
        "Each attempt counts, so a call that is repeated counts more than once. A call that no instance took is `refused` of the \
         method `other`.",
    )
    .queries(&[
        ("Calls a second, by method", "sum by (method) (rate(METRIC[5m]))"),
        (
            "Share of calls without an answer, by method",
            "sum by (method) (rate(METRIC{outcome=~\"refused|cancelled|lost\"}[5m])) / sum by (method) (rate(METRIC[5m]))",
        ),
    ]),
    seconds: MetricDoc::histogram_vector(
        APP_RPC_SERVICE_ID,
        RPC_CLIENT_CALL_SECONDS,
        "Seconds from sending an RPC call to its end, by method.",
        &[SERVICE, SERVER_NAME, METHOD],
        BUCKETS,
    )
    .unit("seconds")
    .queries(&[(
        "Slowest percent, by method",
        "histogram_quantile(0.99, sum by (method, le) (rate(METRIC_bucket[5m])))",
    )]),
    in_flight: MetricDoc::gauge_vector(
        APP_RPC_SERVICE_ID,
        RPC_CLIENT_CALLS_IN_FLIGHT,
        "RPC calls that a client sent and that have no answer yet, by method.",
        &[SERVICE, SERVER_NAME, METHOD],
    )
    .unit("calls")
    .queries(&[("Calls in flight, by method", "sum by (method) (METRIC)")]),
};

app_metrics::document! { CLIENT.calls, CLIENT.seconds, CLIENT.in_flight }
