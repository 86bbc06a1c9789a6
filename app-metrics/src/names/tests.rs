//! Tests of readable names.

use super::{ReadableName, mapped, readable};
use crate::Kind;

#[track_caller]
fn is(service: &str, metric: &str, unit: &str, kind: Kind, base: &str, suffix: &'static str) {
    assert_eq!(
        readable(service, metric, unit, kind),
        Some(ReadableName { base: base.to_owned(), unit: suffix })
    );
}

#[test]
fn the_service_stands_first_and_once() {
    is("mail", "queue_depth", "mails", Kind::Gauge, "mail_queue_depth", "");
    is("quota", "quota_grants", "calls", Kind::CounterVector, "quota_grants", "");
    is("quota", "quotas", "", Kind::Gauge, "quota_quotas", "");
    is("quota", "quota", "", Kind::Gauge, "quota", "");
}

#[test]
fn a_base_unit_is_appended_once_and_other_units_are_not() {
    is("app", "command_wait", "seconds", Kind::HistogramVector, "app_command_wait_seconds", "seconds");
    is("quota", "quota_acquire_seconds", "seconds", Kind::Histogram, "quota_acquire_seconds", "seconds");
    is("metrics", "scrape_size", "bytes", Kind::Histogram, "metrics_scrape_size_bytes", "bytes");
    is("app", "start_time", "seconds since 1970", Kind::Gauge, "app_start_time_seconds", "seconds");
    is("health", "run_duration", "nanoseconds", Kind::Gauge, "health_run_duration", "");
    is("app", "ready", "1 or 0", Kind::Gauge, "app_ready", "");
}

#[test]
fn the_base_of_a_counter_has_no_total() {
    is("mail", "sent_total", "mails", Kind::Counter, "mail_sent", "");
    is("mail", "cpu_seconds_total", "seconds", Kind::Counter, "mail_cpu_seconds", "seconds");
    is("mail", "busy", "seconds", Kind::Counter, "mail_busy_seconds", "seconds");
    is("mail", "grand_total", "", Kind::Gauge, "mail_grand_total", "");
}

#[test]
fn what_prometheus_refuses_is_mapped() {
    is("quota-rpc", "calls", "", Kind::Gauge, "quota_rpc_calls", "");
    is("2fa", "codes.sent", "", Kind::Gauge, "_2fa_codes_sent", "");
    is("mail", "queueDepth", "", Kind::Gauge, "mail_queue_depth", "");
    is("gr\u{fc}n", "x y\n\"{}", "", Kind::Gauge, "gr_n_x_y____", "");
    assert_eq!(mapped("HTTP2Requests").as_deref(), Some("http2_requests"));
    assert_eq!(mapped("\u{e9}-\u{e8}"), None);
    assert_eq!(readable("mail", "", "", Kind::Gauge), None);
}
