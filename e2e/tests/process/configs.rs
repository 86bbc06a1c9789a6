//! Configs that are refused: exit status 78, and a message with the file and the reason.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    time::Duration,
};

use app_core::events;
use app_metrics::METRICS_SERVICE_ID;
use nix::{sys::stat::Mode, unistd::mkfifo};
use svc_example::QUOTA;

use crate::{
    files::{Configs, rules_content},
    program::Ended,
};

/// A valid config.
fn good() -> Vec<u8> {
    rules_content(&[("mails", |mut rule| rule.set_permits(3))])
}

/// Asserts that the start and `--check` refuse the file for this reason, each in one line.
#[track_caller]
fn is_refused(configs: &Configs, file: &str, reason: &str) {
    let file = configs.path().join(file).display().to_string();
    let names_both = |message: &str| message.contains(&file) && message.contains(reason);
    let started = configs.service().run();
    started.expect_code(78);
    let errors = started.records().into_iter().filter(|record| record["level"] == "error");
    let messages: Vec<_> =
        errors.filter_map(|record| record["message"].as_str().map(str::to_owned)).collect();
    assert_eq!(count(&messages, names_both), 1, "{file}, {reason}:\n{}", started.stderr);
    nothing_started(&started);

    let checked = configs.service().args(["--check"]).run();
    checked.expect_code(78);
    assert_eq!(count(checked.stderr.lines(), names_both), 1, "{file}, {reason}:\n{}", checked.stderr);
    nothing_started(&checked);
}

fn count<S: AsRef<str>>(lines: impl IntoIterator<Item = S>, wanted: impl Fn(&str) -> bool) -> usize {
    lines.into_iter().filter(|line| wanted(line.as_ref())).count()
}

fn nothing_started(ended: &Ended) {
    assert!(!ended.stderr.contains(&events::SERVICE_STARTING.hex()), "{}", ended.stderr);
    assert!(ended.took < Duration::from_secs(30), "took {:?}", ended.took);
}

fn quota_file() -> String {
    app_config::compat::service_config_id(QUOTA)
}

#[track_caller]
fn content_is_refused(content: &[u8], reason: &str) {
    is_refused(&Configs::none().file(QUOTA, content), &quota_file(), reason);
}

#[test]
fn a_config_that_was_cut_short_is_refused() {
    let good = good();
    for length in [1, 2, good.len() / 2, good.len() - 1] {
        content_is_refused(&good[..length], "cut short");
    }
}

#[test]
fn a_config_with_something_behind_it_is_refused() {
    let mut content = good();
    content.push(0);
    content_is_refused(&content, "1 byte follows");
}

#[test]
fn a_config_that_is_no_config_is_refused() {
    content_is_refused(b"", "empty");
    content_is_refused(b"rules: [ { name: mails } ]", "zlib");
    content_is_refused(&[0xff; 4_096], "zlib");
}

#[test]
fn a_config_with_a_flipped_bit_is_refused() {
    let mut content = good();
    let middle = content.len() / 2;
    content[middle] ^= 0x10;
    let configs = Configs::none().file(QUOTA, &content);
    let ended = configs.service().run();
    ended.expect_code(78);
    assert!(ended.stderr.contains(&configs.path_of(QUOTA).display().to_string()), "{}", ended.stderr);
}

#[test]
fn a_config_of_another_service_is_refused() {
    let configs = Configs::any_port();
    fs::rename(configs.path_of(METRICS_SERVICE_ID), configs.path_of(QUOTA)).unwrap();
    let ended = configs.service().run();
    ended.expect_code(78);
    assert!(ended.stderr.contains(&configs.path_of(QUOTA).display().to_string()), "{}", ended.stderr);
    nothing_started(&ended);
}

#[test]
fn a_config_that_is_too_large_is_refused() {
    content_is_refused(&vec![0x78; app_config::codec::MAX_FILE_BYTES + 1], "larger than 512000 bytes");
}

