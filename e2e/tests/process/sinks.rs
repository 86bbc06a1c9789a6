//! A log sink that is closed, full or blocked. The service starts, serves and stops as usual.

use std::{
    fs::File,
    io::{Write, pipe},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, fcntl},
    sys::signal::Signal,
};

use crate::{
    files::Configs,
    http::{get, listening, try_get},
    program::{Process, Program, poll},
};

/// Longest time for a stop: services need milliseconds, the log may need a second, and the machine may be busy.
const IN_TIME: Duration = Duration::from_secs(10);

/// Asserts that the service serves and stops. The address is not in a readable log.
fn serves_and_stops(process: &Process) {
    let address = listening(process);
    poll("readiness", || try_get(address, "/readyz").ok().filter(|answer| answer.status == 200));
    for _ in 0..20 {
        assert_eq!(get(address, "/metrics").status, 200);
    }
    let killed = Instant::now();
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
    assert!(killed.elapsed() < IN_TIME, "took {:?} to stop", killed.elapsed());
}

#[test]
fn a_full_log_sink_harms_nothing() {
    let configs = Configs::any_port();
    let full = File::options().write(true).open("/dev/full").unwrap();
    serves_and_stops(&configs.service().args(["--log-level=debug"]).stderr(full).start());
}

#[test]
fn what_a_full_sink_did_not_take_is_counted() {
    let configs = Configs::any_port();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let process = configs.service().stderr(full).start();
    let address = listening(&process);
    let name = app_metrics::platform::LOG_RECORDS_DROPPED.prometheus_name(app_core::APP_SERVICE);
    poll("dropped records", || {
        let metrics = get(address, "/metrics").body;
        let sample = metrics.lines().find(|line| line.starts_with(&format!("{name}{{")))?;
        sample.rsplit(' ').next()?.parse::<f64>().ok().filter(|dropped| *dropped > 0.0)
    });
}

#[test]
fn a_sink_whose_reader_is_gone_harms_nothing() {
    let configs = Configs::any_port();
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    serves_and_stops(&configs.service().stderr(writer).start());
}

#[test]
fn a_reader_that_goes_away_harms_nothing() {
    let configs = Configs::any_port();
    let (reader, writer) = pipe().unwrap();
    let process = configs.service().stderr(writer).start();
    let address = listening(&process);
    poll("readiness", || try_get(address, "/readyz").ok().filter(|answer| answer.status == 200));
    drop(reader);
    serves_and_stops(&process);
}

#[test]
fn no_sink_at_all_harms_nothing() {
    let configs = Configs::any_port();
    let program = e2e::svc_example();
    let dir = configs.path().to_str().unwrap();
    let shell = Program::new("sh").args(["-c", r#"exec "$0" --config-dir "$1" 2>&-"#, program, dir]);
    serves_and_stops(&shell.start());
}

#[test]
fn a_sink_that_nobody_reads_harms_nothing() {
    let configs = Configs::any_port();
    let (reader, mut writer) = pipe().unwrap();
    // The pipe is full from the start, so the first record blocks.
    let capacity = fcntl(writer.as_fd(), FcntlArg::F_SETPIPE_SZ(4_096)).unwrap();
    writer.write_all(&vec![b'\n'; usize::try_from(capacity).unwrap()]).unwrap();
    serves_and_stops(&configs.service().args(["--log-level=debug"]).stderr(writer).start());
    drop(reader);
}
