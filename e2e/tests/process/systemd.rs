//! Notifications to systemd. The test takes the place of systemd, with a socket that receives them.

use std::{
    io::ErrorKind,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    thread,
    time::{Duration, Instant},
};

use app_core::events;
use nix::sys::signal::Signal;
use sd_notify::NotifyState;
use svc_example::QUOTA;
use tempfile::TempDir;

use crate::{
    files::{Configs, rules_content},
    http::{get, try_get},
    program::{PATIENCE, Process, Program, pass},
};

/// Timeout of the watchdog. The service notifies twice within it.
const WATCHDOG_MICROS: &str = "400000";

/// The socket in `NOTIFY_SOCKET`.
struct Systemd {
    socket: UnixDatagram,
    name: String,
    _dir: Option<TempDir>,
}

impl Systemd {
    fn at_a_path() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self::of(socket, path.to_str().unwrap().to_owned(), Some(dir))
    }

    fn at_an_abstract_name() -> Self {
        let name = format!("svc-example-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Self::of(UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}"), None)
    }

    fn of(socket: UnixDatagram, name: String, dir: Option<TempDir>) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, name, _dir: dir }
    }

    fn starts(&self, program: Program) -> Process {
        self.environment(program).start()
    }

    /// The environment variables that systemd sets.
    fn environment(&self, program: Program) -> Program {
        program.env("NOTIFY_SOCKET", &self.name).env("WATCHDOG_USEC", WATCHDOG_MICROS)
    }

    /// The next message.
    fn hears(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// The next message other than watchdog notifications, extensions of a timeout, and listeners to keep.
    fn is_told(&self) -> String {
        loop {
            let message = self.hears();
            let is_aside =
                ["EXTEND_TIMEOUT_USEC=", "FDSTORE=1\n"].iter().any(|start| message.starts_with(start));
            if message != "WATCHDOG=1" && !is_aside {
                return message;
            }
        }
    }

    /// The next message with this text. Only statuses may come before it.
    #[track_caller]
    fn is_told_of(&self, what: &str) -> String {
        loop {
            let message = self.is_told();
            if message.lines().any(|line| line == what) {
                return message;
            }
            assert!(message.starts_with("STATUS=") && !message.contains('\n'), "{message:?} before {what}");
        }
    }

    fn is_told_of_life(&self) {
        while self.hears() != "WATCHDOG=1" {}
    }

    /// All messages, until none comes for a time.
    fn drained(&self, quiet: Duration) -> Vec<String> {
        self.socket.set_read_timeout(Some(quiet)).unwrap();
        let mut messages = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) => messages.push(String::from_utf8_lossy(&buffer[..length]).into_owned()),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    self.socket.set_read_timeout(Some(PATIENCE)).unwrap();
                    return messages;
                }
            }
        }
    }
}

/// The monotonic clock, which systemd compares the time of a reload with.
fn monotonic_micros() -> i128 {
    match NotifyState::monotonic_usec_now().unwrap() {
        NotifyState::MonotonicUsec(time) => time,
        other => panic!("{other}"),
    }
}

/// Asks for a reload as systemd does. Returns the message that ends it.
#[track_caller]
fn reloads(systemd: &Systemd, process: &Process) -> String {
    let asked = monotonic_micros();
    process.signal(Signal::SIGHUP);
    let reloading = systemd.is_told_of("RELOADING=1");
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    assert!((asked..=monotonic_micros()).contains(&time.parse().unwrap()), "{reloading}, asked at {asked}");
    systemd.is_told_of("READY=1")
}

