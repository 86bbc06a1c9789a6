//! Ids of the log events of the metrics service.

use app_core::prelude::{LogEventId, ids};

ids! {
    /// The metrics service could not use its config.
    pub METRICS_SERVICE_CONFIG_ERROR: LogEventId = 0x83ad_8592_584d_0930, "metrics_service_config_error";
    /// The metrics HTTP server did not stop cleanly.
    pub METRICS_HTTP_REPORTER_SHUTDOWN_ERROR: LogEventId = 0xab35_5f69_33e9_b3fe, "metrics_http_reporter_shutdown_error";
    /// The metrics HTTP server could not start.
    pub METRICS_HTTP_REPORTER_START_ERROR: LogEventId = 0xa1e8_2667_eef8_67ff, "metrics_http_reporter_start_error";
    /// The metrics HTTP server ended while its service was running.
    pub METRICS_HTTP_REPORTER_SHUTDOWN_WHILE_SERVICE_RUNNING: LogEventId = 0xf8c7_8708_6a35_cd78, "metrics_http_reporter_shutdown_while_service_running";
    /// The metrics HTTP server is about to bind its port.
    pub METRICS_HTTP_SERVER_STARTING: LogEventId = 0xbec4_ba15_afa9_7c2b, "metrics_http_server_starting";
    /// The metrics HTTP server listens and answers.
    pub METRICS_HTTP_SERVER_STARTED: LogEventId = 0x8fab_3d9e_f501_1368, "metrics_http_server_started";
    /// The metrics HTTP server stopped.
    pub METRICS_HTTP_SERVER_STOPPED: LogEventId = 0xefd0_f72b_ffc6_36f6, "metrics_http_server_stopped";
}
