//! The effect of signals.

use std::time::{Duration, Instant};

use app_core::{events, prelude::*};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    files::Configs,
    http::get,
    program::{Ended, pass},
};

const TO_STOP: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT];

#[test]
fn each_signal_stops_it_cleanly_and_the_log_has_sequences() {
    for signal in TO_STOP {
        let configs = Configs::any_port();
        let process = configs.service().args(["--log-level=debug"]).start();
        process.ready();
        process.signal(signal);
        let ended = process.ended();
        ended.expect_code(0);
        has_sequences(&ended, signal);
    }
}

/// An event of a service or of the app.
type Happened = (Option<&'static str>, LogEventId);

/// Sequences of events that the log must contain in this order, with other records in between. There are several sequences, because
/// services start in parallel.
const SEQUENCES: &[&[Happened]] = &[
    &[
        (Some("config"), events::SERVICE_STARTING),
        (Some("config"), events::SERVICE_STARTED),
        (Some("metrics"), events::SERVICE_STARTING),
        (Some("metrics"), app_metrics::log_events::METRICS_HTTP_SERVER_STARTING),
        (Some("metrics"), events::SERVICE_STARTED),
        (Some("health"), events::SERVICE_STARTING),
        (Some("health"), events::SERVICE_STARTED),
        (Some("quota"), events::SERVICE_STARTING),
        (Some("quota"), events::SERVICE_STARTED),
        (None, events::APP_STARTED),
        (None, events::APP_STOPPING),
        (Some("quota"), events::SERVICE_KILLED),
        (Some("quota"), events::SERVICE_STOPPED),
        (Some("health"), events::SERVICE_KILLED),
        (Some("health"), events::SERVICE_STOPPED),
        (Some("metrics"), events::SERVICE_KILLED),
        (Some("metrics"), app_metrics::log_events::METRICS_HTTP_SERVER_STOPPED),
        (Some("metrics"), events::SERVICE_STOPPED),
        (Some("config"), events::SERVICE_KILLED),
        (Some("config"), events::SERVICE_STOPPED),
        (None, events::APP_STOPPED),
    ],
    &[
        (Some("metrics"), app_metrics::log_events::METRICS_HTTP_SERVER_STARTING),
        (Some("metrics"), app_metrics::log_events::METRICS_HTTP_SERVER_STARTED),
        (None, events::APP_STOPPING),
    ],
    &[
        (Some("health"), app_health::log_events::HEALTHCHECK_REGISTERED),
        (Some("health"), app_health::log_events::HEALTHCHECK_RESULT),
        (None, events::APP_STOPPING),
    ],
];

fn has_sequences(ended: &Ended, signal: Signal) {
    let records = ended.records();
    for sequence in SEQUENCES {
        let mut rest = records.iter();
        for (service, event) in *sequence {
            let found = rest.find(|record| record["svc_name"].as_str() == *service && is(record, *event));
            assert!(found.is_some(), "{service:?} {} has no place:\n{}", event.describe(), ended.stderr);
        }
    }
    assert!(records.last().is_some_and(|last| is(last, events::APP_STOPPED)), "{}", ended.stderr);
    let stopping = records.iter().find(|record| is(record, events::APP_STOPPING)).unwrap();
    assert!(stopping["message"].as_str().unwrap().contains(signal.as_str()), "{stopping}");
    assert!(!records.iter().any(|record| record["level"] == "error" || record["level"] == "warn"));
}

fn is(record: &Value, event: LogEventId) -> bool {
    record["event"] == event.hex()
}

#[test]
fn a_second_signal_aborts_but_an_echo_of_the_first_does_not() {
    for (first, second) in [
        (Signal::SIGTERM, Signal::SIGINT),
        (Signal::SIGINT, Signal::SIGTERM),
        (Signal::SIGQUIT, Signal::SIGQUIT),
    ] {
        let configs = Configs::any_port();
        let process = configs.service().args(["--drain-delay", "30s"]).start();
        let address = process.ready();
        process.signal(first);
        process.event(events::APP_STOPPING);
        process.signal(first);
        assert_eq!(get(address, "/readyz").status, 503, "not ready any more");
        assert_eq!(get(address, "/livez").status, 200, "and still there");
        process.goes_on_for(Duration::from_millis(1_100));
        let sent = Instant::now();
        process.signal(second);
        let ended = process.ended();
        ended.expect_code(128 + second as i32);
        assert!(sent.elapsed() < Duration::from_secs(10), "{:?}", sent.elapsed());
        assert!(ended.stderr.contains("second signal"), "{}", ended.stderr);
    }
}

#[test]
fn a_drain_delay_is_waited_for() {
    let configs = Configs::any_port();
    let process = configs.service().args(["--drain-delay=700ms"]).start();
    process.ready();
    let sent = Instant::now();
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
    assert!(sent.elapsed() >= Duration::from_millis(700), "{:?}", sent.elapsed());
}

#[test]
fn a_hangup_does_not_stop_it() {
    let configs = Configs::any_port();
    let process = configs.service().start();
    let address = process.ready();
    process.signal(Signal::SIGHUP);
    process.line("SIGHUP");
    assert_eq!(get(address, "/readyz").status, 200);
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

/// Whether this process ignores the signal. Then its children ignore it, too, until they install a handler, and an earlier signal is
/// lost. A shell makes its background jobs ignore SIGINT and SIGQUIT.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal as u32 - 1) & 1 == 1
}

#[test]
fn a_signal_at_any_moment_of_the_start_ends_it_and_never_hangs_it() {
    let configs = Configs::any_port();
    let signals: Vec<_> = TO_STOP.into_iter().filter(|signal| !is_ignored(*signal)).collect();
    for attempt in 0..50 {
        let random = ServiceId::random().as_u64();
        let signal = signals[attempt % signals.len()];
        let moment = Duration::from_micros(random % 30_000);
        let process = configs.service().start();
        pass(moment);
        process.signal(signal);
        let ended = process.ended();
        // Before the first line of `main` the program cannot have a handler.
        let in_time = ended.code() == Some(0);
        let before_main = ended.killed_by() == Some(signal as i32) && ended.stderr.is_empty();
        assert!(in_time || before_main, "{signal} after {moment:?}: {ended:?}");
    }
}