#[test]
fn systemd_is_told_of_readiness_reloads_life_and_the_stop_in_this_order() {
    let (systemd, configs) = (Systemd::at_a_path(), Configs::any_port());
    let process = systemd.starts(configs.service());
    assert_eq!(systemd.is_told_of("READY=1"), "READY=1\nSTATUS=8 services, ready");
    assert_eq!(get(process.address(), "/readyz").status, 200, "what it was told is true");
    systemd.is_told_of_life();
    systemd.is_told_of_life();

    let rule = rules_content(&[("mail", |mut rule| rule.set_permits(1))]);
    let configs = configs.file(QUOTA, &rule);
    assert_eq!(reloads(&systemd, &process), "READY=1\nSTATUS=8 services, ready");
    process.line("configs were read again");
    let _configs = configs.file(QUOTA, b"no config");
    let told = reloads(&systemd, &process);
    let refused = "STATUS=8 services, ready; config refused, the old one stays: quota (ce1f32c680e1ef0b)";
    assert_eq!(told, format!("READY=1\n{refused}"));

    process.signal(Signal::SIGTERM);
    let stopping = systemd.is_told_of("STOPPING=1");
    let limit = stopping.strip_prefix("STOPPING=1\nSTATUS=stopping: signal SIGTERM; ").unwrap();
    assert!(limit.ends_with("\nEXTEND_TIMEOUT_USEC=135000000"), "{limit}");
    process.ended().expect_code(0);
    let rest = systemd.drained(Duration::from_millis(1));
    assert!(rest.iter().all(|message| message == "WATCHDOG=1"), "nothing after the stop: {rest:?}");
}

#[test]
fn a_stop_is_told_when_it_begins_and_life_as_long_as_it_drains() {
    let (systemd, configs) = (Systemd::at_an_abstract_name(), Configs::any_port());
    let process = systemd.starts(configs.service().args(["--drain-delay=30s"]));
    systemd.is_told_of("READY=1");
    process.signal(Signal::SIGTERM);
    let stopping = systemd.is_told_of("STOPPING=1");
    assert!(stopping.ends_with("\nEXTEND_TIMEOUT_USEC=165000000"), "{stopping}");
    systemd.is_told_of_life();
    systemd.is_told_of_life();
    assert_eq!(get(process.address(), "/readyz").status, 503);
}

#[test]
fn the_watchdog_of_another_process_is_not_told() {
    let (systemd, configs) = (Systemd::at_a_path(), Configs::any_port());
    let process = systemd.starts(configs.service().env("WATCHDOG_PID", "1"));
    systemd.is_told_of("READY=1");
    assert_eq!(systemd.drained(Duration::from_millis(500)), [""; 0]);
    process.signal(Signal::SIGTERM);
    systemd.is_told_of("STOPPING=1");
}

#[test]
fn a_systemd_that_is_gone_or_does_not_listen_makes_one_warning_and_no_difference() {
    let full = Systemd::at_a_path();
    let to_full = UnixDatagram::unbound().unwrap();
    to_full.set_nonblocking(true).unwrap();
    while to_full.send_to(b"STATUS=noise", &full.name).is_ok() {}
    for (socket, warning) in [
        ("/nowhere/at/all", "systemd does not take a notification"),
        (full.name.as_str(), "systemd does not take a notification"),
        ("vsock:2:9", "no notifications to systemd"),
    ] {
        let configs = Configs::any_port();
        let program = configs.service().env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", WATCHDOG_MICROS);
        let process = program.start();
        assert_eq!(get(process.ready(), "/readyz").status, 200);
        process.goes_on_for(Duration::from_millis(500));
        process.signal(Signal::SIGTERM);
        let ended = process.ended();
        ended.expect_code(0);
        let warnings: Vec<_> =
            ended.records().into_iter().filter(|record| record["level"] == "warn").collect();
        assert_eq!(warnings.len(), 1, "{socket}: {warnings:?}");
        assert!(warnings[0]["message"].as_str().unwrap().starts_with(warning), "{warnings:?}");
    }
}

/// Asserts that the service runs with this value of a variable, and logs this warning; none if it is empty.
fn check_warning(name: &str, value: &str, warning: &str) {
    let (systemd, configs) = (Systemd::at_a_path(), Configs::any_port());
    // The other variables are correct.
    let process = systemd.environment(configs.service()).env(name, value).start();
    // The test reads all the time, so that the socket never fills up.
    let reader = systemd.socket.try_clone().unwrap();
    let ended = thread::spawn(move || {
        let address = process.ready();
        assert_eq!(get(address, "/readyz").status, 200);
        process.signal(Signal::SIGTERM);
        process.ended()
    });
    reader.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    while !ended.is_finished() {
        let _ = reader.recv(&mut [0; 4096]);
    }
    let ended = ended.join().unwrap();
    ended.expect_code(0);
    let warnings: Vec<_> = ended.records().into_iter().filter(|record| record["level"] == "warn").collect();
    assert_eq!(warnings.len(), usize::from(!warning.is_empty()), "{name}={value}: {warnings:?}");
    let told = warnings.first().map_or("", |record| record["message"].as_str().unwrap());
    assert!(told.starts_with(warning), "{name}={value}: {told}");
}

