//! The ids of this crate. The ids of the platform's metrics are in [`platform`](crate::platform).

use app_core::prelude::*;

/// Id of the metrics service.
pub const METRICS_SERVICE_ID: ServiceId = ServiceId::new(0xe305_4017_c1b1_d214);

ids! {
    /// HTTP requests answered: counter vector, labels `route`, `method`, `status`, requests.
    pub HTTP_REQUESTS: MetricId = 0x558c_b0a6_f017_46e4, "http_requests";
    /// Open connections of the HTTP server: gauge, connections.
    pub HTTP_CONNECTIONS_OPEN: MetricId = 0xbdc6_fed3_4e7d_ea89, "http_connections_open";
    /// Connections to the HTTP server: counter vector, label `event`, connections.
    pub HTTP_CONNECTIONS: MetricId = 0xfbd6_28d9_43bb_e48b, "http_connections";
    /// Duration of scrapes: histogram, seconds.
    pub SCRAPE_DURATION: MetricId = 0x7f9b_cfd5_120e_8b6e, "scrape_duration";
    /// Length of the answers to scrapes: histogram, bytes.
    pub SCRAPE_SIZE: MetricId = 0xeefa_333e_ee9f_7ad7, "scrape_size";
    /// Scrapes that were refused because too many were in progress: counter, scrapes.
    pub SCRAPES_REFUSED: MetricId = 0x3dbf_f137_000c_6432, "scrapes_refused";
}
