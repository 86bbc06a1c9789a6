//! Commands under limits. Each does its work, or names the limit that is too low in one line.

use std::fs;

use super::{cases, dev::Dev, ended_before_main, possible, some_at_a_time};

#[test]
fn commands_under_limits_work_or_name_the_limit() {
    if !possible() {
        return;
    }
    let dev = Dev::start(&[]);
    let address = dev.process.address().to_string();
    let configs = dev.made().join("configs");
    let quota = dev.context("quota");
    let lines = [
        &["appctl", "--help"][..],
        &["appctl", "status"],
        &["appctl", "stacks"],
        &["appctl", "events", "--no-such-flag"],
        &["svc-example", "--check", "--domain-id=0xd0", "--app-id=0xa0", "--config-dir"],
        &["svc-example", "config", "explain", "quota"],
        &["svc-example", "health", "ready", "--address", &address],
        &["svc-example", "acquire", "alice", "--context", &quota],
    ];
    // The same user runs the service, so the threads of the service count, too.
    let threads = fs::read_dir(format!("/proc/{}/task", dev.process.pid()))
        .unwrap()
        .count()
        .try_into()
        .unwrap_or(u64::MAX);
    let few: Vec<_> = (1..=6).map(|more| threads + more).collect();
    let mut limits = cases("nproc", 1..=threads + 6, &few);
    limits.extend(cases("nofile", 4..=24, &[4, 6, 8, 10, 12, 14, 16, 18, 24]));
    some_at_a_time(&limits, |limits| {
        for line in lines {
            let mut line = line.to_vec();
            if line.ends_with(&["--config-dir"]) {
                line.push(configs.to_str().unwrap());
            }
            let ended = dev.tool("operator", limits, &line).run();
            let usage = line.contains(&"--no-such-flag") && ended.code() == Some(2);
            if ended.code() == Some(0) || usage || ended_before_main(&ended) {
                continue;
            }
            let said = format!("{}{}", ended.stdout, ended.stderr);
            let named = ["RLIMIT_NPROC", "RLIMIT_NOFILE"].iter().any(|name| said.contains(name));
            assert!(named && said.lines().count() == 1, "{limits:?} {line:?}: {ended:?}");
        }
    });
}