#[test]
fn a_socket_that_is_none_makes_one_warning_and_does_not_stop_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let inside = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(inside("file"), "no socket").unwrap();
    let _stream = std::os::unix::net::UnixListener::bind(inside("stream")).unwrap();
    let (cannot, was_not) = ("no notifications to systemd", "systemd does not take a notification");
    check_warning("NOTIFY_SOCKET", &format!("/{}", "x".repeat(200)), cannot);
    check_warning("NOTIFY_SOCKET", "notify", cannot);
    check_warning("NOTIFY_SOCKET", &inside("file"), was_not);
    check_warning("NOTIFY_SOCKET", &inside("stream"), was_not);
    check_warning("NOTIFY_SOCKET", &inside(""), was_not);
    check_warning("NOTIFY_SOCKET", "@svc-example-nobody-listens", was_not);
    check_warning("NOTIFY_SOCKET", "@", was_not);
    check_warning("NOTIFY_SOCKET", "", "");
}

#[test]
fn other_variables_of_systemd_that_lie_make_one_warning_at_most() {
    check_warning("WATCHDOG_USEC", "soon", "WATCHDOG_USEC: \"soon\" is not a number of microseconds");
    for time in ["18446744073709551615", "1", "0", ""] {
        check_warning("WATCHDOG_USEC", time, "");
    }
    check_warning("WATCHDOG_PID", "nobody", "");
    for sockets in ["-3", "7"] {
        check_warning("LISTEN_FDS", sockets, "");
    }
    check_warning("INVOCATION_ID", "garbage", "");
    check_warning("CREDENTIALS_DIRECTORY", "/nowhere", "");
}

/// Stops the process with SIGSTOP for a time, and checks the probes and the watchdog afterwards.
fn stopped_and_continued(stop: Duration) {
    let (systemd, configs) = (Systemd::at_a_path(), Configs::any_port());
    let process = systemd.starts(configs.service());
    let address = process.ready();
    systemd.is_told_of_life();
    process.signal(Signal::SIGSTOP);
    let stopped = Instant::now();
    // One message may have been sent before.
    systemd.drained(Duration::from_millis(600));
    pass(stop.saturating_sub(stopped.elapsed()));
    assert_eq!(
        systemd.drained(Duration::from_millis(1)),
        [""; 0],
        "a process that stands still says nothing"
    );

    process.signal(Signal::SIGCONT);
    for _ in 0..5 {
        let livez = get(address, "/livez");
        assert_eq!(livez.status, 200, "it turns over again: {}", livez.body);
    }
    systemd.is_told_of_life();
    systemd.is_told_of_life();
    assert_eq!(get(address, "/readyz").status, 200);
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

#[test]
fn a_process_that_is_stopped_says_nothing_and_is_alive_once_it_is_continued() {
    stopped_and_continued(Duration::from_secs(1));
}

#[test]
fn a_process_that_was_stopped_for_long_is_alive_once_it_is_continued() {
    stopped_and_continued(Duration::from_secs(14));
}

#[test]
fn without_systemd_nothing_is_told_and_nothing_is_missed() {
    let configs = Configs::any_port();
    let process = configs.service().env("WATCHDOG_USEC", WATCHDOG_MICROS).start();
    process.event(events::APP_STARTED);
    assert!(try_get(process.address(), "/livez").is_ok());
    process.signal(Signal::SIGTERM);
    let ended = process.ended();
    ended.expect_code(0);
    assert!(!ended.stderr.contains("systemd"), "{}", ended.stderr);
}
