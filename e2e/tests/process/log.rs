//! The log of the program: its records, their length, and their priority in the journal.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::PathBuf,
};

use app_core::{events, prelude::LogEventId};
use app_metrics::METRICS_SERVICE_ID;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    files::Configs,
    http::listening,
    program::{Ended, Program, poll},
};

/// A file that takes the place of the journal.
struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    fn new(configs: &Configs) -> Self {
        let path = configs.path().join("journal");
        let file = File::options().create(true).append(true).open(&path).unwrap();
        Self { path, file }
    }

    /// The value that systemd sets in `JOURNAL_STREAM`.
    fn stream(&self) -> String {
        let metadata = self.file.metadata().unwrap();
        format!("{}:{}", metadata.dev(), metadata.ino())
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    /// Runs the program with its log in this file until it has started. Returns the log.
    fn run(&self, program: Program, stream: &str) -> String {
        let process = program.env("JOURNAL_STREAM", stream).stderr(self.file.try_clone().unwrap()).start();
        poll("the start", || self.text().contains("app started").then_some(()));
        listening(&process);
        process.signal(Signal::SIGTERM);
        process.ended().expect_code(0);
        self.text()
    }
}

fn started_and_stopped(program: Program) -> Ended {
    let process = program.start();
    process.ready();
    process.signal(Signal::SIGTERM);
    let ended = process.ended();
    ended.expect_code(0);
    ended
}

#[test]
fn in_the_journal_each_line_begins_with_its_priority() {
    let configs = Configs::any_port();
    let journal = Journal::new(&configs);
    let text = journal.run(configs.service().args(["--log-level=debug"]), &journal.stream());
    for line in text.lines() {
        let (mark, json) = line.split_at(3);
        let record: Value = serde_json::from_str(json).unwrap_or_else(|_| panic!("{line}"));
        let level = match mark {
            "<7>" => "debug",
            "<6>" => "info",
            "<4>" => "warn",
            "<3>" => "error",
            _ => panic!("{line}"),
        };
        assert_eq!(record["level"], level, "{line}");
    }
    assert!(text.contains("<7>{") && text.contains("<6>{"), "{text}");
}

#[test]
fn lines_for_people_have_their_priority_in_the_journal_too() {
    let configs = Configs::any_port();
    let journal = Journal::new(&configs);
    let text = journal.run(configs.service().args(["--log-format=term"]), &journal.stream());
    assert!(text.lines().all(|line| line.starts_with("<6>2")), "{text}");
}

#[test]
fn without_the_journal_lines_have_no_priority() {
    let configs = Configs::any_port();
    let journal = Journal::new(&configs);
    // A value inherited from a parent with another output, and values that name no stream.
    for stream in ["1:1", "", "garbage", "0:0:0", "-1:-1", "99999999999999999999:1"] {
        fs::write(&journal.path, "").unwrap();
        let text = journal.run(configs.service(), stream);
        assert!(text.lines().all(|line| line.starts_with('{')), "{stream}: {text}");
    }
}

#[test]
fn errors_have_their_priority_in_the_journal_with_a_log_and_without() {
    let configs = Configs::none().file(METRICS_SERVICE_ID, b"no config");
    let journal = Journal::new(&configs);
    for (args, others) in [(&["--log-format=json"][..], "<6>"), (&["--check"][..], "<3>")] {
        fs::write(&journal.path, "").unwrap();
        let program = configs.service().args(args).env("JOURNAL_STREAM", journal.stream());
        program.stderr(journal.file.try_clone().unwrap()).run().expect_code(78);
        let text = journal.text();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.iter().any(|line| line.starts_with("<3>") && line.contains("is no config")), "{text}");
        assert!(lines.iter().all(|line| line.starts_with("<3>") || line.starts_with(others)), "{text}");
    }
}

#[test]
fn the_log_at_info_is_short_and_has_one_record_for_each_start_and_stop() {
    let configs = Configs::any_port();
    let records = started_and_stopped(configs.service()).records();
    for service in ["config", "metrics", "health", "messaging", "quota", "rpc", "quota-rpc"] {
        let told = |event: LogEventId| {
            let of = |record: &&Value| record["svc_name"] == service && record["event"] == event.hex();
            records.iter().filter(of).count()
        };
        assert_eq!((told(events::SERVICE_STARTED), told(events::SERVICE_STOPPED)), (1, 1), "{service}");
        for event in [
            events::SERVICE_REGISTERED,
            events::SERVICE_STARTING,
            events::SERVICE_KILLED,
            events::SERVICE_STOPPING,
            events::SERVICE_UNREGISTERED,
        ] {
            assert_eq!(told(event), 0, "{service}: {}", event.describe());
        }
    }
    assert!(records.len() < 30, "{records:#?}");
}

