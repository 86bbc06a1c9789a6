//! Configs that turn bad while the program runs, and configs that the machine cannot read.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use app_config::compat::service_config_id;
use app_core::{events::APP_STARTED, prelude::ServiceId};
use app_metrics::METRICS_SERVICE_ID;
use app_rpc::admin::APP_RPC_SERVICE_ID;
use nix::sys::signal::Signal;
use svc_example::{QUOTA, QUOTA_RPC};

use crate::{
    dev::{folder, start},
    files::{BuildRule, Configs},
    http::get,
    program::{Ended, Process, Program, poll},
    tools,
};

const ONE: &[(&str, BuildRule)] = &[("mails", |mut rule| rule.set_permits(3))];
const TWO: &[(&str, BuildRule)] =
    &[("logins", |mut rule| rule.set_permits(1)), ("mails", |mut rule| rule.set_permits(5))];

/// The program with sealed configs and an admin interface, and `appctl` to operate it.
struct Operated {
    process: Process,
    folder: PathBuf,
}

impl Operated {
    fn start() -> Self {
        let (process, tour) = start();
        let operated = Self { process, folder: folder(&tour) };
        operated.ready();
        operated
    }

    fn appctl(&self, args: &[&str]) -> Ended {
        let contexts = self.folder.join("contexts.json").display().to_string();
        Program::new(e2e::appctl()).args(args).env("OP_CONTEXT", &contexts).run()
    }

    /// Waits until every service runs.
    fn ready(&self) {
        poll("it is ready", || (self.appctl(&["status", "--ready"]).code() == Some(0)).then_some(()));
    }

    /// Restarts a service and waits until every service runs. Returns the notes.
    fn restart(&self, service: &str) -> String {
        let before = self.restarts(service);
        let ended = self.appctl(&["restart", service, "--reason", "the file is bad"]);
        ended.expect_code(0);
        poll("the restart", || (self.restarts(service) > before).then_some(()));
        self.ready();
        ended.stderr
    }

    fn restarts(&self, service: &str) -> u64 {
        poll("an answer", || {
            let answer = self.appctl(&["services", service, "--json"]);
            let services: serde_json::Value = serde_json::from_str(&answer.stdout).ok()?;
            services["services"][0]["restarts"].as_u64()
        })
    }

    fn config(&self, service: ServiceId) -> PathBuf {
        self.folder.join("configs").join(service_config_id(service))
    }

    fn stop(&self) {
        self.process.signal(Signal::SIGTERM);
        self.process.ended().expect_code(0);
    }
}

/// Replaces a config in one step.
fn replace(file: &Path, content: &[u8]) {
    let beside = file.with_extension("new");
    fs::write(&beside, content).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(beside, file).unwrap();
}

#[test]
fn a_restart_on_a_malformed_config_runs_on_the_last_good_one_and_everything_says_so() {
    let operated = Operated::start();
    let file = operated.config(QUOTA);
    let good = fs::read(&file).unwrap();
    let name = file.display().to_string();
    // Half of the file, as on a full disk.
    replace(&file, &good[..good.len() / 2]);
    let note = operated.restart("quota");
    let says = |text: &str| text.contains("(quota) is refused since 2") && text.contains(&name);
    assert!(says(&note) && note.starts_with("note: config ") && note.contains("last good config"), "{note}");
    for args in [&["status"][..], &["services"], &["services", "quota"]] {
        let answer = operated.appctl(args);
        assert!(answer.code() == Some(0) && says(&answer.stdout), "{args:?}: {answer:?}");
    }
    let configs = operated.appctl(&["configs"]);
    assert!(configs.code() == Some(6) && configs.stdout.contains("refused since 2"), "{configs:?}");
    let ready = get(operated.process.address(), "/readyz");
    assert!(ready.status == 200 && says(&ready.body) && ready.body.contains("\"warn\""), "{}", ready.body);

    replace(&file, &good);
    assert_eq!(operated.restart("quota"), "");
    assert!(!operated.appctl(&["status"]).stdout.contains("note:"));
    let ready = get(operated.process.address(), "/readyz");
    assert!(ready.body.contains("\"pass\"") && !ready.body.contains("notes"), "{}", ready.body);
    operated.stop();
}

