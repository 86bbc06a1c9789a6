//! Panels of the HTTP server's metrics.

use crate::{Panel, Row, Target};

crate::panels! {
    Panel::lines(Row::HTTP, "Requests a second")
        .place(10)
        .about("Requests by route and status (http_requests).")
        .unit("reqps")
        .targets(&[Target::new("{{route}} {{status}}", "sum by (route, status) (rate(metrics_http_requests_total{INSTANCES}[$__rate_interval]))")]),
    Panel::lines(Row::HTTP, "Connections")
        .place(20)
        .about("Open connections (http_connections_open), and events of connections in the interval (http_connections). Also scrapes that were refused because too many were in progress (scrapes_refused).")
        .targets(&[Target::new("open", "sum(metrics_http_connections_open{INSTANCES})"), Target::new("{{event}}", "sum by (event) (increase(metrics_http_connections_total{INSTANCES}[$__rate_interval]))"), Target::new("scrapes refused", "sum(increase(metrics_scrapes_refused_total{INSTANCES}[$__rate_interval]))")]),
    Panel::lines(Row::HTTP, "Time and size of scrapes")
        .place(30)
        .about("99th percentile of the duration of scrapes (scrape_duration), and bytes as sent (scrape_size).")
        .unit("s")
        .targets(&[Target::new("99 of 100 are done in", "histogram_quantile(0.99, sum by (le) (rate(metrics_scrape_duration_seconds_bucket{INSTANCES}[$__rate_interval])))"), Target::new("bytes a scrape", "sum(rate(metrics_scrape_size_bytes_sum{INSTANCES}[$__rate_interval])) / sum(rate(metrics_scrape_size_bytes_count{INSTANCES}[$__rate_interval]))").right_axis("bytes")]),
}
