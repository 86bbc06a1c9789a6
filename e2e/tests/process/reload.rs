//! Configs that change while the service runs.

use std::{fs, os::unix::fs::symlink, path::Path};

use app_config::compat::service_config_id;
use app_core::{APP_SERVICE, prelude::*};
use app_metrics::{METRICS_SERVICE_ID, platform::CONFIG_REFUSED};
use nix::sys::signal::Signal;
use svc_example::QUOTA;

use crate::{
    files::{BuildRule, Configs},
    http::get,
    program::{Process, poll},
};

const ONE: &[(&str, BuildRule)] = &[("mails", |mut rule| rule.set_permits(3))];
const TWO: &[(&str, BuildRule)] =
    &[("logins", |mut rule| rule.set_permits(1)), ("mails", |mut rule| rule.set_permits(5))];

/// Waits until this number of rules is in effect, for the first time.
fn in_effect(process: &Process, rules: usize) {
    process.record("the rules", |record| record["message"] == "rules in effect" && record["rules"] == rules);
}

/// Waits for the end of a requested reload with this number of refused configs.
fn read_again(process: &Process, refused: usize) {
    process.record("the reload", |record| {
        record["message"] == "configs were read again" && record["refused"] == refused
    });
}

fn shows(process: &Process, part: &str) -> bool {
    get(process.address(), "/metrics").body.contains(part)
}

/// The value of the metric of refused configs.
fn refused(process: &Process, service: ServiceId) -> Option<char> {
    let metrics = get(process.address(), "/metrics").body;
    let family = format!("{}{{", CONFIG_REFUSED.prometheus_name(APP_SERVICE));
    let of_service = format!("service=\"{}\"", service.hex());
    let mut series = metrics.lines().filter(|line| line.starts_with(&family) && line.contains(&of_service));
    series.next()?.chars().last()
}

#[test]
fn on_a_hangup_new_rules_take_effect_and_bad_ones_do_not() {
    let configs = Configs::any_port().rules(ONE);
    let process = configs.service().start();
    process.ready();
    let configs = configs.rules(TWO);
    process.signal(Signal::SIGHUP);
    read_again(&process, 0);
    in_effect(&process, 2);
    poll("the new rule", || shows(&process, "rule=\"logins\"").then_some(()));
    assert_eq!(refused(&process, QUOTA), Some('0'));

    let configs = configs.rules(&[("mails", |_| ()), ("mails", |mut rule| rule.set_permits(1))]);
    process.signal(Signal::SIGHUP);
    read_again(&process, 1);
    let record = process.record("the refusal", |record| record["level"] == "error");
    let message = record["message"].as_str().unwrap();
    for part in [
        "the value in effect stays",
        "rules[0].permits: must be at least 1",
        "rules[1].name: \"mails\" is the name of rules[0] already",
        &configs.path_of(QUOTA).display().to_string(),
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(refused(&process, QUOTA), Some('1'));
    assert!(shows(&process, "rule=\"logins\""), "the rules from before are in effect");
    assert_eq!(get(process.address(), "/readyz").status, 200);

    let configs = configs.rules(ONE);
    process.signal(Signal::SIGHUP);
    poll("the rules of the beginning", || (!shows(&process, "rule=\"logins\"")).then_some(()));
    poll("the end of the refusal", || (refused(&process, QUOTA) == Some('0')).then_some(()));
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
    drop(configs);
}

/// Mounts and changes a secret the way Kubernetes does.
#[test]
fn rules_of_a_mounted_secret_take_effect_when_it_is_swapped() {
    let (mount, [before, after]) =
        (Configs::none(), [ONE, TWO].map(|rules| Configs::any_port().rules(rules)));
    let data = mount.path().join("..data");
    symlink(before.path(), &data).unwrap();
    for service in [QUOTA, METRICS_SERVICE_ID] {
        symlink(Path::new("..data").join(service_config_id(service)), mount.path_of(service)).unwrap();
    }
    let process = mount.service().start();
    process.ready();
    in_effect(&process, 1);
    let next = mount.path().join("..data_tmp");
    symlink(after.path(), &next).unwrap();
    fs::rename(&next, &data).unwrap();
    drop(before);
    in_effect(&process, 2);
    poll("the new rule", || shows(&process, "rule=\"logins\"").then_some(()));
    process.signal(Signal::SIGTERM);
    let ended = process.ended();
    ended.expect_code(0);
    assert!(!ended.records().iter().any(|record| record["level"] == "error"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("next start"), "the other config is the same: {}", ended.stderr);
}