#[test]
fn every_event_has_its_name_beside_its_id() {
    let configs = Configs::any_port();
    let ended = started_and_stopped(configs.service().args(["--log-level=debug"]));
    let with_event: Vec<_> =
        ended.records().into_iter().filter(|record| record["event"].is_string()).collect();
    assert!(with_event.len() > 30, "{}", ended.stderr);
    for record in with_event {
        let id = record["event"].as_str().and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap();
        assert_eq!(record["event_name"].as_str(), LogEventId::new(id).name(), "{record}");
        assert!(record["event_name"].is_string(), "{record}");
    }
}

#[test]
fn a_failed_start_says_its_cause_once_in_a_record() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    for format in ["--log-format=json", "--log-format=term"] {
        let configs = Configs::none().metrics(|mut spec| spec.set_bind_address("127.0.0.1"));
        let config = r#"{"httpPort": PORT, "bindAddress": "127.0.0.1"}"#.replace("PORT", &port.to_string());
        let json = configs.path().join("metrics.json");
        fs::write(&json, config).unwrap();
        let output = configs.path_of(METRICS_SERVICE_ID);
        let seal = Program::service()
            .args(["config", "seal", "-s", "metrics", "--plain", "--force", "-o"])
            .args([&output, &json]);
        seal.run().expect_code(0);
        let ended = configs.service().args([format]).run();
        ended.expect_code(1);
        let cause = "is already in use";
        assert!(ended.stderr.contains(cause), "{}", ended.stderr);
        for line in ended.stderr.lines() {
            let message = match serde_json::from_str::<Value>(line) {
                Ok(record) => record["message"].as_str().unwrap().to_owned(),
                Err(_) => line.split(", event: ").next().unwrap().to_owned(),
            };
            assert!(message.matches(cause).count() <= 1, "{line}");
            assert!(!message.contains("killed"), "{line}");
        }
    }
}

#[test]
fn a_record_is_as_long_as_the_flag_says_and_no_longer() {
    // The error about the config contains the path several times.
    let configs = Configs::none();
    let dir = (0..14).fold(configs.path().to_owned(), |dir, _| dir.join("é".repeat(100)));
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join(app_config::compat::service_config_id(METRICS_SERVICE_ID));
    fs::write(&path, "no config").unwrap();
    let mut longest = Vec::new();
    for (flag, limit) in [("1024", 1024), ("16000", 16_000)] {
        for format in ["json", "term"] {
            let program = Program::service().args(["--config-dir".as_ref(), dir.as_os_str()]);
            let ended = program.env("OP_LOG_RECORD_BYTES", flag).env("OP_LOG_FORMAT", format).run();
            ended.expect_code(78);
            let lengths = ended.stderr.lines().map(|line| line.len() + 1);
            let most = lengths.max().unwrap();
            assert!(most <= limit, "{most} > {limit}: {}", ended.stderr);
            assert_eq!(ended.stderr.contains("bytes cut)"), limit == 1024, "{}", ended.stderr);
            if format == "json" {
                assert_eq!(ended.records().len(), ended.stderr.lines().count(), "{}", ended.stderr);
            }
            longest.push(most);
        }
    }
    assert!(longest[0] > 900 && longest[2] > 2_800, "{longest:?}");
    let program = Program::service().args(["--config-dir".as_ref(), dir.as_os_str()]);
    let checked = program.args(["--check", "--log-record-bytes=1024"]).run();
    checked.expect_code(78);
    assert!(checked.stderr.lines().all(|line| line.len() < 1024) && checked.stderr.contains("bytes cut)"));
}

#[test]
fn a_record_length_out_of_bounds_is_a_usage_error() {
    for value in ["0", "1023", "65537", "-1", "16k", "", "99999999999999999999"] {
        let ended = Program::service().args([&format!("--log-record-bytes={value}"), "--check"]).run();
        ended.expect_code(2);
        assert!(ended.stderr.contains("--log-record-bytes"), "{}", ended.stderr);
        assert!(value.is_empty() || ended.stderr.contains("from 1024 to 65536"), "{}", ended.stderr);
    }
    for value in ["1024", "65536"] {
        Program::service().args(["--log-record-bytes", value, "--help"]).run().expect_code(0);
    }
}