#[test]
fn a_directory_in_place_of_a_config_is_refused() {
    let configs = Configs::none();
    fs::create_dir(configs.path_of(QUOTA)).unwrap();
    is_refused(&configs, &quota_file(), "a directory, not a regular file");
}

#[test]
fn a_fifo_in_place_of_a_config_is_refused_and_not_waited_for() {
    let configs = Configs::none();
    mkfifo(&configs.path_of(QUOTA), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    is_refused(&configs, &quota_file(), "a FIFO, not a regular file");
}

#[test]
fn a_link_to_nothing_is_refused_and_a_link_to_a_config_is_followed() {
    let configs = Configs::any_port();
    symlink(configs.path().join("nothing"), configs.path_of(QUOTA)).unwrap();
    is_refused(&configs, &quota_file(), "a path that does not exist");

    // The way Kubernetes mounts secrets.
    fs::remove_file(configs.path_of(QUOTA)).unwrap();
    let data = configs.path().join("..data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join(quota_file()), good()).unwrap();
    fs::set_permissions(data.join(quota_file()), fs::Permissions::from_mode(0o400)).unwrap();
    symlink(data.join(quota_file()), configs.path_of(QUOTA)).unwrap();
    configs.service().args(["--check"]).run().expect_code(0);
}

#[test]
fn a_config_that_others_may_change_is_refused() {
    for mode in [0o620, 0o602, 0o666] {
        let configs = Configs::none().file(QUOTA, &good());
        fs::set_permissions(configs.path_of(QUOTA), fs::Permissions::from_mode(mode)).unwrap();
        is_refused(&configs, &quota_file(), &format!("mode {mode:04o}"));
    }
}

#[test]
fn a_name_that_begins_as_that_of_a_config_and_is_none_is_refused() {
    for name in [
        "0x",
        "0xzz",
        "0x10000000000000000",
        "0xCE1F32C680E1EF0B",
        "0x0ce1f32c680e1ef0b",
        "0xce1f32c680e1ef0b.bak",
    ] {
        let configs = Configs::none();
        fs::write(configs.path().join(name), good()).unwrap();
        is_refused(&configs, name, "a file");
    }
}

#[test]
fn names_that_are_no_business_of_ours_are_not_looked_at() {
    let configs = Configs::none();
    for name in ["README", "tls.key", ".0x1", "ce1f32c680e1ef0b", "0Xce1f32c680e1ef0b"] {
        fs::write(configs.path().join(name), b"nonsense").unwrap();
    }
    configs.service().args(["--check"]).run().expect_code(0);
}

#[test]
fn every_problem_of_two_services_is_reported_at_once() {
    let configs =
        Configs::none().rules(&[("", |_| ()), ("b", |mut rule| rule.set_permits(1))]).metrics(|mut spec| {
            spec.set_bind_address("nowhere");
            let specs = spec.init_metric_specs().init_counter_specs(2);
            let mut counter = specs.get(1);
            counter.set_service_id(1);
            counter.set_help("Help.");
        });
    is_refused(&configs, &quota_file(), "rules[0].name: must not be empty");
    is_refused(&configs, &quota_file(), "rules[0].permits: must be at least 1");
    let metrics = app_config::compat::service_config_id(METRICS_SERVICE_ID);
    is_refused(&configs, &metrics, "bindAddress: must be an IP address");
    is_refused(&configs, &metrics, "metricSpecs.counterSpecs[0].help: must not be empty");
    is_refused(&configs, &metrics, "metricSpecs.counterSpecs[1].metricId: must not be zero");
}

#[test]
fn no_content_of_a_config_is_in_the_messages() {
    let mut content = b"hunter2 is the secret ".repeat(10);
    let refusals = [content.clone(), {
        content.splice(..0, good());
        content
    }];
    for content in refusals {
        let ended = Configs::none().file(QUOTA, &content).service().run();
        ended.expect_code(78);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}
