//! Metrics of the HTTP server and of scrapes.

use crate::ids::{
    HTTP_CONNECTIONS, HTTP_CONNECTIONS_OPEN, HTTP_REQUESTS, SCRAPE_DURATION, SCRAPE_SIZE, SCRAPES_REFUSED,
};
use crate::{
    Counter, CounterVector, Gauge, Histogram, METRICS_SERVICE_ID, MetricDoc, MetricRegistry, spec::Origin,
};
use app_core::prelude::*;
use axum::http::{Method, StatusCode};

/// The label of a request whose path has no route.
const NO_ROUTE: &str = "none";

const REQUESTS: MetricDoc = MetricDoc::counter_vector(
    METRICS_SERVICE_ID,
    HTTP_REQUESTS,
    "HTTP requests answered, by route, method and status.",
    &[
        ("route", "path of the route, with the names of its parameters, never the path of the request; `none` for an unknown path"),
        ("method", "`GET`, `HEAD` or `other`"),
        ("status", "the status, such as `200`"),
    ],
)
.unit("requests")
.meaning("Malformed requests and handlers that panicked are not counted.")
.queries(&[
    ("Requests a second, by route", "sum by (route) (rate(METRIC[5m]))"),
    ("Answers with a server error", "sum(rate(METRIC{status=~\"5..\", route!=\"/readyz\"}[5m]))"),
]);

const OPEN: MetricDoc = MetricDoc::gauge(
    METRICS_SERVICE_ID,
    HTTP_CONNECTIONS_OPEN,
    "Connections of the HTTP server that are open.",
)
.unit("connections")
.meaning("At 512, or at an eighth of the file descriptors if that is fewer, a new connection displaces the connection that has waited longest for its client.")
.queries(&[("Instances near the limit", "METRIC > 500")]);

const CONNECTIONS: MetricDoc = MetricDoc::counter_vector(
    METRICS_SERVICE_ID,
    HTTP_CONNECTIONS,
    "Connections to the HTTP server, by event.",
    &[(
        "event",
        "`accepted`; `refused`, because all connections were busy; `displaced`, closed while idle to make room; `timed_out`, too slow in sending the request or taking the answer; `malformed`, no HTTP/1 or too large a header; `broken_off`, the client left during a request or an answer; `accept_failed`, mostly for lack of file descriptors",
    )],
)
.unit("connections")
.meaning("An accepted connection counts again when another event ends it. Closing an idle connection after 75 s is no event.")
.queries(&[
    ("Clients that could not be served", "sum by (event) (rate(METRIC{event=~\"refused|displaced|timed_out|accept_failed\"}[5m])) > 0"),
]);

const DURATION: MetricDoc = MetricDoc::histogram(
    METRICS_SERVICE_ID,
    SCRAPE_DURATION,
    "Time from the request of a scrape until its whole answer was written or handed over.",
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0],
)
.unit("seconds")
.meaning("A long answer is made while the client takes it, so a slow client makes a long scrape. Aborted scrapes are not counted.")
.queries(&[("99th percentile", "histogram_quantile(0.99, rate(METRIC_bucket[5m]))")]);

const SIZE: MetricDoc = MetricDoc::histogram(
    METRICS_SERVICE_ID,
    SCRAPE_SIZE,
    "Length of the answer to a scrape as sent, after compression.",
    &[1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
)
.unit("bytes")
.queries(&[("Bytes a scrape", "rate(METRIC_sum[5m]) / rate(METRIC_count[5m])")]);

const REFUSED: MetricDoc = MetricDoc::counter(
    METRICS_SERVICE_ID,
    SCRAPES_REFUSED,
    "Scrapes that were refused because too many were in progress.",
)
.unit("scrapes")
.meaning("The client got a 503 with `Retry-After`.")
.queries(&[("Scrapes refused in the last hour", "increase(METRIC[1h]) > 0")]);

crate::document! { REQUESTS, OPEN, CONNECTIONS, DURATION, SIZE, REFUSED }

/// The registered metrics of the HTTP server. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct HttpMetrics {
    requests: CounterVector,
    pub(super) open: Gauge,
    connections: ConnectionCounters,
    pub(super) scrape_duration: Histogram,
    pub(super) scrape_size: Histogram,
    pub(super) scrapes_refused: Counter,
}

/// A counter for each event.
#[derive(Clone, Debug)]
struct ConnectionCounters {
    accepted: Counter,
    refused: Counter,
    displaced: Counter,
    timed_out: Counter,
    malformed: Counter,
    broken_off: Counter,
    accept_failed: Counter,
}

/// The events of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    Accepted,
    Refused,
    Displaced,
    TimedOut,
    Malformed,
    BrokenOff,
    AcceptFailed,
}

impl Event {
    /// The value of the label.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Displaced => "displaced",
            Self::TimedOut => "timed_out",
            Self::Malformed => "malformed",
            Self::BrokenOff => "broken_off",
            Self::AcceptFailed => "accept_failed",
        }
    }
}

impl HttpMetrics {
    pub(crate) fn register(registry: &MetricRegistry) -> Result<Self, Error> {
        // The number of series depends on routes and statuses, which the application chooses.
        let requests = REQUESTS.counter_vector_spec().max_series(usize::MAX);
        let connections = registry.register(CONNECTIONS.counter_vector_spec(), Origin::Platform)?;
        let of = |event: Event| connections.with([event.name()]);
        Ok(Self {
            requests: registry.register(requests, Origin::Platform)?,
            open: registry.register(OPEN.gauge_spec(), Origin::Platform)?,
            connections: ConnectionCounters {
                accepted: of(Event::Accepted)?,
                refused: of(Event::Refused)?,
                displaced: of(Event::Displaced)?,
                timed_out: of(Event::TimedOut)?,
                malformed: of(Event::Malformed)?,
                broken_off: of(Event::BrokenOff)?,
                accept_failed: of(Event::AcceptFailed)?,
            },
            scrape_duration: registry.register(DURATION.histogram_spec(), Origin::Platform)?,
            scrape_size: registry.register(SIZE.histogram_spec(), Origin::Platform)?,
            scrapes_refused: registry.register(REFUSED.counter_spec(), Origin::Platform)?,
        })
    }

    /// Counts a request that is answered. `route` is the path under which its handler was registered.
    pub(super) fn answered(&self, route: Option<&'static str>, method: &Method, status: StatusCode) {
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            _ => "other",
        };
        // Fails only for a wrong number of labels, which is a constant of this crate.
        if let Ok(counter) = self.requests.with([route.unwrap_or(NO_ROUTE), method, status.as_str()]) {
            counter.inc();
        }
    }

    pub(super) fn count(&self, event: Event) {
        let counters = &self.connections;
        let counter = match event {
            Event::Accepted => &counters.accepted,
            Event::Refused => &counters.refused,
            Event::Displaced => &counters.displaced,
            Event::TimedOut => &counters.timed_out,
            Event::Malformed => &counters.malformed,
            Event::BrokenOff => &counters.broken_off,
            Event::AcceptFailed => &counters.accept_failed,
        };
        counter.inc();
    }
}