#[test]
fn every_service_restarts_on_configs_that_are_gone_and_the_admin_interface_goes_on_listening() {
    let operated = Operated::start();
    let files =
        [QUOTA, QUOTA_RPC, METRICS_SERVICE_ID, APP_RPC_SERVICE_ID].map(|service| operated.config(service));
    let contents = files.each_ref().map(|file| fs::read(file).unwrap());
    files.iter().for_each(|file| fs::remove_file(file).unwrap());
    let reload = operated.appctl(&["reload", "--reason", "they are gone"]);
    assert_eq!(
        (reload.code(), reload.stdout.matches("a file that is gone").count()),
        (Some(6), 4),
        "{reload:?}"
    );
    for service in ["quota", "rpc", "metrics", "config"] {
        let note = operated.restart(service);
        assert!(note.contains("is from a file that is gone since 2"), "{service}: {note}");
    }
    let status = operated.appctl(&["status"]).stdout;
    assert_eq!(status.matches("is from a file that is gone since 2").count(), 4, "{status}");

    for (file, content) in files.iter().zip(&contents) {
        replace(file, content);
    }
    operated.appctl(&["reload", "--reason", "they are back"]).expect_code(0);
    assert!(!operated.appctl(&["status"]).stdout.contains("note:"));
    operated.stop();
}

#[test]
fn services_that_share_one_bad_directory_restart_and_so_does_the_config_service() {
    let operated = Operated::start();
    let configs = operated.folder.join("configs");
    let away = operated.folder.join("away");
    fs::rename(&configs, &away).unwrap();
    // A link to itself, so no file in it can be opened.
    symlink("configs", &configs).unwrap();
    let note = operated.restart("config");
    for service in ["(quota)", "(quota-rpc)", "(metrics)", "(rpc)", "(health)"] {
        assert!(note.contains(&format!("{service} is refused since 2")), "{service}: {note}");
    }
    let status = operated.appctl(&["status"]).stdout;
    assert!(status.contains("note: config identity is refused since 2"), "{status}");
    assert!(!status.contains("SECRET-KEY"), "{status}");

    fs::remove_file(&configs).unwrap();
    fs::rename(&away, &configs).unwrap();
    operated.appctl(&["reload", "--reason", "it is back"]).expect_code(0);
    let status = operated.appctl(&["status"]).stdout;
    assert!(!status.contains("note:"), "{status}");
    operated.stop();
}

#[test]
fn too_few_file_descriptors_at_the_start_are_no_fault_of_a_config() {
    let configs = Configs::any_port().rules(ONE);
    let mut named = 0;
    for limit in 5..64 {
        let command = format!("ulimit -n {limit}; exec \"$0\" --config-dir \"$1\"");
        let program = [e2e::svc_example(), &configs.path().display().to_string()];
        let process = Program::new("sh").args(["-c", &command]).args(program).start();
        let started = poll("its start or its end", || {
            let started = process.seen(|record| record["event"] == APP_STARTED.hex());
            (started || process.is_over()).then_some(started)
        });
        if started {
            process.signal(Signal::SIGTERM);
            process.ended().expect_code(0);
            break;
        }
        let ended = process.ended();
        ended.expect_code(1);
        named += usize::from(ended.stderr.contains("RLIMIT_NOFILE"));
    }
    assert!(named > 0, "no limit was so low that the start was refused");
}

#[test]
fn a_config_that_can_not_be_read_for_lack_of_descriptors_is_tried_again_and_not_refused() {
    if !tools::installed("prlimit", &["--version"], "util-linux") {
        return;
    }
    let configs = Configs::any_port().rules(ONE);
    let process = configs.service().start();
    process.ready();
    let limit = |limit: &str| {
        let limit = format!("--nofile={limit}:");
        tools::run("prlimit", ["--pid", &process.pid().to_string(), &limit]);
    };
    limit("3");
    let configs = configs.rules(TWO);
    let unread = process.record("the trouble", |record| {
        record["level"] == "warn"
            && record["message"].as_str().is_some_and(|text| {
                text.contains(
                    "could not be read now, the value in effect stays and the next look tries again",
                )
            })
    });
    assert!(unread["message"].as_str().unwrap().contains("RLIMIT_NOFILE"), "{unread}");
    limit("256");
    process.record("the new rules", |record| record["message"] == "rules in effect" && record["rules"] == 2);
    assert_eq!(get(process.address(), "/readyz").status, 200);
    process.signal(Signal::SIGTERM);
    let ended = process.ended();
    ended.expect_code(0);
    assert!(!ended.stderr.contains("not reloaded"), "{}", ended.stderr);
    drop(configs);
}
